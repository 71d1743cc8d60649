/* SPDX-License-Identifier: MIT */
/* Tests of descriptor_query in client/reply, where the test plays the device behind its server. */
#include "client/reply.h"

#include "tests/bytes.h"

enum { DEVID = 0x00030007, REQUESTS = 8 };

/* An answer of the device: bytes, or a status. */
struct answer {
	int32_t status;
	uint16_t len;
	const uint8_t *bytes;
};

static struct {
	struct answer device, configuration, string[8];
	size_t piece; /* so many bytes come at a time */
	/* what was asked for: type << 8 | index */
	unsigned requests;
	uint16_t asked[REQUESTS], language[REQUESTS], length[REQUESTS];
} t;

static struct descriptor_query *query; /* nothing lies behind it */

/* Device 0951:1666 with strings 1, 2 and 3 for maker, product and serial number. */
static const uint8_t descriptor[] = { 18, 1, 0, 2, 0xef, 2, 1, 64, 0x51, 9, 0x66, 0x16,
				      0, 1, 1, 2, 3, 1 };
/* A storage interface, a HID one with two settings, and endpoints. */
static const uint8_t configuration[] = {
	9, 2, 50, 0, 2, 1, 0, 0x80, 50,
	9, 4, 0, 0, 2, 8, 6, 0x50, 0,
	7, 5, 0x81, 2, 0, 2, 0,
	7, 5, 0x02, 2, 0, 2, 0,
	9, 4, 1, 0, 0, 3, 1, 1, 0,
	9, 4, 1, 1, 0, 0xff, 1, 1, 0,
};
static const uint8_t languages[] = { 4, 3, 0x07, 0x04 }; /* German */
static const uint8_t product[] = { 12, 3, 'S', 0, 't', 0, 0xe9, 0, 'c', 0, 'k', 0 };
static const uint8_t serial[] = { 8, 3, 'A', 0, ' ', 0, '1', 0 };

#define ANSWER(array) ((struct answer){ 0, sizeof(array), array })
#define REFUSES ((struct answer){ -32, 0, NULL })

static void start(void)
{
	memset(&t, 0, sizeof(t));
	t.device = ANSWER(descriptor);
	t.configuration = ANSWER(configuration);
	for (size_t i = 0; i < LENGTH(t.string); i++)
		t.string[i] = REFUSES;
	t.string[0] = ANSWER(languages);
	t.string[2] = ANSWER(product);
	t.string[3] = ANSWER(serial);
	t.piece = 4096;
	query = malloc(sizeof(*query));
	must(query, "allocate");
	descriptor_query_start(query, DEVID);
}

static void end(void)
{
	free(query);
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Looks at the request and writes its reply: the length. */
static size_t answer(uint8_t *reply)
{
	uint8_t request[URB_SIZE];
	const struct answer *is;
	size_t len;

	urb_query_encode(request, &query->request);
	must(t.requests < REQUESTS, "end it after so many requests");
	CHECK_INT(raw(request + 8, 4), DEVID);
	CHECK(raw(request + 4, 4) != 0);
	t.asked[t.requests] = (uint16_t)(request[0x2b] << 8 | request[0x2a]);
	t.language[t.requests] = (uint16_t)(request[0x2d] << 8 | request[0x2c]);
	t.length[t.requests] = (uint16_t)raw(request + 0x1a, 2);
	is = request[0x2b] == 1 ? &t.device
	     : request[0x2b] == 2 ? &t.configuration
				  : &t.string[request[0x2a] % LENGTH(t.string)];
	len = is->len < t.length[t.requests] ? is->len : t.length[t.requests];
	t.requests++;
	memset(reply, 0, URB_SIZE);
	put32(reply, 3);
	memcpy(reply + 4, request + 4, 4);
	put32(reply + 0x14, (uint32_t)is->status);
	put32(reply + 0x18, (uint32_t)len);
	if (len)
		memcpy(reply + URB_SIZE, is->bytes, len);
	return URB_SIZE + len;
}

/* The reply in pieces: what came of the last of them. Before that more must be wanted. */
static int deliver(const uint8_t *reply, size_t len)
{
	int event = DESCRIPTOR_QUERY_MORE;

	for (size_t at = 0, room; at < len; at += room) {
		uint8_t *place = descriptor_query_room(query, &room);

		CHECK_INT(event, DESCRIPTOR_QUERY_MORE);
		must(room > 0, "take more bytes");
		CHECK(at + room <= len); /* no byte of what may come behind it */
		room = room < t.piece ? room : t.piece;
		room = room < len - at ? room : len - at;
		memcpy(place, reply + at, room);
		query->len += room;
		event = descriptor_query_next(query);
	}
	return event;
}

/* The whole conversation: how it ends. */
static int converse(void)
{
	uint8_t reply[URB_SIZE + URB_QUERY_MAX];
	int event;

	do {
		size_t len = answer(reply);

		event = deliver(reply, len);
	} while (event == DESCRIPTOR_QUERY_SEND);
	return event;
}

static bool has_class(unsigned class)
{
	return query->class[class / 8] >> class % 8 & 1;
}

static unsigned classes(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 256; i++)
		n += has_class(i);
	return n;
}

static void whole(void)
{
	CHECK_INT(converse(), DESCRIPTOR_QUERY_DONE);
	CHECK_INT(t.requests, 5);
	CHECK_INT(t.asked[0], 0x100);
	CHECK_INT(t.asked[1], 0x200);
	CHECK_INT(t.asked[2], 0x300);
	CHECK_INT(t.asked[3], 0x302);
	CHECK_INT(t.asked[4], 0x303);
	CHECK(!t.language[0] && !t.language[1] && !t.language[2]);
	CHECK_INT(t.language[3], 0x407);
	CHECK_INT(t.language[4], 0x407);
	CHECK_INT(t.length[0], 18);
	CHECK_INT(t.length[1], URB_QUERY_MAX);
	CHECK_INT(t.length[3], 255);
	CHECK_STR(query->strings.product, "St\xc3\xa9" "ck");
	CHECK_STR(query->strings.serial, "A 1");
	CHECK_STR(query->strings.maker, "");
	CHECK_INT(query->vendor, 0x951);
	CHECK_INT(query->product, 0x1666);
	CHECK(has_class(0xef) && has_class(8) && has_class(3));
	CHECK_INT(classes(), 3); /* another setting is not its class */
}

static void all_of_it(void)
{
	start();
	whole();
	end();
}

static void in_pieces(void)
{
	for (size_t piece = 1; piece < 70; piece++) {
		start();
		t.piece = piece;
		whole();
		end();
	}
}

/* What it has no number for is not asked for. */
static void without_strings(void)
{
	uint8_t device[18];

	for (unsigned has = 0; has < 4; has++) {
		start();
		memcpy(device, descriptor, sizeof(device));
		device[15] = has & 1 ? 2 : 0;
		device[16] = has & 2 ? 3 : 0;
		t.device = ANSWER(device);
		CHECK_INT(converse(), DESCRIPTOR_QUERY_DONE);
		CHECK_INT(t.requests, 2 + !!has + !!(has & 1) + !!(has & 2));
		CHECK_STR(query->strings.product, has & 1 ? "St\xc3\xa9" "ck" : "");
		CHECK_STR(query->strings.serial, has & 2 ? "A 1" : "");
		CHECK_INT(classes(), 3);
		end();
	}
}

static void refused(void)
{
	for (unsigned what = 0; what < 32; what++) {
		start();
		if (what & 1)
			t.device = REFUSES;
		if (what & 2)
			t.configuration = REFUSES;
		if (what & 4)
			t.string[0] = REFUSES;
		if (what & 8)
			t.string[2] = REFUSES;
		if (what & 16)
			t.string[3] = REFUSES;
		/* what it is it must say, strings it may have none */
		CHECK_INT(converse(), what & 3 ? -EBADMSG : DESCRIPTOR_QUERY_DONE);
		CHECK_INT(t.requests, what & 1 ? 1 : what & 2 ? 2 : 5);
		if (!(what & 3)) {
			CHECK_INT(t.language[3], what & 4 ? 0x409 : 0x407);
			CHECK_STR(query->strings.product, what & 8 ? "" : "St\xc3\xa9" "ck");
			CHECK_STR(query->strings.serial, what & 16 ? "" : "A 1");
			CHECK_INT(classes(), 3);
		}
		end();
	}
}

/* Whatever else goes wrong says nothing about the device. */
static void failed(void)
{
	for (unsigned i = 0; i < 4; i++) {
		start();
		*(i ? &t.string[i == 1 ? 0 : i] : &t.configuration) = (struct answer){ .status = -71 };
		CHECK_INT(converse(), -EBADMSG);
		end();
	}
}

/* Data that comes with a refusal is none. */
static void refused_with_data(void)
{
	start();
	t.string[3].status = -32;
	t.device.status = 0;
	CHECK_INT(converse(), DESCRIPTOR_QUERY_DONE);
	CHECK_STR(query->strings.serial, "");
	CHECK_STR(query->strings.product, "St\xc3\xa9" "ck");
	end();
}

static void short_descriptors(void)
{
	for (uint16_t len = 0; len < sizeof(descriptor); len++) {
		start();
		t.device.len = len;
		CHECK_INT(converse(), DESCRIPTOR_QUERY_DONE);
		CHECK_INT(t.requests, 2);
		CHECK_INT(classes(), 2);
		end();
	}
	for (uint16_t len = 0; len < sizeof(configuration); len++) {
		start();
		t.configuration.len = len;
		CHECK_INT(converse(), DESCRIPTOR_QUERY_DONE);
		CHECK_STR(query->strings.serial, "A 1");
		CHECK_INT(has_class(8), len >= 18);
		CHECK_INT(has_class(3), len >= 41);
		end();
	}
	for (uint16_t len = 0; len <= sizeof(serial); len++) {
		char want[] = "A 1";

		start();
		t.string[0].len = len < 4 ? len : 4;
		t.string[3].len = len;
		want[len < 2 ? 0 : (len - 2) / 2] = '\0';
		CHECK_INT(converse(), DESCRIPTOR_QUERY_DONE);
		CHECK_STR(query->strings.serial, want);
		CHECK_INT(t.language[4], len < 4 ? 0x409 : 0x407);
		end();
	}
}

/* As much as may come, of anything. */
static void garbage(void)
{
	static uint8_t bytes[URB_QUERY_MAX];
	uint32_t seed = 3;

	for (int round = 0; round < 500; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (uint8_t)(seed >> 24);
		}
		start();
		t.device = t.configuration = ANSWER(bytes);
		for (size_t i = 0; i < LENGTH(t.string); i++)
			t.string[i] = ANSWER(bytes);
		CHECK_INT(converse(), DESCRIPTOR_QUERY_DONE);
		CHECK(strlen(query->strings.product) < DEVICE_STRING_SIZE);
		CHECK(strlen(query->strings.serial) < DEVICE_STRING_SIZE);
		end();
	}
}

/* A reply that is none, in each step; what was known before is no matter. */
static void no_reply(void)
{
	static const struct {
		unsigned at;
		uint32_t value;
	} bad[] = {
		{ 0, 1 }, { 0, 4 }, { 4, 0 }, { 4, 99 },
		{ 0x18, URB_QUERY_MAX + 1 }, { 0x18, 0x10000 }, { 0x18, UINT32_MAX },
	};
	uint8_t reply[URB_SIZE + URB_QUERY_MAX];

	for (size_t i = 0; i < LENGTH(bad); i++)
		for (unsigned step = 0; step < 5; step++) {
			start();
			for (unsigned j = 0; j < step; j++) {
				size_t len = answer(reply);

				CHECK_INT(deliver(reply, len), DESCRIPTOR_QUERY_SEND);
			}
			answer(reply);
			put32(reply + bad[i].at, bad[i].value);
			CHECK_INT(deliver(reply, URB_SIZE), -EBADMSG);
			end();
		}
	/* one byte more than was asked for */
	start();
	answer(reply);
	put32(reply + 0x18, 19);
	CHECK_INT(deliver(reply, URB_SIZE), -EBADMSG);
	end();
}

/* Each request has a number of its own. */
static void numbers(void)
{
	uint8_t reply[URB_SIZE + URB_QUERY_MAX];
	uint32_t before = 0;
	int event;

	start();
	do {
		size_t len = answer(reply);

		CHECK(query->request.seqnum > before);
		before = query->request.seqnum;
		event = deliver(reply, len);
	} while (event == DESCRIPTOR_QUERY_SEND);
	/* the one before is not an answer to the next */
	end();
	start();
	event = deliver(reply, answer(reply));
	CHECK_INT(event, DESCRIPTOR_QUERY_SEND);
	CHECK_INT(deliver(reply, URB_SIZE), -EBADMSG);
	end();
}

int main(void)
{
	RUN("t_descriptor_query: all of it", all_of_it);
	RUN("t_descriptor_query: in pieces", in_pieces);
	RUN("t_descriptor_query: without strings", without_strings);
	RUN("t_descriptor_query: refused", refused);
	RUN("t_descriptor_query: failed", failed);
	RUN("t_descriptor_query: refused, with data", refused_with_data);
	RUN("t_descriptor_query: short descriptors", short_descriptors);
	RUN("t_descriptor_query: garbage", garbage);
	RUN("t_descriptor_query: what is no reply", no_reply);
	RUN("t_descriptor_query: numbers", numbers);
	return check_status();
}
