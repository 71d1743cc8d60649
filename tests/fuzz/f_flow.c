/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: a session through the guard's flows. vhci-hcd asks as it does, the server answers with whatever the
 * input says, most often a good answer of which a byte is another one, in parts of any size. Whatever comes out is
 * looked at by a model that has nothing of the product but the layout of messages: it fits what was asked.
 */
#include "client/flow.h"
#include "tests/fuzz/fuzz.h"

enum { ASKED_MAX = 64, PACKETS = 3, OUT_MAX = 1 << 17 };

/* What was asked, in the model's eyes. */
static struct asked {
	uint32_t seqnum, length, victim;
	bool in, unlink, iso, sent, open;
	struct urb_packet packet[PACKETS];
} asked[ASKED_MAX];

static struct flows flows;
static struct guard_page page;
static unsigned count;
static struct {
	uint8_t bytes[OUT_MAX];
	size_t len, at;
} up, down;

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct asked *find(uint32_t seqnum)
{
	for (unsigned i = 0; i < count; i++)
		if (asked[i].open && asked[i].seqnum == seqnum)
			return &asked[i];
	return NULL;
}

static void collect(struct flow *flow, uint8_t *bytes, size_t *len)
{
	size_t n = flow->checked - flow->begin;

	HOLDS(flow->begin <= flow->checked && flow->checked <= flow->end && flow->end <= FLOW_WINDOW);
	HOLDS(*len + n <= OUT_MAX);
	memcpy(bytes + *len, flow->bytes + flow->begin, n);
	*len += n;
	flow->end -= flow->checked;
	memmove(flow->bytes, flow->bytes + flow->checked, flow->end);
	flow->begin = flow->checked = 0;
}

static void run_up(void)
{
	do {
		flow_check(&flows, &flows.up);
		collect(&flows.up, up.bytes, &up.len);
		if (!flows.unlink_left)
			return;
		memcpy(up.bytes + up.len, flows.unlink, URB_SIZE);
		up.len += URB_SIZE;
		flows.unlink_left = 0;
	} while (true);
}

/* What the server has got: an unlink never comes before what it unlinks. */
static void look_up(void)
{
	while (up.len - up.at >= URB_SIZE) {
		const uint8_t *p = up.bytes + up.at;
		struct asked *a = find(word(p + 4)), *victim;
		size_t len = URB_SIZE;

		HOLDS(a && !a->sent && word(p) == (a->unlink ? URB_CMD_UNLINK : URB_CMD_SUBMIT));
		HOLDS(!a->unlink || up.at); /* never the first */
		if (!a->unlink)
			len += (a->in ? 0 : a->length) + (a->iso ? PACKETS * URB_PACKET_SIZE : 0);
		if (up.len - up.at < len)
			return;
		for (victim = asked; a->unlink && victim < asked + count; victim++)
			HOLDS(!victim->open || victim->unlink || victim->seqnum != a->victim || victim->sent);
		a->sent = true;
		up.at += len;
	}
}

static void give_back(uint32_t seqnum)
{
	struct asked *a = find(seqnum);

	if (a && !a->unlink)
		a->open = false;
}

/* What vhci-hcd gets. */
static void look_down(void)
{
	while (down.len - down.at >= URB_SIZE) {
		const uint8_t *p = down.bytes + down.at, *q;
		struct asked *a = find(word(p + 4));
		uint32_t status = word(p + 20), length = word(p + 24), sum = 0;
		size_t len = URB_SIZE;

		HOLDS(a && word(p) == (a->unlink ? URB_RET_UNLINK : URB_RET_SUBMIT));
		HOLDS(!status || status >= (uint32_t)-PENDING_ERRNO_MAX);
		HOLDS(!word(p + 8) && !word(p + 12) && !word(p + 16) && !word(p + 40) && !word(p + 44));
		if (a->unlink) {
			give_back(a->victim);
		} else {
			HOLDS(length <= a->length && word(p + 32) == (a->iso ? PACKETS : 0));
			HOLDS(word(p + 36) <= (a->iso ? PACKETS : 0));
			len += (a->in ? length : 0) + (a->iso ? PACKETS * URB_PACKET_SIZE : 0);
			if (down.len - down.at < len)
				return;
			q = p + len - PACKETS * URB_PACKET_SIZE;
			for (unsigned i = 0; a->iso && i < PACKETS; i++, q += URB_PACKET_SIZE) {
				HOLDS(word(q) == a->packet[i].offset && word(q + 4) == a->packet[i].length);
				HOLDS(word(q + 8) <= a->packet[i].length);
				HOLDS(!word(q + 12) || word(q + 12) >= (uint32_t)-PENDING_ERRNO_MAX);
				sum += word(q + 8);
			}
			HOLDS(!a->iso || sum == length);
		}
		a->open = false;
		down.at += len;
	}
}

static size_t put_packets(uint8_t *p, const struct asked *a)
{
	for (unsigned i = 0; i < PACKETS; i++)
		urb_packet_encode(p + i * URB_PACKET_SIZE, &a->packet[i]);
	return PACKETS * URB_PACKET_SIZE;
}

/* A request of vhci-hcd: a URB, or the unlink of one, perhaps of the next one. */
static void ask(uint8_t kind, uint8_t what)
{
	struct urb_command command = { .devid = 0x10002 };
	struct asked *a = &asked[count];
	uint8_t *p = flows.up.bytes + flows.up.end;
	size_t len = URB_SIZE;

	if (count == ASKED_MAX || flows.up.end)
		return;
	memset(a, 0, sizeof(*a));
	a->open = true;
	a->seqnum = command.seqnum = 10 + count;
	a->unlink = kind % 4 == 3;
	a->victim = a->unlink ? 10u + what % ASKED_MAX : 0;
	if (a->victim == a->seqnum)
		return;
	a->in = kind & 4;
	a->iso = !a->unlink && kind & 8;
	a->length = a->iso ? 3 * PACKETS : what;
	for (unsigned i = 0; i < PACKETS; i++)
		a->packet[i] = (struct urb_packet){ .offset = 3 * i, .length = 1 + (what + i) % 3 };
	command.code = a->unlink ? URB_CMD_UNLINK : URB_CMD_SUBMIT;
	command.victim = a->victim;
	command.in = a->in;
	command.endpoint = kind >> 4;
	command.length = a->unlink ? 0 : a->length;
	command.packets = a->iso ? PACKETS : 0;
	urb_command_encode(p, &command);
	if (!a->unlink && !a->in)
		len += a->length;
	if (a->iso)
		len += put_packets(p + len, a);
	count++;
	flows.up.end += len;
	run_up();
	look_up();
	collect(&flows.down, down.bytes, &down.len); /* of a session before: it is answered here */
	look_down();
}

/* A good answer to one of them, of which one byte may be changed. */
static size_t answer(uint8_t *p, uint8_t which, uint8_t at, uint8_t flip, uint8_t part)
{
	const struct asked *a = count ? &asked[which % count] : NULL;
	struct urb_reply reply = { .code = URB_RET_SUBMIT };
	struct asked as;
	size_t len = URB_SIZE;

	if (!a)
		return 0;
	as = *a;
	reply.seqnum = a->seqnum;
	reply.status = part & 1 ? -104 : 0;
	if (a->unlink)
		reply.code = URB_RET_UNLINK;
	for (unsigned i = 0; i < PACKETS && a->iso; i++) {
		as.packet[i].actual = ((uint32_t)part >> i) % (a->packet[i].length + 1);
		reply.length += as.packet[i].actual;
	}
	if (!a->iso)
		reply.length = a->length * part / 255;
	reply.packets = a->iso ? PACKETS : part & 2 ? UINT32_MAX : 0;
	urb_reply_encode(p, &reply);
	memset(p + len, 0x5a, a->in ? reply.length : 0);
	len += a->in && !a->unlink ? reply.length : 0;
	if (a->iso)
		len += put_packets(p + len, &as);
	p[at % len] ^= flip;
	return len;
}

static void feed(struct flow *flow, const uint8_t *bytes, size_t len)
{
	memcpy(flow->bytes + flow->end, bytes, len);
	flow->end += len;
	flow_check(&flows, flow);
	collect(flow, down.bytes, &down.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	memset(&flows.up, 0, offsetof(struct flow, bytes));
	memset(&flows.down, 0, offsetof(struct flow, bytes));
	memset(&flows.pending, 0, offsetof(struct pending, request));
	flows.page = &page;
	flows.unlink_left = 0;
	flows.wrong = NULL;
	count = 0;
	up.len = up.at = down.len = down.at = 0;
	for (; size >= 5 && !flows.wrong && down.len < OUT_MAX / 2 && up.len < OUT_MAX / 2;
	     data += 5, size -= 5) {
		static uint8_t message[URB_SIZE + 256 + PACKETS * URB_PACKET_SIZE];
		struct flow *flow = &flows.down;
		size_t n, cut;

		if (data[0] & 1) {
			ask(data[1], data[2]);
			continue;
		}
		n = answer(message, data[1], data[2], data[0] & 2 ? data[3] : 0, data[4]);
		cut = data[0] & 4 && n ? data[3] % n : 0; /* in two parts */
		feed(flow, message, cut);
		feed(flow, message + cut, n - cut);
		look_down();
		run_up();
		look_up();
	}
	look_down();
	return 0;
}
