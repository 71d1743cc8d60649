/* SPDX-License-Identifier: MIT */
/* A reply as it comes in, in pieces of any size. */
#include "client/reply.h"

#include <string.h>

void reader_start(struct reader *reader, enum op_code request)
{
	reader->code = request & 0x7fff; /* the top bit is what makes it a request */
	reader->in_list = false;
	reader->used = reader->len = 0;
}

uint8_t *reader_room(struct reader *reader, size_t *size)
{
	size_t end = sizeof(reader->buf);

	reader->len -= reader->used;
	memmove(reader->buf, reader->buf + reader->used, reader->len);
	reader->used = 0;
	/* what follows an import's reply is the kernel's */
	if (reader->code == OP_REP_IMPORT)
		end = reader->len < OP_COMMON_SIZE ? OP_COMMON_SIZE : OP_REP_IMPORT_SIZE;
	*size = end - reader->len;
	return reader->buf + reader->len;
}

int reader_next(struct reader *reader, struct reader_reply *reply)
{
	const uint8_t *buf = reader->buf + reader->used;
	size_t len = reader->len - reader->used;
	int n, event;

	if (reader->code == OP_REP_IMPORT) {
		n = op_rep_import_decode(buf, len, &reply->status, &reply->device);
		event = READER_IMPORT;
	} else if (!reader->in_list) {
		n = op_devlist_head_decode(buf, len, reader->code, &reader->records);
		if (n <= 0)
			return n;
		reader->in_list = true;
		reader->used += (size_t)n;
		return reader_next(reader, reply);
	} else if (!reader->records) {
		reader->in_list = false;
		return READER_WHOLE;
	} else {
		n = op_record_decode(buf, len, &reply->device, reply->interface);
		reader->records -= n > 0;
		event = READER_RECORD;
	}
	if (n <= 0)
		return n;
	reader->used += (size_t)n;
	return event;
}
