/* SPDX-License-Identifier: MIT */
/*
 * Tests of proto/urb_query: queries and replies as Documentation/usb/usbip_protocol.rst lays them out,
 * and strings, compared with what the kernel makes of them.
 */
#include "proto/urb_query.h"

#include "tests/bytes.h"

static const struct urb_query asked = {
	.seqnum = 0x01020304, .devid = 0x05060708, .type = 0x09, .index = 0x0a,
	.language = 0x0b0c, .length = 0x030e,
};

static void request(void)
{
	static const uint8_t setup[] = { 0x80, 6, 0x0a, 0x09, 0x0c, 0x0b, 0x0e, 0x03 };
	uint8_t *p = block(NULL, URB_SIZE);

	urb_query_encode(p, &asked);
	CHECK_INT(raw(p, 4), 1);		 /* USBIP_CMD_SUBMIT */
	CHECK_INT(raw(p + 4, 4), 0x01020304);	 /* seqnum */
	CHECK_INT(raw(p + 8, 4), 0x05060708);	 /* devid */
	CHECK_INT(raw(p + 12, 4), 1);		 /* direction: USBIP_DIR_IN */
	CHECK_INT(raw(p + 16, 4), 0);		 /* ep */
	CHECK_INT(raw(p + 0x14, 4), 0);		 /* transfer_flags */
	CHECK_INT(raw(p + 0x18, 4), 0x030e);	 /* transfer_buffer_length */
	CHECK_INT(raw(p + 0x1c, 4), 0);		 /* start_frame */
	CHECK_INT(raw(p + 0x20, 4), 0); /* number_of_packets, as vhci-hcd sends it */
	CHECK_INT(raw(p + 0x24, 4), 0);		 /* interval */
	CHECK_BYTES(p + 0x28, setup, 8);
	block_free(p);
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* A USBIP_RET_SUBMIT: what is not looked at is anything. */
static void make_reply(uint8_t *p, uint32_t seqnum, int32_t status, uint32_t length)
{
	memset(p, 0xee, URB_SIZE);
	put32(p, 3);
	put32(p + 4, seqnum);
	put32(p + 0x14, (uint32_t)status);
	put32(p + 0x18, length);
}

static void reply_at_every_length(void)
{
	uint8_t bytes[URB_SIZE + 300];

	for (uint32_t length = 0; length <= 200; length += 100) {
		make_reply(bytes, asked.seqnum, length ? 0 : -32, length);
		for (size_t len = 0; len <= sizeof(bytes); len++) {
			uint8_t *p = block(bytes, len);
			uint16_t data = 0;
			int32_t status = 7;
			int want = len < URB_SIZE + length ? 0 : (int)(URB_SIZE + length);

			CHECK_INT(urb_query_decode(p, len, &asked, &status, &data), want);
			if (len >= URB_SIZE) {
				CHECK_INT(data, length); /* so that it is known what is missing */
				CHECK_INT(status, length ? 0 : -32);
			} else {
				CHECK_INT(data, 0);
			}
			block_free(p);
		}
	}
}

static int decoded(uint32_t command, uint32_t seqnum, uint32_t length)
{
	uint8_t bytes[URB_SIZE + URB_QUERY_MAX];
	uint16_t data = 0;
	int32_t status;
	uint8_t *p;
	int n;

	make_reply(bytes, seqnum, 0, length);
	put32(bytes, command);
	p = block(bytes, sizeof(bytes));
	n = urb_query_decode(p, sizeof(bytes), &asked, &status, &data);
	block_free(p);
	return n;
}

static void no_reply(void)
{
	static const uint32_t bad[] = { 0, 1, 2, 4, 0x103, 0x03000000, 0xffffffff };

	for (size_t i = 0; i < LENGTH(bad); i++)
		CHECK_INT(decoded(bad[i], asked.seqnum, 1), -EBADMSG);
	CHECK_INT(decoded(3, asked.seqnum + 1, 1), -EBADMSG);
	CHECK_INT(decoded(3, 0, 1), -EBADMSG);
	CHECK_INT(decoded(3, asked.seqnum, asked.length + 1u), -EBADMSG);
	CHECK_INT(decoded(3, asked.seqnum, 0x10000), -EBADMSG); /* that is no 0 */
	CHECK_INT(decoded(3, asked.seqnum, UINT32_MAX), -EBADMSG);
	CHECK_INT(decoded(3, asked.seqnum, asked.length), URB_SIZE + asked.length);
}

/* utf16s_to_utf8s() by its words: the characters of UTF-16 units, each encoded; no code of ours. */
static size_t reference(const uint8_t *unit, size_t units, char *out, size_t *end)
{
	size_t n = 0, characters = 0;

	for (size_t i = 0; i < units; i++) {
		uint32_t u = unit[2 * i] + 256u * unit[2 * i + 1];

		if (!u)
			break;
		if (u >= 0xdc00 && u <= 0xdfff)
			continue; /* a low surrogate without a high one */
		if (u >= 0xd800 && u <= 0xdbff) {
			uint32_t low = i + 1 < units ? unit[2 * i + 2] + 256u * unit[2 * i + 3] : 0;

			if (low < 0xdc00 || low > 0xdfff)
				continue;
			u = 0x10000 + (u - 0xd800) * 0x400 + (low - 0xdc00);
			i++;
		}
		if (u < 0x80) {
			out[n++] = (char)u;
		} else if (u < 0x800) {
			out[n++] = (char)(0xc0 + u / 0x40);
			out[n++] = (char)(0x80 + u % 0x40);
		} else if (u < 0x10000) {
			out[n++] = (char)(0xe0 + u / 0x1000);
			out[n++] = (char)(0x80 + u / 0x40 % 0x40);
			out[n++] = (char)(0x80 + u % 0x40);
		} else {
			out[n++] = (char)(0xf0 + u / 0x40000);
			out[n++] = (char)(0x80 + u / 0x1000 % 0x40);
			out[n++] = (char)(0x80 + u / 0x40 % 0x40);
			out[n++] = (char)(0x80 + u % 0x40);
		}
		end[characters++] = n;
	}
	return characters;
}

/* Decoded into every size up to one that is enough, as the kernel would and cut between two
 * characters. */
static void is_as_the_kernel_has_it(const uint8_t *descriptor, size_t len)
{
	char want[4 * 128];
	size_t end[128] = { 0 }, counts = len, characters, whole;
	uint8_t *p = block(descriptor, len);

	if (len > 2 && descriptor[0] < len)
		counts = descriptor[0];
	characters = reference(descriptor + 2, counts < 2 ? 0 : (counts - 2) / 2, want, end);
	whole = characters ? end[characters - 1] : 0;
	for (size_t size = 1; size <= whole + 2; size++) {
		char *text = block(NULL, size);
		size_t fits = 0;

		for (size_t i = 0; i < characters && end[i] < size; i++)
			fits = end[i];
		urb_string_decode(p, len, text, size);
		CHECK_INT(strlen(text), fits);
		CHECK_BYTES(text, want, fits);
		block_free(text);
	}
	block_free(p);
}

/* The descriptor of these units. */
static size_t descriptor_of(uint8_t *p, const uint16_t *unit, size_t units)
{
	p[0] = (uint8_t)(2 + 2 * units);
	p[1] = URB_QUERY_STRING;
	for (size_t i = 0; i < units; i++) {
		p[2 + 2 * i] = (uint8_t)unit[i];
		p[3 + 2 * i] = (uint8_t)(unit[i] >> 8);
	}
	return p[0];
}

static void string_is(const uint16_t *unit, size_t units, const char *want)
{
	uint8_t p[256];
	size_t len = descriptor_of(p, unit, units);
	char text[400];

	urb_string_decode(p, len, text, sizeof(text));
	CHECK_STR(text, want);
	is_as_the_kernel_has_it(p, len);
}

#define STRING_IS(want, ...)                                                                       \
	string_is((const uint16_t[]){ __VA_ARGS__ },                                               \
		  sizeof((const uint16_t[]){ __VA_ARGS__ }) / sizeof(uint16_t), want)

static void strings(void)
{
	STRING_IS("Stick", 'S', 't', 'i', 'c', 'k');
	STRING_IS("\x01\x1b\x7f", 1, 0x1b, 0x7f); /* whoever shows it makes it printable */
	STRING_IS("\xc2\x80\xc3\xa9\xdf\xbf", 0x80, 0xe9, 0x7ff);
	STRING_IS("\xe0\xa0\x80\xe2\x82\xac\xef\xbf\xbf", 0x800, 0x20ac, 0xffff);
	STRING_IS("\xed\x9f\xbf\xee\x80\x80", 0xd7ff, 0xe000);
	STRING_IS("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 0xd800, 0xdc00, 0xdbff, 0xdfff);
	STRING_IS("a\xf0\x9f\x98\x80z", 'a', 0xd83d, 0xde00, 'z');
	STRING_IS("ab", 'a', 'b', 0, 'c'); /* ends at a NUL */
	STRING_IS("", 0, 'a');
}

static void lone_surrogates(void)
{
	STRING_IS("az", 'a', 0xd83d, 'z');
	STRING_IS("az", 'a', 0xde00, 'z');
	STRING_IS("a", 'a', 0xd83d);
	STRING_IS("a", 'a', 0xde00);
	STRING_IS("a\xf0\x9f\x98\x80z", 'a', 0xd83d, 0xd83d, 0xde00, 'z');
	STRING_IS("a\xf0\x9f\x98\x80z", 'a', 0xd83d, 0xde00, 0xde00, 'z');
	STRING_IS("az", 'a', 0xde00, 0xd83d, 'z');
	STRING_IS("a", 'a', 0xd83d, 0, 0xde00, 'z');
	STRING_IS("az", 'a', 0xd83d, 'z', 0xde00);
}

static void odd_lengths(void)
{
	uint8_t p[] = { 8, 3, 'a', 0, 'b', 0, 'c', 0, 'd', 0 };
	char text[20];

	for (unsigned length = 0; length < 256; length++)
		for (size_t len = 0; len <= sizeof(p); len++) {
			p[0] = (uint8_t)length;
			is_as_the_kernel_has_it(p, len);
		}
	p[0] = 6; /* less than came */
	urb_string_decode(p, sizeof(p), text, sizeof(text));
	CHECK_STR(text, "ab");
	p[0] = 7;
	urb_string_decode(p, sizeof(p), text, sizeof(text));
	CHECK_STR(text, "ab");
	p[0] = 200; /* more than came */
	urb_string_decode(p, 7, text, sizeof(text));
	CHECK_STR(text, "ab");
}

/* The longest a device can have fit where its strings are kept. */
static void longest(void)
{
	uint16_t unit[126];
	uint8_t p[256];
	char text[128];

	for (size_t i = 0; i < LENGTH(unit); i++)
		unit[i] = 's';
	urb_string_decode(p, descriptor_of(p, unit, LENGTH(unit)), text, sizeof(text));
	CHECK_INT(strlen(text), LENGTH(unit));
}

/* Whatever the bytes, most of them near the edges. */
static void any_bytes(void)
{
	static const uint8_t high[] = { 0, 0, 0, 7, 8, 0xd7, 0xd8, 0xdb, 0xdc, 0xdf, 0xe0, 0xff };
	uint32_t seed = 7;

	for (int round = 0; round < 3000; round++) {
		uint8_t p[64];
		size_t len;

		for (size_t i = 0; i < sizeof(p); i++) {
			seed = seed * 1664525 + 1013904223;
			p[i] = i % 2 ? high[(seed >> 24) % LENGTH(high)] : (uint8_t)(seed >> 24);
		}
		len = (seed >> 8) % (sizeof(p) + 1);
		p[0] = (uint8_t)(round % 3 ? len : p[0] % 70);
		is_as_the_kernel_has_it(p, len);
	}
}

int main(void)
{
	RUN("t_urb_query: a request", request);
	RUN("t_urb_query: a reply at every length", reply_at_every_length);
	RUN("t_urb_query: what is no reply", no_reply);
	RUN("t_urb_query: strings", strings);
	RUN("t_urb_query: lone surrogates", lone_surrogates);
	RUN("t_urb_query: lengths that do not agree", odd_lengths);
	RUN("t_urb_query: the longest string", longest);
	RUN("t_urb_query: any bytes", any_bytes);
	return check_status();
}
