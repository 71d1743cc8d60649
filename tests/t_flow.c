/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/flow and client/pending: what goes on of a session's messages, in parts of any
 * size; each field of an answer that does not fit; unlinks that come before their URB; a table that
 * is full; and the captured sessions, which go on to the byte.
 */
#include "client/flow.h"

#include "tests/bytes.h"
#include "tests/files.h"

static struct flows flows;
static struct guard_page page;
static struct {
	size_t len;
	uint8_t bytes[4 * FLOW_WINDOW];
} sent; /* in one direction */

static void begin(void)
{
	memset(&flows, 0, sizeof(flows));
	memset(&page, 0, sizeof(page));
	flows.page = &page;
	sent.len = 0;
}

static void take(const uint8_t *bytes, size_t len)
{
	must(sent.len + len <= sizeof(sent.bytes), "keep what was sent");
	memcpy(sent.bytes + sent.len, bytes, len);
	sent.len += len;
}

/* What the process does with what is marked, when no socket is full. */
static void pass(struct flow *flow)
{
	do {
		flow_check(&flows, flow);
		take(flow->bytes + flow->begin, flow->checked - flow->begin);
		flow->begin = flow->checked;
		if (flow == &flows.down || !flows.unlink_left)
			break;
		take(flows.unlink, URB_SIZE);
		flows.unlink_left = 0;
	} while (true);
	flow->end -= flow->begin;
	memmove(flow->bytes, flow->bytes + flow->begin, flow->end);
	flow->begin = flow->checked = 0;
}

/* In parts of that size; returns how much of it came out. */
static size_t feed(struct flow *flow, const uint8_t *bytes, size_t len, size_t part)
{
	size_t before = sent.len;

	for (size_t at = 0, n; at < len && !flows.wrong; at += n) {
		n = len - at < part ? len - at : part;
		must(flow->end + n <= FLOW_WINDOW, "feed a flow");
		memcpy(flow->bytes + flow->end, bytes + at, n);
		flow->end += n;
		pass(flow);
	}
	return sent.len - before;
}

static size_t up(const struct urb_command *command, size_t more)
{
	uint8_t bytes[URB_SIZE + 4096] = { 0 };

	urb_command_encode(bytes, command);
	return feed(&flows.up, bytes, URB_SIZE + more, SIZE_MAX);
}

static size_t down(const struct urb_reply *reply, size_t more)
{
	uint8_t bytes[URB_SIZE + 4096] = { 0 };

	urb_reply_encode(bytes, reply);
	return feed(&flows.down, bytes, URB_SIZE + more, SIZE_MAX);
}

static struct urb_command submit(uint32_t seqnum, bool in, uint32_t length)
{
	return (struct urb_command){ .code = URB_CMD_SUBMIT, .seqnum = seqnum, .devid = 0x10002,
				     .in = in, .endpoint = 1, .length = length };
}

static struct urb_command cancel(uint32_t seqnum, uint32_t victim)
{
	return (struct urb_command){ .code = URB_CMD_UNLINK, .seqnum = seqnum, .devid = 0x10002,
				     .victim = victim };
}

static struct urb_reply answer(uint32_t seqnum, uint32_t length)
{
	return (struct urb_reply){ .code = URB_RET_SUBMIT, .seqnum = seqnum, .length = length };
}

static struct urb_reply cancelled(uint32_t seqnum, int32_t status)
{
	return (struct urb_reply){ .code = URB_RET_UNLINK, .seqnum = seqnum, .status = status };
}

#define WRONG(field) CHECK_STR(flows.wrong, "an answer of the server has a wrong " field)

static void fits(void)
{
	struct urb_command in = submit(7, true, 100), out = submit(8, false, 30);
	struct urb_reply first = answer(8, 30), second = answer(7, 64);

	begin();
	flows.now = 1000;
	CHECK_INT(up(&in, 0), URB_SIZE);
	CHECK_INT(up(&out, 30), URB_SIZE + 30);
	CHECK_INT(page.counters.in_flight, 2);
	flows.now = 1100;
	second.status = -32;
	CHECK_INT(down(&first, 0), URB_SIZE); /* in any order */
	CHECK_INT(down(&second, 64), URB_SIZE + 64);
	CHECK(!flows.wrong);
	CHECK_INT(page.counters.in_flight, 0);
	CHECK_INT(flows.pending.count, 0);
	CHECK_INT(page.counters.urbs, 2);
	CHECK_INT(page.counters.errors, 1);
	CHECK_INT(page.counters.bytes_in, 64);
	CHECK_INT(page.counters.bytes_out, 30);
	CHECK_INT(guard_time(&page.endpoint[17], 500), 112); /* 96 us are in 96 to 111 */
	CHECK_INT(guard_time(&page.endpoint[1], 990), 112);
	CHECK_INT(guard_time(&page.endpoint[0], 500), 0);
}

/* So many more zeros come from the server; returns how many bytes may go on, and takes them if told. */
static size_t more_comes(size_t len, bool taken)
{
	struct flow *flow = &flows.down;
	size_t passable;

	must(flow->end + len <= FLOW_WINDOW, "feed a flow");
	memset(flow->bytes + flow->end, 0, len);
	flow->end += len;
	flow_check(&flows, flow);
	passable = flow_passable(flow);
	if (taken) {
		flow->begin += passable;
		flow->end -= flow->begin;
		flow->checked -= flow->begin;
		memmove(flow->bytes, flow->bytes + flow->begin, flow->end);
		flow->begin = 0;
	}
	return passable;
}

static size_t answer_comes(uint32_t seqnum, uint32_t length, size_t data)
{
	struct urb_reply reply = answer(seqnum, length);

	urb_reply_encode(flows.down.bytes + flows.down.end, &reply);
	flows.down.end += URB_SIZE;
	return more_comes(data, false);
}

/* The kernel gets an answer as a whole, unless it is too large for that. */
static void whole_answers(void)
{
	begin();
	for (uint32_t i = 1; i <= 4; i++) {
		struct urb_command in = submit(i, true, 2 * FLOW_WINDOW);

		up(&in, 0);
	}
	CHECK_INT(answer_comes(1, 100, 0), 0);
	CHECK_INT(more_comes(99, true), 0);
	CHECK_INT(more_comes(1, false), URB_SIZE + 100);
	CHECK_INT(answer_comes(2, 100, 99), URB_SIZE + 100); /* the first one */
	CHECK_INT(more_comes(0, true), URB_SIZE + 100);
	CHECK_INT(more_comes(1, true), URB_SIZE + 100);
	CHECK_INT(answer_comes(3, 10, 10), URB_SIZE + 10);
	CHECK_INT(answer_comes(4, 2 * FLOW_WINDOW, FLOW_WINDOW - 2 * URB_SIZE - 10), URB_SIZE + 10);
	CHECK_INT(more_comes(0, true), URB_SIZE + 10);
	CHECK_INT(more_comes(URB_SIZE + 9, true), 0);
	CHECK_INT(more_comes(1, true), FLOW_WINDOW); /* it is full */
	CHECK_INT(more_comes(1, true), 1);	     /* it was begun */
	CHECK_INT(more_comes(FLOW_WINDOW, true), FLOW_WINDOW);
	CHECK_INT(more_comes(URB_SIZE - 2, true), URB_SIZE - 2);
	CHECK_INT(flows.pending.count, 1);
	CHECK_INT(more_comes(1, true), 1);
	CHECK_INT(flows.pending.count, 0);
	CHECK(!flows.wrong);
}

static void whole_isochronous(void)
{
	struct urb_command iso = submit(1, true, 0);
	struct urb_reply reply = answer(1, 0);

	begin();
	iso.packets = reply.packets = 2;
	up(&iso, 2 * URB_PACKET_SIZE);
	urb_reply_encode(flows.down.bytes, &reply);
	flows.down.end = URB_SIZE;
	CHECK_INT(more_comes(URB_PACKET_SIZE, true), 0);
	CHECK_INT(more_comes(URB_PACKET_SIZE - 1, true), 0);
	CHECK_INT(more_comes(1, true), URB_SIZE + 2 * URB_PACKET_SIZE);
	CHECK(!flows.wrong);
}

/* Nothing of an answer goes on but what was checked. */
static void written_anew(void)
{
	struct urb_command in = submit(7, true, 8);
	uint8_t bytes[URB_SIZE + 8], want[URB_SIZE] = { 0 };

	begin();
	up(&in, 0);
	memset(bytes, 0xee, sizeof(bytes));
	memcpy(bytes, "\0\0\0\3\0\0\0\7", 8);
	memcpy(bytes + 0x14, "\xff\xff\xff\xe0\0\0\0\x8", 8); /* status, actual_length */
	memcpy(bytes + 0x20, "\xff\xff\xff\xff", 4);	      /* no packets */
	memcpy(want, bytes, 8);
	memcpy(want + 0x14, bytes + 0x14, 8);
	memcpy(want + 0x1c, bytes + 0x1c, 4); /* start_frame */
	sent.len = 0;
	CHECK_INT(feed(&flows.down, bytes, sizeof(bytes), SIZE_MAX), sizeof(bytes));
	CHECK_BYTES(sent.bytes, want, URB_SIZE);
	CHECK_BYTES(sent.bytes + URB_SIZE, bytes + URB_SIZE, 8);
}

static void wrong_header(struct urb_reply reply, const char *want)
{
	struct urb_command in = submit(7, true, 100), out = submit(8, false, 30), un = cancel(9, 7);

	begin();
	up(&in, 0);
	up(&out, 30);
	up(&un, 0);
	CHECK_INT(down(&reply, 0), 0);
	if (want)
		CHECK_STR(flows.wrong, want);
	else
		CHECK(!flows.wrong);
}

#define WRONG_HEADER(reply, field) wrong_header(reply, "an answer of the server has a wrong " field)

static void does_not_fit(void)
{
	struct urb_reply reply = answer(7, 0);
	uint8_t bytes[URB_SIZE] = { 0 };

	WRONG_HEADER(answer(6, 0), "seqnum");
	WRONG_HEADER(answer(10, 0), "seqnum");
	WRONG_HEADER(answer(7 + PENDING_CHAINS, 0), "seqnum");
	WRONG_HEADER(answer(9, 0), "seqnum");
	WRONG_HEADER(cancelled(7, 0), "seqnum");
	WRONG_HEADER(cancelled(10, 0), "seqnum");
	WRONG_HEADER(cancelled(9, 1), "status");
	WRONG_HEADER(answer(7, 101), "actual_length");
	WRONG_HEADER(answer(8, 31), "actual_length");
	reply.status = 1;
	WRONG_HEADER(reply, "status");
	reply.status = -4096;
	WRONG_HEADER(reply, "status");
	reply.status = INT32_MIN;
	WRONG_HEADER(reply, "status");
	reply.status = 0;
	reply.packets = 1;
	WRONG_HEADER(reply, "number_of_packets");
	for (unsigned code = 0; code < 6; code++) {
		if (code == URB_RET_SUBMIT || code == URB_RET_UNLINK)
			continue;
		begin();
		bytes[3] = (uint8_t)code;
		CHECK_INT(feed(&flows.down, bytes, URB_SIZE, SIZE_MAX), 0);
		WRONG("header");
	}
	begin();
	memcpy(bytes, "\0\0\0\3\0\0\0\7", 8);
	bytes[0x18] = 0x80;
	CHECK_INT(feed(&flows.down, bytes, URB_SIZE, SIZE_MAX), 0);
	WRONG("header");
}

static void twice(void)
{
	struct urb_command in = submit(7, true, 100);
	struct urb_reply reply = answer(7, 0);

	begin();
	up(&in, 0);
	CHECK_INT(down(&reply, 0), URB_SIZE);
	CHECK_INT(down(&reply, 0), 0);
	WRONG("seqnum");
}

static void limits(void)
{
	struct urb_command in = submit(7, true, 100);
	struct urb_reply reply = answer(7, 100);

	begin();
	up(&in, 0);
	reply.status = -4095;
	CHECK_INT(down(&reply, 100), URB_SIZE + 100);
	CHECK(!flows.wrong);
	in = submit(8, false, 0); /* the whole of nothing */
	CHECK_INT(up(&in, 0), URB_SIZE);
	reply = answer(8, 0);
	CHECK_INT(down(&reply, 0), URB_SIZE);
	in = submit(9, true, INT32_MAX);
	CHECK_INT(up(&in, 0), URB_SIZE);
	reply = answer(9, INT32_MAX);
	CHECK_INT(down(&reply, 4), URB_SIZE + 4);
	CHECK_INT(flows.down.data, INT32_MAX - 4);
	CHECK(!flows.wrong);
}

/* An isochronous URB with two packets of 10 at 0 and 16, in 32 bytes. */
enum { ISO_LENGTH = 32 };
static const struct urb_packet iso_packet[2] = { { 0, 10, 0, 0 }, { 16, 10, 0, 0 } };

static size_t put_packets(uint8_t *bytes, const struct urb_packet packet[2])
{
	for (int i = 0; i < 2; i++)
		urb_packet_encode(bytes + i * URB_PACKET_SIZE, &packet[i]);
	return 2 * URB_PACKET_SIZE;
}

static void submit_iso(uint32_t seqnum, bool in)
{
	struct urb_command iso = submit(seqnum, in, ISO_LENGTH);
	uint8_t bytes[URB_SIZE + ISO_LENGTH + 2 * URB_PACKET_SIZE] = { 0 };
	size_t len = URB_SIZE + (in ? 0 : ISO_LENGTH);

	iso.packets = 2;
	urb_command_encode(bytes, &iso);
	len += put_packets(bytes + len, iso_packet);
	CHECK_INT(feed(&flows.up, bytes, len, SIZE_MAX), len);
}

/* Returns how much of it went on. */
static size_t answer_iso(struct urb_reply reply, bool in, const struct urb_packet packet[2])
{
	uint8_t bytes[URB_SIZE + ISO_LENGTH + 2 * URB_PACKET_SIZE] = { 0 };
	size_t len = URB_SIZE + (in ? reply.length : 0);

	urb_reply_encode(bytes, &reply);
	len += put_packets(bytes + len, packet);
	return feed(&flows.down, bytes, len, SIZE_MAX);
}

static void isochronous(void)
{
	struct urb_packet packet[2] = { { 0, 10, 7, 0 }, { 16, 10, 10, -84 } };
	struct urb_reply reply = answer(1, 17);

	for (unsigned in = 0; in < 2; in++) {
		begin();
		submit_iso(1, in);
		reply.packets = 2;
		reply.errors = 2;
		CHECK_INT(answer_iso(reply, in, packet), URB_SIZE + (in ? 17 : 0) + 32);
		CHECK(!flows.wrong);
		CHECK_INT(flows.pending.count, 0);
		CHECK(!flows.pending.iso_used[0]);
		submit_iso(2, in); /* its sum begins anew */
		reply.seqnum = 2;
		CHECK_INT(answer_iso(reply, in, packet), URB_SIZE + (in ? 17 : 0) + 32);
		CHECK(!flows.wrong);
		reply.seqnum = 1;
	}
}

static void wrong_iso(struct urb_reply reply, struct urb_packet first, struct urb_packet second,
		      size_t passed, const char *want)
{
	const struct urb_packet packet[2] = { first, second };

	begin();
	submit_iso(1, true);
	CHECK_INT(answer_iso(reply, true, packet), passed);
	CHECK_STR(flows.wrong, want);
}

/* All of that is before the packet that is wrong goes on; vhci-hcd reads all packets at once, and
 * looks at none if one is missing. */
static void wrong_packets(void)
{
	const struct urb_packet one = { 0, 10, 7, 0 }, two = { 16, 10, 10, 0 };
	const size_t before = URB_SIZE + 17;
	struct urb_reply reply = answer(1, 17);
	struct urb_packet p;

#define WRONG_ISO(first, second, passed, field)                                                    \
	wrong_iso(reply, first, second, passed, "an answer of the server has a wrong " field)
	WRONG_ISO(one, two, 0, "number_of_packets"); /* none */
	reply.packets = UINT32_MAX;
	WRONG_ISO(one, two, 0, "number_of_packets");
	reply.packets = 1;
	WRONG_ISO(one, two, 0, "number_of_packets");
	reply.packets = 3;
	WRONG_ISO(one, two, 0, "number_of_packets");
	reply.packets = 2;
	reply.errors = 3;
	WRONG_ISO(one, two, 0, "error_count");
	reply.errors = 0;
	p = one, p.offset = 1;
	WRONG_ISO(p, two, before, "offset of a packet");
	p = one, p.length = 11;
	WRONG_ISO(p, two, before, "length of a packet");
	p = one, p.actual = 11;
	WRONG_ISO(p, two, before, "actual_length of a packet");
	p = one, p.status = 1;
	WRONG_ISO(p, two, before, "status of a packet");
	p = two, p.offset = UINT32_MAX;
	WRONG_ISO(one, p, before + URB_PACKET_SIZE, "offset of a packet");
	p = two, p.actual = 9;
	WRONG_ISO(one, p, before + URB_PACKET_SIZE, "actual_length");
	reply.length = 16;
	WRONG_ISO(one, two, before - 1 + URB_PACKET_SIZE, "actual_length of a packet");
}

/* Each has its own packets; rows are used again. */
static void many_isochronous(void)
{
	struct urb_packet packet[2] = { { 0, 10, 0, 0 }, { 16, 10, 0, 0 } };
	struct urb_reply reply = { .code = URB_RET_SUBMIT, .packets = 2 };
	struct urb_command iso = submit(PENDING_ISO_MAX + 1, true, ISO_LENGTH);
	uint8_t bytes[URB_SIZE + 2 * URB_PACKET_SIZE];

	begin();
	for (uint32_t i = 1; i <= PENDING_ISO_MAX; i++)
		submit_iso(i, true);
	iso.packets = 2;
	urb_command_encode(bytes, &iso);
	put_packets(bytes + URB_SIZE, iso_packet);
	CHECK_INT(feed(&flows.up, bytes, sizeof(bytes), SIZE_MAX), 0);
	CHECK(flows.up.stalled);
	CHECK(flows_wait(&flows, UINT32_MAX)); /* behind it may be an unlink */
	CHECK_INT(flows.up.end, sizeof(bytes));
	reply.seqnum = 5;
	CHECK_INT(answer_iso(reply, true, packet), URB_SIZE + sizeof(packet));
	pass(&flows.up);
	CHECK(!flows.up.stalled);
	CHECK(!flows_wait(&flows, UINT32_MAX));
	CHECK_INT(flows.up.end, 0);
	CHECK_INT(flows.pending.count, PENDING_ISO_MAX);
	reply.seqnum = iso.seqnum;
	CHECK_INT(answer_iso(reply, true, packet), URB_SIZE + sizeof(packet));
	CHECK(!flows.wrong);
}

static void full(void)
{
	struct urb_command in, last = submit(PENDING_MAX + 1, true, 4), un = cancel(PENDING_MAX + 2, 9);
	struct urb_reply reply = answer(1000, 4);

	begin();
	for (uint32_t i = 1; i <= PENDING_MAX; i++) {
		in = submit(i, true, 4);
		sent.len = 0;
		must(up(&in, 0) == URB_SIZE, "send a URB");
	}
	CHECK_INT(up(&last, 0), 0);
	CHECK_INT(up(&un, 0), 0);
	CHECK(flows.up.stalled);
	CHECK(!flows.wrong);
	CHECK_INT(down(&reply, 4), URB_SIZE + 4);
	sent.len = 0;
	pass(&flows.up);
	CHECK_INT(sent.len, URB_SIZE);
	CHECK(flows.up.stalled); /* by the unlink */
	reply = answer(1, 4);
	down(&reply, 4);
	sent.len = 0;
	pass(&flows.up);
	CHECK_INT(sent.len, URB_SIZE);
	CHECK(!flows.up.stalled);
	for (uint32_t i = 2; i <= PENDING_MAX + 1; i++) {
		reply = answer(i, 4);
		sent.len = 0;
		if (i != 1000)
			must(down(&reply, 4) == URB_SIZE + 4, "answer");
	}
	CHECK_INT(flows.pending.count, 1);
	reply = cancelled(PENDING_MAX + 2, 0);
	down(&reply, 0);
	CHECK_INT(flows.pending.count, 0);
	CHECK_INT(flows.pending.used, PENDING_MAX);
	CHECK(!flows.wrong);
	for (uint32_t i = 1; i <= PENDING_MAX; i++) { /* all places, and numbers that are free */
		in = submit(i, true, 4);
		sent.len = 0;
		must(up(&in, 0) == URB_SIZE, "send a URB");
	}
	CHECK(!flows.wrong);
}

static void unlinked(void)
{
	struct urb_command in = submit(7, true, 100), un = cancel(8, 7), late = cancel(9, 6);
	struct urb_reply reply = cancelled(8, -104), urb = answer(7, 0);

	begin();
	up(&in, 0);
	CHECK_INT(up(&un, 0), URB_SIZE);
	CHECK_INT(page.counters.in_flight, 2);
	CHECK_INT(down(&reply, 0), URB_SIZE);
	CHECK_INT(page.counters.in_flight, 0);
	CHECK_INT(page.counters.urbs, 0);
	CHECK_INT(up(&late, 0), URB_SIZE); /* of what was answered long ago */
	CHECK_INT(page.held, 0);
	reply = cancelled(9, 0);
	CHECK_INT(down(&reply, 0), URB_SIZE);
	CHECK(!flows.wrong);
	CHECK_INT(down(&urb, 0), 0); /* it is answered already */
	WRONG("seqnum");
	/* only a URB is answered with its unlink */
	begin();
	up(&in, 0);
	up(&un, 0);
	late = cancel(9, 8);
	flows.pending.latest = 8;
	up(&late, 0);
	reply = cancelled(9, 0);
	CHECK_INT(down(&reply, 0), URB_SIZE);
	CHECK_INT(flows.pending.count, 2);
	/* the URB may have been faster */
	begin();
	up(&in, 0);
	up(&un, 0);
	urb = answer(7, 50);
	reply = cancelled(8, 0);
	CHECK_INT(down(&urb, 50), URB_SIZE + 50);
	CHECK_INT(down(&reply, 0), URB_SIZE);
	CHECK(!flows.wrong);
	CHECK_INT(flows.pending.count, 0);
}

/* vhci-hcd's race: the unlink goes on behind its URB, and behind nothing else. */
static void unlinked_early(void)
{
	struct urb_command in = submit(7, true, 100), un = cancel(11, 9), urb = submit(9, false, 3);
	struct urb_command next = submit(12, true, 4);
	struct urb_reply reply = cancelled(11, -104);
	uint8_t bytes[3 * URB_SIZE + 3] = { 0 }, want[3 * URB_SIZE + 3] = { 0 };

	begin();
	up(&in, 0);
	sent.len = 0;
	urb_command_encode(bytes, &un);
	urb_command_encode(bytes + URB_SIZE, &urb);
	memcpy(bytes + 2 * URB_SIZE, "xyz", 3);
	urb_command_encode(bytes + 2 * URB_SIZE + 3, &next);
	memcpy(want, bytes + URB_SIZE, URB_SIZE + 3);
	memcpy(want + URB_SIZE + 3, bytes, URB_SIZE);
	memcpy(want + 2 * URB_SIZE + 3, bytes + 2 * URB_SIZE + 3, URB_SIZE);
	CHECK_INT(feed(&flows.up, bytes, URB_SIZE + 10, SIZE_MAX), 0);
	CHECK_INT(page.held, 1);
	flows.now += 5000;
	CHECK(!flows_wait(&flows, 1000)); /* the server has not got it */
	CHECK_INT(down(&reply, 0), 0); /* nobody can know it */
	WRONG("seqnum");
	flows.wrong = NULL;
	flows.down = (struct flow){ 0 };
	CHECK_INT(feed(&flows.up, bytes + URB_SIZE + 10, sizeof(bytes) - URB_SIZE - 10, SIZE_MAX),
		  sizeof(bytes));
	CHECK_BYTES(sent.bytes, want, sizeof(want));
	CHECK_INT(flows.pending.held, 0);
	CHECK_INT(down(&reply, 0), URB_SIZE);
	CHECK(!flows.wrong);
	CHECK_INT(flows.pending.count, 2);
}

/* Of a URB of the port's session before: the server never hears of it. */
static void unlinked_first(void)
{
	struct urb_command un = cancel(498, 497), in = submit(500, true, 18);
	struct urb_reply reply = cancelled(498, 0);
	uint8_t want[URB_SIZE], byte = 0;

	begin();
	urb_reply_encode(want, &reply);
	CHECK_INT(up(&un, 0), 0);
	CHECK_INT(flows.down.checked, URB_SIZE);
	CHECK_INT(flows.down.end, URB_SIZE);
	CHECK_BYTES(flows.down.bytes, want, URB_SIZE);
	un.seqnum = reply.seqnum = 499;
	urb_reply_encode(want, &reply);
	CHECK_INT(up(&un, 0), 0);
	CHECK_INT(flows.down.checked, 2 * URB_SIZE);
	CHECK_BYTES(flows.down.bytes + URB_SIZE, want, URB_SIZE);
	pass(&flows.down);
	CHECK(!flows.wrong);
	CHECK_INT(flows.pending.count, 0);
	CHECK_INT(page.held, 0);
	CHECK_INT(up(&in, 0), URB_SIZE);
	CHECK_INT(flows.pending.count, 1);
	CHECK_INT(down(&reply, 0), 0); /* as it was not asked */
	WRONG("seqnum");

	begin();
	feed(&flows.down, &byte, 1, 1); /* of nothing that was asked */
	up(&un, 0);
	CHECK_INT(flows.down.checked, URB_SIZE);
	CHECK_INT(flows.down.end, URB_SIZE);
	CHECK_BYTES(flows.down.bytes, want, URB_SIZE);
}

/* So many that the kernel has not taken the answers. */
static void many_first(void)
{
	unsigned most = FLOW_WINDOW / URB_SIZE;
	struct urb_command un = cancel(1, 0);

	begin();
	for (unsigned i = 0; i < most; i++)
		CHECK_INT(up(&un, 0), 0);
	CHECK_INT(flows.down.checked, most * URB_SIZE);
	CHECK(!flows.up.stalled);
	up(&un, 0);
	CHECK(flows.up.stalled);
	CHECK_INT(flows.up.end, URB_SIZE);
	pass(&flows.down);
	pass(&flows.up);
	CHECK(!flows.up.stalled);
	CHECK_INT(flows.up.end, 0);
	CHECK_INT(flows.down.checked, URB_SIZE);
	CHECK(!flows.wrong);
}

static void many_early(void)
{
	struct urb_command in = submit(5, true, 4), un, urb;

	begin();
	up(&in, 0);
	for (uint32_t i = 0; i < 100; i++) {
		un = cancel(1000 + i, 10 + i);
		CHECK_INT(up(&un, 0), 0);
	}
	CHECK_INT(page.held, 100);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t at = (i + 50) % 100; /* not the first one that is held */

		urb = submit(10 + at, true, 4);
		CHECK_INT(up(&urb, 0), 2 * URB_SIZE);
		CHECK_INT(raw(sent.bytes + sent.len - 0x2c, 4), 1000 + at);
		CHECK_INT(raw(sent.bytes + sent.len - 0x1c, 4), 10 + at);
	}
	CHECK_INT(flows.pending.held, 0);
}

/* Numbers wrap. */
static void wraps(void)
{
	struct urb_command in = submit(UINT32_MAX, true, 4), un = cancel(1, 0), urb = submit(0, true, 4);

	begin();
	up(&in, 0);
	CHECK_INT(up(&un, 0), 0);
	CHECK_INT(up(&urb, 0), 2 * URB_SIZE);
	CHECK_INT(raw(sent.bytes + sent.len - 0x2c, 4), 1);
	un = cancel(2, UINT32_MAX);
	CHECK_INT(up(&un, 0), URB_SIZE);
}

static void wrong_commands(void)
{
	struct urb_command in = submit(7, true, 4);
	uint8_t bytes[URB_SIZE] = { 0, 0, 0, 3 };

	begin();
	up(&in, 0);
	CHECK_INT(up(&in, 0), 0);
	CHECK_STR(flows.wrong, "a request of vhci-hcd has a wrong header");
	begin();
	in.packets = URB_PACKETS_MAX + 1;
	CHECK_INT(up(&in, 0), 0);
	CHECK(flows.wrong);
	begin();
	CHECK_INT(feed(&flows.up, bytes, URB_SIZE, SIZE_MAX), 0);
	CHECK(flows.wrong);
}

static uint64_t median_of(uint32_t us, unsigned times)
{
	struct urb_command in;
	struct urb_reply reply;

	begin();
	flows.now = UINT32_MAX - 3; /* it wraps, too */
	for (uint32_t i = 0; i < times; i++) {
		in = submit(i, true, 0);
		up(&in, 0);
		flows.now += us;
		reply = answer(i, 0);
		down(&reply, 0);
	}
	return guard_time(&page.endpoint[17], 500);
}

/* Whether the kernel waits for the server without an end of its own. */
static void waits(void)
{
	struct urb_command in = submit(1, true, 100), unlink = cancel(2, 1);
	struct urb_reply first = answer(1, 64), second = cancelled(2, 0);
	uint8_t byte = 0;

	begin();
	up(&in, 0);
	flows.now = UINT32_MAX; /* for a URB it may wait for ever */
	CHECK(!flows_wait(&flows, 1000));
	up(&unlink, 0);
	CHECK(!flows_wait(&flows, 1000));
	flows.now += 999; /* it wraps */
	CHECK(!flows_wait(&flows, 1000));
	flows.now++;
	CHECK(flows_wait(&flows, 1000));
	down(&second, 0);
	CHECK(!flows_wait(&flows, 1000));
	begin();
	up(&in, 0);
	feed(&flows.down, &byte, 1, 1); /* of a header */
	CHECK(flows_wait(&flows, 1000));
	begin();
	up(&in, 0);
	down(&first, 63);
	CHECK(flows_wait(&flows, 1000));
	feed(&flows.down, &byte, 1, 1);
	CHECK(!flows_wait(&flows, 1000));
}

static void times(void)
{
	CHECK_INT(median_of(0, 1), 10);
	CHECK_INT(median_of(9, 1), 10);
	CHECK_INT(median_of(10, 1), 12);
	CHECK_INT(median_of(15, 1), 16);
	CHECK_INT(median_of(16, 3), 20);
	CHECK_INT(median_of(1000, 1), 1024);
	CHECK_INT(median_of(1024, 1), 1280);
	CHECK_INT(median_of(5000000, 1), 5242880);
	CHECK_INT(median_of(UINT32_MAX, 1), (uint64_t)8 << 20);
	page.endpoint[17].count[0] = 99; /* and one of 8 s */
	CHECK_INT(guard_time(&page.endpoint[17], 500), 10);
	CHECK_INT(guard_time(&page.endpoint[17], 990), 10);
	CHECK_INT(guard_time(&page.endpoint[17], 991), (uint64_t)8 << 20);
}

/* Both directions of a session with a real device, in parts of each size; answers are fed when
 * what they answer is known. */
static unsigned sessions;

static void replay(const char *path, const char *name)
{
	static const size_t parts[] = { 1, 7, 48, 1000, SIZE_MAX };
	char other[PATH_MAX];
	size_t len, replies_len;
	uint8_t *commands, *replies;

	check_begin("t_flow: %s", name);
	snprintf(other, sizeof(other), "%.*sreplies.hex", (int)(strlen(path) - strlen("commands.hex")),
		 path);
	commands = hex_read(path, &len, NULL);
	replies = hex_read(other, &replies_len, NULL);
	for (size_t i = 0; i < LENGTH(parts); i++) {
		begin();
		for (size_t at = 0; at < len; at += FLOW_WINDOW / 2) {
			size_t n = len - at < FLOW_WINDOW / 2 ? len - at : FLOW_WINDOW / 2;

			sent.len = 0;
			feed(&flows.up, commands + at, n, parts[i]);
		}
		CHECK(!flows.wrong);
		CHECK(flows.pending.count > 0);
		CHECK(!flows.up.end);
		sent.len = 0;
		CHECK_INT(feed(&flows.down, replies, replies_len, parts[i]), replies_len);
		CHECK_BYTES(sent.bytes, replies, replies_len);
		CHECK(!flows.wrong);
	}
	block_free(commands);
	block_free(replies);
	check_end();
	sessions++;
}

static void sessions_are_there(void)
{
	CHECK(sessions > 2);
}

int main(void)
{
	RUN("t_flow: answers that fit", fits);
	RUN("t_flow: an answer goes on as a whole", whole_answers);
	RUN("t_flow: an isochronous one, too", whole_isochronous);
	RUN("t_flow: a header is written anew", written_anew);
	RUN("t_flow: answers that do not fit", does_not_fit);
	RUN("t_flow: the same answer twice", twice);
	RUN("t_flow: the most that fits", limits);
	RUN("t_flow: isochronous", isochronous);
	RUN("t_flow: packets that do not fit", wrong_packets);
	RUN("t_flow: many isochronous ones", many_isochronous);
	RUN("t_flow: a table that is full", full);
	RUN("t_flow: unlinks", unlinked);
	RUN("t_flow: an unlink before its URB", unlinked_early);
	RUN("t_flow: an unlink before any URB", unlinked_first);
	RUN("t_flow: many unlinks before any URB", many_first);
	RUN("t_flow: many unlinks before their URBs", many_early);
	RUN("t_flow: numbers that wrap", wraps);
	RUN("t_flow: requests that vhci-hcd does not send", wrong_commands);
	RUN("t_flow: what the kernel waits for", waits);
	RUN("t_flow: times", times);
	each_file(FIXTURES "sessions", "_commands.hex", replay);
	RUN("t_flow: the sessions are there", sessions_are_there);
	return check_status();
}
