/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: the client's side of a conversation. The first byte of the input picks the request,
 * the second the size of the pieces in which the rest, the server's bytes, comes in. Whatever the
 * pieces, what is read is the same, and after an import no byte too many is asked for.
 */
#include "client/reply.h"
#include "tests/fuzz/fuzz.h"

/* What came of a conversation. */
struct outcome {
	unsigned records, lists, imports;
	int error;
	uint64_t hash; /* of all that was decoded */
	size_t taken;  /* bytes */
};

static void mix(uint64_t *hash, const void *bytes, size_t size)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < size; i++)
		*hash = (*hash ^ p[i]) * 0x100000001b3u;
}

static void note(struct outcome *outcome, int event, const struct reader_reply *reply)
{
	if (event == READER_WHOLE) {
		outcome->lists++;
		return;
	}
	outcome->records += event == READER_RECORD;
	outcome->imports += event == READER_IMPORT;
	if (event == READER_RECORD)
		mix(&outcome->hash, reply->interface,
		    reply->device.interfaces * sizeof(*reply->interface));
	else
		mix(&outcome->hash, &reply->status, sizeof(reply->status));
	if (event == READER_RECORD || reply->status == OP_OK) {
		HOLDS(busid_is_name(reply->device.busid));
		mix(&outcome->hash, &reply->device, sizeof(reply->device));
	}
}

static void converse(enum op_code request, size_t piece, const uint8_t *data, size_t size,
		     struct outcome *outcome)
{
	static struct reader reader;
	static struct reader_reply reply;

	memset(outcome, 0, sizeof(*outcome));
	reader_start(&reader, request);
	while (size && outcome->error >= 0 && !outcome->imports) {
		size_t room, n;
		uint8_t *place = reader_room(&reader, &room);
		int event;

		HOLDS(room > 0);
		HOLDS(request != OP_REQ_IMPORT || reader.len + room <= OP_REP_IMPORT_SIZE);
		HOLDS(reader.len + room <= sizeof(reader.buf));
		n = piece < room ? piece : room;
		n = n < size ? n : size;
		memcpy(place, data, n);
		reader.len += n;
		data += n;
		size -= n;
		outcome->taken += n;
		while ((event = reader_next(&reader, &reply)) > 0) {
			note(outcome, event, &reply);
			if (event == READER_IMPORT)
				break;
		}
		outcome->error = event < 0 ? event : 0;
	}
	HOLDS(!outcome->imports ||
	      outcome->taken == (reply.status == OP_OK ? OP_REP_IMPORT_SIZE : OP_COMMON_SIZE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum op_code requests[] = { OP_REQ_DEVLIST, OP_REQ_WATCH, OP_REQ_IMPORT };
	struct outcome pieces, bytes, whole;
	enum op_code request;

	if (size < 2)
		return 0;
	request = requests[data[0] % 3];
	converse(request, 1 + data[1], data + 2, size - 2, &pieces);
	converse(request, 1, data + 2, size - 2, &bytes);
	converse(request, size, data + 2, size - 2, &whole);
	HOLDS(pieces.records == bytes.records && bytes.records == whole.records);
	HOLDS(pieces.lists == bytes.lists && bytes.lists == whole.lists);
	HOLDS(pieces.imports == bytes.imports && bytes.imports == whole.imports);
	HOLDS(pieces.error == bytes.error && bytes.error == whole.error);
	HOLDS(pieces.hash == bytes.hash && bytes.hash == whole.hash);
	HOLDS(!bytes.error || bytes.error == whole.error);
	return 0;
}
