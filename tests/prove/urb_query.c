/* SPDX-License-Identifier: MIT */
/*
 * proto/urb_query: a query, a reply of any length, a string of any bytes into any room.
 * SOURCES: proto/urb.c proto/urb_query.c proto/wire.c
 * EVA: -eva-precision 2 -eva-slevel 10000 -eva-split-limit 10000 -eva-split-return full -eva-partition-history 1 -eva-interprocedural-history
 */
#include "proto/urb_query.h"

#include "tests/prove/prove.h"

#include <errno.h>

enum { DATA = 8, STRING = 10, TEXT = 12 };

static struct urb_query any_query(void)
{
	struct urb_query query;

	any_bytes(&query, sizeof(query));
	query.length = (uint16_t)any_size(0, URB_QUERY_MAX);
	return query;
}

void prove_urb_query_encode(void)
{
	uint8_t buf[URB_SIZE];
	struct urb_query query = any_query();

	urb_query_encode(buf, &query);
	/*@ assert written: \initialized(&buf[0 .. URB_SIZE - 1]); */
	/*@ assert command: buf[3] == 1; */
	END();
}

/* The last byte is the block's last. */
void prove_urb_query_decode(void)
{
	uint8_t block[URB_SIZE + DATA];
	size_t len = any_size(0, sizeof(block));
	struct urb_query query = any_query();
	int32_t status;
	uint16_t data = 0;

	any_bytes(block, sizeof(block));
	/*@ split len; */
	int n = urb_query_decode(block + sizeof(block) - len, len, &query, &status, &data);

	/*@ assert result: n == -EBADMSG || n == 0 || n >= URB_SIZE; */
	/*@ assert whole: n > 0 ==> n <= len; */
	/*@ assert data: data <= URB_QUERY_MAX; */
	/*@ assert status: n > 0 ==> \initialized(&status); */
	END();
}

void prove_urb_string_decode(void)
{
	uint8_t block[STRING];
	char text[TEXT];
	size_t len = any_size(0, STRING), size = any_size(1, TEXT);

	any_bytes(block, sizeof(block));
	/*@ split len; */
	/*@ split size; */
	urb_string_decode(block + STRING - len, len, text + TEXT - size, size);
	/*@ assert begun: \initialized(&text[TEXT - size]); */
	END();
}
