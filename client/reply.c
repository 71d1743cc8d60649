/* SPDX-License-Identifier: MIT */
/* A reply, decoded as it arrives in pieces of any size. */
#include "client/reply.h"

#include <string.h>

void reply_start(struct reply *reply, enum op_code request)
{
	reply->code = request & 0x7fff; /* the top bit marks a request */
	reply->in_list = false;
	reply->used = reply->len = 0;
}

uint8_t *reply_room(struct reply *reply, size_t *size)
{
	size_t end = sizeof(reply->buf);

	assert(reply->used <= reply->len && reply->len <= sizeof(reply->buf));
	reply->len -= reply->used;
	memmove(reply->buf, reply->buf + reply->used, reply->len);
	reply->used = 0;
	if (reply->code == OP_REP_IMPORT)
		end = reply->len < OP_COMMON_SIZE ? OP_COMMON_SIZE : OP_REP_IMPORT_SIZE;
	*size = end - reply->len;
	return reply->buf + reply->len;
}

int reply_next(struct reply *reply, struct reply_item *item)
{
	const uint8_t *buf = reply->buf + reply->used;
	size_t len = reply->len - reply->used;
	int n, event = REPLY_RECORD;

	if (reply->code == OP_REP_IMPORT) {
		n = op_rep_import_decode(buf, len, &item->status, &item->device);
		event = REPLY_IMPORT;
	} else if (!reply->in_list) {
		n = op_devlist_head_decode(buf, len, reply->code, &reply->records);
		if (n <= 0)
			return n;
		reply->in_list = true;
		reply->used += (size_t)n;
		return reply_next(reply, item);
	} else if (!reply->records) {
		reply->in_list = false;
		return REPLY_END;
	} else {
		n = op_record_decode(buf, len, &item->device, item->interface);
		reply->records -= n > 0;
	}
	if (n <= 0)
		return n;
	reply->used += (size_t)n;
	return event;
}
