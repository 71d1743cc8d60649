/* SPDX-License-Identifier: MIT */
/*
 * client/flow: any bytes from vhci-hcd and from a server, at the end of the window, in each state of a session.
 * SOURCES: client/flow.c client/pending.c proto/urb.c proto/wire.c
 * EVA: -eva-precision 2 -eva-slevel 10000 -eva-split-limit 10000 -eva-split-return full
 * EVA: -eva-split-return-function check_submit:0,pending_check:0,pending_check_packet:0
 */
#include "client/flow.h"

#include "tests/prove/prove.h"

enum { HEADER_AND_MORE = URB_SIZE + 2, PACKETS = 2, PACKETS_SIZE = PACKETS * URB_PACKET_SIZE + 1, DATA = 4 };

static struct guard_page page;
static struct flows flows;

/* A request of any kind, which was sent. */
static struct pending_request *request(uint32_t seqnum, uint32_t packets)
{
	struct urb_command command;
	struct pending_request *added = NULL;

	any_bytes(&command, sizeof(command));
	command.code = any_int(0, 1) ? URB_CMD_SUBMIT : URB_CMD_UNLINK;
	command.in = any_int(0, 1);
	command.endpoint = (uint8_t)any_size(0, 15);
	command.length = (uint32_t)any_size(0, INT32_MAX);
	command.packets = packets;
	command.seqnum = seqnum;
	if (pending_add(&flows.pending, &command, (uint32_t)any_size(0, UINT32_MAX), &added))
		return NULL;
	return added;
}

/* So many bytes at the end of the window are there and unchecked. */
static void receive(struct flow *flow, size_t size)
{
	flow->end = FLOW_WINDOW;
	flow->checked = FLOW_WINDOW - size;
	flow->begin = flow->checked;
	any_bytes(flow->bytes + flow->checked, size);
	flows.page = &page;
	flows.now = (uint32_t)any_size(0, UINT32_MAX);
}

static void check(struct flow *flow)
{
	size_t before = flow->checked;

	flow_check(&flows, flow);
	/*@ assert onwards: flow->checked >= before; */
	/*@ assert received: flow->checked <= flow->end; */
	/*@ assert window: flow->end <= FLOW_WINDOW; */
	/*@ assert unlink: flows.unlink_left == 0 || flows.unlink_left == URB_SIZE; */
	flows_wait(&flows, (uint32_t)any_size(0, UINT32_MAX));
}

/* A header, or a part of one, with or without a request that it may answer. */
void prove_flow_reply(void)
{
	size_t size = any_size(0, HEADER_AND_MORE);

	/*@ split size; */
	if (any_int(0, 1))
		request(1, 0);
	receive(&flows.down, size);
	check(&flows.down);
	END();
}

/* The data of an answer, a part of them, or more. */
void prove_flow_data(void)
{
	size_t size = any_size(0, DATA + 1);
	uint32_t data = (uint32_t)any_size(0, DATA);

	/*@ split size; */
	/*@ split data; */
	flows.down.request = request(1, 0);
	if (!flows.down.request)
		return;
	flows.down.data = data;
	receive(&flows.down, size);
	check(&flows.down);
	END();
}

/* The packets of an isochronous answer. */
void prove_flow_packets(void)
{
	size_t size = any_size(0, PACKETS_SIZE);

	/*@ split size; */
	flows.down.request = request(1, PACKETS);
	if (!flows.down.request)
		return;
	flows.down.packets = PACKETS;
	flows.down.length = (uint32_t)any_size(0, INT32_MAX);
	receive(&flows.down, size);
	check(&flows.down);
	END();
}

/* A header from vhci-hcd, before any URB, or after one. */
void prove_flow_command(void)
{
	size_t size = any_size(0, HEADER_AND_MORE);

	/*@ split size; */
	if (any_int(0, 1))
		request(1, 0);
	flows.down.checked = any_int(0, 1) ? FLOW_WINDOW - URB_SIZE + 1 : FLOW_WINDOW - URB_SIZE;
	flows.down.end = flows.down.checked;
	receive(&flows.up, size);
	check(&flows.up);
	END();
}
