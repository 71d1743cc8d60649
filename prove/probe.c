/* SPDX-License-Identifier: MIT */
/*
 * client/probe: one call in any state it can be in, which is any step of the five with any part of
 * a reply; each call is shown to leave such a state. The longest data are those of harness urb.
 * SOURCES: client/probe.c proto/urb.c proto/wire.c sysfs/describe.c
 * EVA: -eva-precision 2 -eva-slevel 5000 -eva-split-limit 5000 -eva-split-return full
 * EVA: -eva-partition-history 1 -eva-interprocedural-history
 */
#include "client/probe.h"

#include "prove/prove.h"

#include <errno.h>

enum { STEPS = 5, DATA = 24 };

static struct probe probe;

/* Of a reply with so many bytes of data, as its head says it, the first len bytes. */
static void any_probe(unsigned step, size_t len)
{
	any_bytes(&probe, sizeof(probe));
	probe.step = step;
	probe.request.length = (uint16_t)any_size(0, URB_DATA_MAX);
	probe.len = len;
}

void prove_probe_start(void)
{
	any_bytes(&probe, sizeof(probe));
	probe_start(&probe, (uint32_t)any_size(0, UINT32_MAX));
	/*@ assert state: probe.step == 0 && probe.len == 0; */
	/*@ assert number: probe.request.seqnum == 1; */
	END();
}

/* What it gives lies in the buffer. */
void prove_probe_room(void)
{
	size_t len = any_size(0, URB_SIZE), size;
	uint8_t *room;

	/*@ split len; */
	any_probe(0, len);
	room = probe_room(&probe, &size);
	/*@ assert begin: room == &probe.in[0] + len; */
	/*@ assert fits: size <= sizeof(probe.in) - len; */
	/*@ assert head: len < URB_SIZE ==> size == URB_SIZE - len; */
	END();
}

void prove_probe_next(void)
{
	size_t len = any_size(0, URB_SIZE + DATA);
	int step = any_int(0, STEPS - 1);

	/*@ split len; */
	/*@ split step; */
	any_probe((unsigned)step, len);
	int event = probe_next(&probe);

	/*@ assert result: event == -EBADMSG || 0 <= event <= 2; */
	/*@ assert next: event == 1 ==> probe.len == 0 && step < probe.step < STEPS; */
	/*@ assert length: event == 1 ==> probe.request.length <= URB_DATA_MAX; */
	/*@ assert end: event == 2 ==> probe.step == STEPS; */
	END();
}
