/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: the client's side of a conversation. The first byte of the input picks the request, the
 * second the size of the pieces in which the rest, the bytes of the server, arrives. Whatever the
 * pieces, the result is the same, and after an import no byte too many is asked for.
 */
#include "client/reply.h"
#include "tests/fuzz/fuzz.h"

/* The result of a conversation. */
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

static void note(struct outcome *outcome, int event, const struct reply_item *item)
{
	if (event == REPLY_END) {
		outcome->lists++;
		return;
	}
	outcome->records += event == REPLY_RECORD;
	outcome->imports += event == REPLY_IMPORT;
	if (event == REPLY_RECORD)
		mix(&outcome->hash, item->interface,
		    item->device.interfaces * sizeof(*item->interface));
	else
		mix(&outcome->hash, &item->status, sizeof(item->status));
	if (event == REPLY_RECORD || item->status == OP_OK) {
		HOLDS(busid_is_name(item->device.busid) || !item->device.busid[0]);
		mix(&outcome->hash, &item->device, sizeof(item->device));
	}
}

static void converse(enum op_code request, size_t piece, const uint8_t *data, size_t size,
		     struct outcome *outcome)
{
	static struct reply reply;
	static struct reply_item item;

	memset(outcome, 0, sizeof(*outcome));
	reply_start(&reply, request);
	while (size && outcome->error >= 0 && !outcome->imports) {
		size_t room, n;
		uint8_t *place = reply_room(&reply, &room);
		int event;

		HOLDS(room > 0);
		HOLDS(request != OP_REQ_IMPORT || reply.len + room <= OP_REP_IMPORT_SIZE);
		HOLDS(reply.len + room <= sizeof(reply.buf));
		n = piece < room ? piece : room;
		n = n < size ? n : size;
		memcpy(place, data, n);
		reply.len += n;
		data += n;
		size -= n;
		outcome->taken += n;
		while ((event = reply_next(&reply, &item)) > 0) {
			note(outcome, event, &item);
			if (event == REPLY_IMPORT)
				break;
		}
		outcome->error = event < 0 ? event : 0;
	}
	HOLDS(!outcome->imports ||
	      outcome->taken == (item.status == OP_OK ? OP_REP_IMPORT_SIZE : OP_COMMON_SIZE));
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
