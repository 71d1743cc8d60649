/* SPDX-License-Identifier: MIT */
/* Messages in two directions: checked, counted, and made fit. */
#include "client/flow.h"

#include <errno.h>
#include <string.h>

static unsigned time_place(uint32_t us)
{
	unsigned doublings = 0;

	for (; us >= 2 * GUARD_TIME_MIN; us /= 2)
		doublings++;
	us = us < GUARD_TIME_MIN ? 0 : us - GUARD_TIME_MIN;
	doublings = doublings * 4 + us / 2;
	return doublings < GUARD_TIMES ? doublings : GUARD_TIMES - 1;
}

uint64_t guard_time(const struct guard_times *times, unsigned of_1000)
{
	uint64_t all = 0, until = 0;
	unsigned i;

	for (i = 0; i < GUARD_TIMES; i++)
		all += times->count[i];
	if (!all)
		return 0;
	for (i = 0; i < GUARD_TIMES; i++) {
		until += times->count[i];
		if (until * 1000 >= all * of_1000)
			break;
	}
	i++; /* where the next place begins */
	return (uint64_t)(GUARD_TIME_MIN + i % 4 * 2) << i / 4;
}

static void count_reply(struct flows *flows, const struct urb_reply *reply,
			const struct pending_request *request)
{
	struct urb_counters *counters = &flows->page->counters;
	unsigned endpoint = request->endpoint + (request->in ? GUARD_ENDPOINTS / 2u : 0);

	if (reply->code != URB_RET_SUBMIT)
		return;
	counters->urbs++;
	counters->errors += reply->status != 0;
	if (request->in)
		counters->bytes_in += reply->length;
	else
		counters->bytes_out += reply->length;
	flows->page->endpoint[endpoint].count[time_place(flows->now - request->since)]++;
}

/* Before its first URB, a session can only be asked to unlink one of the port's session before: the
 * kernel had not let go of that device. The server does not know it, and usbip-host would not even
 * say so before it has something else to send (stub_rx.c stub_recv_cmd_unlink()). */
static void answer_stale(struct flows *flows, uint32_t seqnum)
{
	struct flow *down = &flows->down;
	struct urb_reply reply = { .code = URB_RET_UNLINK, .seqnum = seqnum };

	flows->up.stalled = down->checked > FLOW_WINDOW - URB_SIZE;
	if (flows->up.stalled)
		return;
	urb_reply_encode(down->bytes + down->checked, &reply);
	down->checked += URB_SIZE;
	down->end = down->checked; /* what a server sends that was asked for nothing is dropped */
}

/* A header from the kernel. Returns whether it goes on now: else it is left out, or the flow is
 * stalled. */
static bool take_command(struct flows *flows, const uint8_t *bytes)
{
	struct flow *up = &flows->up;
	struct urb_command command;
	int error = urb_command_decode(bytes, &command);

	if (!error && command.code == URB_CMD_UNLINK && !flows->pending.begun) {
		answer_stale(flows, command.seqnum);
		return false;
	}
	if (!error)
		error = pending_add(&flows->pending, &command, flows->now, &up->request);
	up->stalled = error == -EAGAIN;
	if (error && !up->stalled)
		flows->wrong = "a request of vhci-hcd has a wrong header";
	if (error)
		return false;
	flows->page->counters.in_flight = flows->pending.count;
	if (up->request->kind == PENDING_HELD) {
		up->request = NULL;
		flows->page->held++;
		return false;
	}
	up->seqnum = command.seqnum;
	up->data = command.in ? 0 : command.length;
	up->packets = command.packets;
	return true;
}

static bool take_reply(struct flows *flows, uint8_t *bytes)
{
	struct flow *down = &flows->down;
	struct urb_reply reply;

	flows->wrong = urb_reply_decode(bytes, &reply)
			       ? PENDING_WRONG "header"
			       : pending_check(&flows->pending, &reply, &down->request);
	if (flows->wrong)
		return false;
	if (!down->request->packets)
		reply.packets = reply.errors = 0;
	urb_reply_encode(bytes, &reply);
	count_reply(flows, &reply, down->request);
	down->length = reply.length;
	down->data = down->request->in ? reply.length : 0;
	down->packets = reply.packets;
	down->sum = 0;
	return true;
}

static void take_packet(struct flows *flows, struct flow *flow, uint8_t *bytes)
{
	struct urb_packet packet;

	urb_packet_decode(bytes, &packet);
	if (flow == &flows->up) {
		pending_add_packet(&flows->pending, flow->request, flow->packet, &packet);
		return;
	}
	flows->wrong = pending_check_packet(&flows->pending, flow->request, flow->packet, &packet,
					    flow->length, &flow->sum);
	urb_packet_encode(bytes, &packet); /* the same bytes */
}

static void end_message(struct flows *flows, struct flow *flow)
{
	struct urb_command unlink = { .code = URB_CMD_UNLINK };
	struct pending_request *held;

	if (flow == &flows->down) {
		pending_end(&flows->pending, flow->request);
		flows->page->counters.in_flight = flows->pending.count;
	} else if ((held = pending_release(&flows->pending, flow->seqnum))) {
		unlink.seqnum = held->seqnum;
		unlink.victim = held->victim;
		unlink.devid = flows->pending.devid;
		urb_command_encode(flows->unlink, &unlink);
		flows->unlink_left = URB_SIZE;
	}
	flow->request = NULL;
	flow->packets = flow->packet = 0;
	flow->unfinished = 0;
}

/* A header, at flow->checked. Returns whether the flow goes on. */
static bool take_header(struct flows *flows, struct flow *flow)
{
	uint8_t *bytes = flow->bytes + flow->checked;

	if (flow->end - flow->checked < URB_SIZE)
		return false;
	if (flow == &flows->down ? take_reply(flows, bytes) : take_command(flows, bytes)) {
		flow->checked += URB_SIZE;
		flow->unfinished = URB_SIZE;
		return true;
	}
	if (flows->wrong || flow->stalled)
		return false;
	flow->end -= URB_SIZE; /* it is left out */
	memmove(bytes, bytes + URB_SIZE, flow->end - flow->checked);
	return true;
}

/* Returns whether all of the data has come. */
static bool take_data(struct flow *flow)
{
	size_t n = flow->end - flow->checked;

	if (n > flow->data)
		n = flow->data;
	flow->data -= (uint32_t)n;
	flow->checked += n;
	flow->unfinished += n;
	return !flow->data;
}

void flow_check(struct flows *flows, struct flow *flow)
{
	bool goes_on = true;

	while (goes_on) {
		if (flow->data) {
			goes_on = take_data(flow);
		} else if (flow->packet < flow->packets) {
			if (flow->end - flow->checked < URB_PACKET_SIZE)
				return;
			take_packet(flows, flow, flow->bytes + flow->checked);
			if (flows->wrong)
				return;
			flow->checked += URB_PACKET_SIZE;
			flow->unfinished += URB_PACKET_SIZE;
			flow->packet++;
		} else if (flow->request) {
			end_message(flows, flow);
			goes_on = !flows->unlink_left || flow == &flows->down;
		} else {
			goes_on = take_header(flows, flow);
		}
	}
}

size_t flow_passable(const struct flow *flow)
{
	size_t len = flow->checked - flow->begin;

	if (flow->unfinished < len)
		return len - flow->unfinished;
	return flow->unfinished == len && flow->end - flow->begin < FLOW_WINDOW ? 0 : len;
}

bool flows_wait(const struct flows *flows, uint32_t us)
{
	const struct flow *down = &flows->down;

	return flows->up.stalled || down->request || down->checked < down->end ||
	       pending_has_unlink(&flows->pending, flows->now, us);
}
