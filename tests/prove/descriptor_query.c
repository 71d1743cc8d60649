/* SPDX-License-Identifier: MIT */
/*
 * descriptor_query in client/reply: one call in any state it can be in, which is any step of the five with a part of a
 * reply, or the whole; each call is shown to leave such a state.
 * SOURCES: client/reply.c proto/op.c proto/urb.c proto/urb_query.c proto/wire.c proto/usb.c lib/str.c sysfs/device.c
 * HINT: sysfs/device.c:		if (!descriptor_is(d, len - at, INTERFACE_DESCRIPTOR:		//@ dynamic_split at;
 * EVA: -eva-precision 2 -eva-slevel 5000 -eva-split-limit 5000 -eva-split-return full
 * EVA: -eva-partition-history 1 -eva-interprocedural-history
 */
#include "client/reply.h"

#include "tests/prove/prove.h"

#include <errno.h>

/* A configuration with an interface, and a string of a few characters. */
enum { STEPS = DESCRIPTOR_STEP_END, CONFIGURATION = 9 + 9 + 2, STRING = 7 };

static struct descriptor_query query;

/* Of any reply the first len bytes. */
static void any_query(unsigned step, size_t len)
{
	any_bytes(&query, sizeof(query));
	query.step = (enum descriptor_step)step;
	query.request.length = (uint16_t)any_size(0, URB_QUERY_MAX);
	query.len = len;
}

void prove_descriptor_query_start(void)
{
	any_bytes(&query, sizeof(query));
	descriptor_query_start(&query, (uint32_t)any_size(0, UINT32_MAX));
	/*@ assert state: query.step == 0 && query.len == 0; */
	/*@ assert number: query.request.seqnum == 1; */
	END();
}

/* What it gives lies in the buffer. */
void prove_descriptor_query_room(void)
{
	size_t len = any_size(0, URB_SIZE), size;
	uint8_t *room;

	/*@ split len; */
	any_query(0, len);
	room = descriptor_query_room(&query, &size);
	/*@ assert begin: room == &query.in[0] + len; */
	/*@ assert fits: size <= sizeof(query.in) - len; */
	/*@ assert head: len < URB_SIZE ==> size == URB_SIZE - len; */
	END();
}

/* A part of a reply's head, in any step. */
void prove_descriptor_query_next_head(void)
{
	size_t len = any_size(0, URB_SIZE - 1);

	any_query((unsigned)any_int(0, STEPS - 1), len);
	int event = descriptor_query_next(&query);

	/*@ assert more: event == DESCRIPTOR_QUERY_MORE; */
	END();
}

/* A reply whose data are whole: no byte behind them was received. */
static void next(unsigned step, size_t data)
{
	any_query(step, URB_SIZE + data);
	query.in[24] = query.in[25] = query.in[26] = 0;
	query.in[27] = (uint8_t)data;
	int event = descriptor_query_next(&query);

	/*@ assert result: event == -EBADMSG || event == DESCRIPTOR_QUERY_SEND ||
	        event == DESCRIPTOR_QUERY_DONE; */
	/*@ assert next: event == DESCRIPTOR_QUERY_SEND ==>
	        query.len == 0 && step < query.step < STEPS; */
	/*@ assert length: event == DESCRIPTOR_QUERY_SEND ==>
	        query.request.length <= URB_QUERY_MAX; */
	/*@ assert end: event == DESCRIPTOR_QUERY_DONE ==> query.step == STEPS; */
}

void prove_descriptor_query_next_device(void)
{
	size_t data = any_size(0, 18);

	/*@ split data; */
	next(0, data);
	END();
}

void prove_descriptor_query_next_configuration(void)
{
	size_t data = any_size(0, CONFIGURATION);

	/*@ split data; */
	next(1, data);
	END();
}

void prove_descriptor_query_next_languages(void)
{
	size_t data = any_size(0, 6);

	/*@ split data; */
	next(2, data);
	END();
}

void prove_descriptor_query_next_string(void)
{
	size_t data = any_size(0, STRING);
	int step = any_int(3, 4);

	/*@ split data; */
	/*@ split step; */
	next((unsigned)step, data);
	END();
}
