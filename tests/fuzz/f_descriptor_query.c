/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: a device is asked for its descriptors. The first byte of the input is the size of the
 * pieces in which the rest, the bytes of the server, arrives. Whatever the pieces, the result is the
 * same, and no byte after the last reply is asked for.
 */
#include "client/reply.h"
#include "tests/fuzz/fuzz.h"

static void converse(struct descriptor_query *query, size_t piece, const uint8_t *data, size_t size,
		     int *event)
{
	uint32_t requests = 1;

	descriptor_query_start(query, 0x00020003);
	*event = DESCRIPTOR_QUERY_MORE;
	while (size && *event >= 0 && *event != DESCRIPTOR_QUERY_DONE) {
		size_t room, n;
		uint8_t *place = descriptor_query_room(query, &room);

		HOLDS(room > 0);
		HOLDS(query->len + room <= sizeof(query->in));
		HOLDS(query->len + room <= URB_SIZE + (size_t)query->request.length);
		HOLDS(query->request.seqnum == requests);
		HOLDS(query->request.length <= URB_QUERY_MAX);
		n = piece < room ? piece : room;
		n = n < size ? n : size;
		memcpy(place, data, n);
		query->len += n;
		data += n;
		size -= n;
		*event = descriptor_query_next(query);
		requests += *event == DESCRIPTOR_QUERY_SEND;
	}
	HOLDS(requests <= 5);
	HOLDS(memchr(query->strings.product, 0, DEVICE_STRING_SIZE));
	HOLDS(memchr(query->strings.serial, 0, DEVICE_STRING_SIZE));
	HOLDS(!query->strings.maker[0]);
}

static bool same(const struct descriptor_query *a, const struct descriptor_query *b)
{
	return !memcmp(&a->strings, &b->strings, sizeof(a->strings)) &&
	       !memcmp(a->class, b->class, sizeof(a->class)) && a->step == b->step &&
	       a->len == b->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct descriptor_query pieces, bytes, whole;
	int in_pieces, in_bytes, at_once;

	if (size < 1)
		return 0;
	converse(&pieces, 1u + data[0], data + 1, size - 1, &in_pieces);
	converse(&bytes, 1, data + 1, size - 1, &in_bytes);
	converse(&whole, size, data + 1, size - 1, &at_once);
	HOLDS(in_pieces == in_bytes && in_bytes == at_once);
	HOLDS(same(&pieces, &bytes) && same(&bytes, &whole));
	return 0;
}
