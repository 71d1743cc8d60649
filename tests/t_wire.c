/* SPDX-License-Identifier: MIT */
/* Tests of proto/wire: big-endian cursors with a sticky error. */
#include "proto/wire.h"
#include "tests/check.h"

static void get_numbers(void)
{
	static const uint8_t bytes[] = { 0xfe, 0x01, 0x82, 0x81, 0x72, 0x63, 0x54, 0xff };
	uint8_t *p = block(bytes, sizeof(bytes));
	struct wire_in in = { p, sizeof(bytes), false };

	CHECK_INT(wire_get(&in, 1), 0xfe);
	CHECK_INT(wire_get(&in, 2), 0x0182);
	CHECK_INT(wire_get(&in, 4), 0x81726354);
	CHECK_INT(in.left, 1);
	CHECK(!wire_at_end(&in));
	wire_skip(&in, 1);
	CHECK_INT(in.left, 0);
	CHECK(!in.bad);
	CHECK(wire_at_end(&in));
	block_free(p);
}

/* A block of so many bytes that are all 0xff. */
static uint8_t *ones(size_t n)
{
	uint8_t *p = block(NULL, n);

	memset(p, 0xff, n);
	return p;
}

static void get_beyond(void)
{
	for (size_t n = 0; n < 4; n++) {
		uint8_t *p = ones(n);
		struct wire_in in = { p, n, false };

		CHECK_INT(wire_get(&in, 4), 0);
		CHECK(in.bad);
		CHECK_INT(in.left, 0);
		CHECK(in.p == p + n);
		CHECK(!wire_at_end(&in));
		in = (struct wire_in){ p, n, false };
		wire_skip(&in, n + 1);
		CHECK(in.bad);
		if (n < 2) {
			in = (struct wire_in){ p, n, false };
			CHECK_INT(wire_get(&in, 2), 0);
			CHECK(in.bad);
		}
		block_free(p);
	}
}

/* A get of everything is too much, whatever the addition does. */
static void skip_huge(void)
{
	uint8_t *p = ones(8);
	struct wire_in in = { p + 4, 4, false };

	wire_skip(&in, SIZE_MAX);
	CHECK(in.bad);
	in = (struct wire_in){ p + 4, 4, false };
	wire_skip(&in, SIZE_MAX - 3);
	CHECK(in.bad);
	block_free(p);
}

static void get_sticky(void)
{
	uint8_t *p = ones(3);
	struct wire_in in = { p, 3, false };

	wire_get(&in, 4);
	CHECK_INT(wire_get(&in, 1), 0);
	CHECK_INT(wire_get(&in, 2), 0);
	wire_skip(&in, 0);
	CHECK(in.bad);
	in = (struct wire_in){ p, 3, true };
	CHECK_INT(wire_get(&in, 1), 0);
	CHECK(in.bad);
	CHECK_INT(in.left, 0);
	block_free(p);
}

static void get_part(void)
{
	uint8_t *p = block("abcdef", 6);

	for (size_t n = 0; n <= 5; n++) {
		struct wire_in in = { p + 1, 5, false }, part = wire_get_part(&in, n);

		CHECK(part.p == p + 1);
		CHECK_INT(part.left, n);
		CHECK(!part.bad);
		CHECK(in.p == p + 1 + n);
		CHECK_INT(in.left, 5 - n);
		CHECK_INT(wire_at_end(&in), n == 5);
		/* nothing behind the part is read through it */
		wire_skip(&part, n);
		CHECK(wire_at_end(&part));
		CHECK_INT(wire_get(&part, 1), 0);
		CHECK(part.bad);
		CHECK(!in.bad);
	}
	for (size_t n = 6; n; n = n == 6 ? SIZE_MAX : 0) {
		struct wire_in in = { p + 1, 5, false }, part = wire_get_part(&in, n);

		CHECK(in.bad);
		CHECK(part.bad);
		CHECK_INT(part.left, 0);
		CHECK_INT(wire_get(&part, 1), 0);
		part = wire_get_part(&in, 0); /* for good */
		CHECK(part.bad);
	}
	block_free(p);
}

static void get_string(void)
{
	uint8_t *p = block("ab\0junk", 7);
	struct wire_in in = { p, 7, false };
	char *s = block(NULL, 7);

	wire_get_string(&in, s, 7);
	CHECK_STR(s, "ab");
	CHECK_BYTES(s, "ab\0\0\0\0", 7);
	CHECK_INT(in.left, 0);
	CHECK(!in.bad);
	block_free(s);
	block_free(p);
}

static void get_string_whole(void)
{
	uint8_t *p = block("abc\0x", 5);
	struct wire_in in = { p, 5, false };
	char *s = block(NULL, 4);

	wire_get_string(&in, s, 4);
	CHECK_STR(s, "abc");
	CHECK(!in.bad);
	CHECK_INT(in.left, 1);
	block_free(s);
	block_free(p);
}

static void get_string_bad(void)
{
	uint8_t *p = block("abcd\0", 5);
	struct wire_in in = { p, 5, false };
	char *s = block("xxxx", 4);

	wire_get_string(&in, s, 4); /* the terminator is outside of the field */
	CHECK(!in.bad);
	CHECK_BYTES(s, "\0\0\0", 4);
	CHECK_INT(in.left, 1);
	in = (struct wire_in){ p, 3, false };
	wire_get_string(&in, s, 4);
	CHECK(in.bad);
	CHECK_BYTES(s, "\0\0\0", 4);
	block_free(s);
	block_free(p);
}

static void put_numbers(void)
{
	static const uint8_t want[] = { 0xfe, 0x01, 0x82, 0x81, 0x72, 0x63, 0x54 };
	uint8_t *p = block(NULL, sizeof(want));
	struct wire_out out = { p, sizeof(want), false };

	wire_put(&out, 0xfe, 1);
	wire_put(&out, 0x0182, 2);
	wire_put(&out, 0x81726354, 4);
	CHECK(!out.bad);
	CHECK_INT(out.left, 0);
	CHECK_INT(out.p - p, sizeof(want));
	CHECK_BYTES(p, want, sizeof(want));
	wire_put(&out, 1, 1);
	CHECK(out.bad);
	block_free(p);
}

static void put_bytes(void)
{
	uint8_t *p = ones(5);
	struct wire_out out = { p, 5, false };

	wire_put_bytes(&out, "\x82\x01", 2);
	wire_put_bytes(&out, "ab", 2);
	wire_put_bytes(&out, NULL, 0);
	CHECK(!out.bad);
	CHECK_BYTES(p, "\x82\x01" "ab\xff", 5);
	wire_put_bytes(&out, "cd", 2);
	CHECK(out.bad);
	CHECK_BYTES(p, "\x82\x01" "ab\xff", 5);
	block_free(p);
}

static void little_endian(void)
{
	uint8_t *p = block("\x81\x72\xe3\xf4", 4);

	CHECK_INT(wire_load_le16(p), 0x7281);
	CHECK_INT(wire_load_le16(p + 2), 0xf4e3);
	block_free(p);
}

static void put_beyond(void)
{
	for (size_t n = 0; n < 4; n++) {
		uint8_t *p = ones(n), *want = ones(n);
		struct wire_out out = { p, n, false };

		wire_put(&out, 0, 4);
		CHECK(out.bad);
		wire_put(&out, 0, 1);
		wire_put_string(&out, "", 1);
		CHECK(out.bad);
		CHECK_BYTES(p, want, n);
		block_free(p);
		block_free(want);
	}
}

static void put_string(void)
{
	uint8_t *p = ones(6);
	struct wire_out out = { p, 6, false };

	wire_put_string(&out, "ab", 4);
	wire_put_string(&out, "c", 2);
	CHECK(!out.bad);
	CHECK_BYTES(p, "ab\0\0c\0", 6);
	block_free(p);
}

static void put_string_bad(void)
{
	char *s = block("abcd", 4); /* without terminator */
	uint8_t *p = ones(4);
	struct wire_out out = { p, 4, false };

	wire_put_string(&out, s, 4);
	CHECK(out.bad);
	CHECK_BYTES(p, "\xff\xff\xff\xff", 4);
	out = (struct wire_out){ p, 4, false };
	wire_put_string(&out, "ab", 5);
	CHECK(out.bad);
	CHECK_BYTES(p, "\xff\xff\xff\xff", 4);
	block_free(p);
	block_free(s);
}

int main(void)
{
	RUN("t_wire: numbers are read big-endian", get_numbers);
	RUN("t_wire: a read beyond the end gives zero and bad", get_beyond);
	RUN("t_wire: a skip of nearly SIZE_MAX is bad", skip_huge);
	RUN("t_wire: a bad reader stays bad", get_sticky);
	RUN("t_wire: a part of the bytes", get_part);
	RUN("t_wire: a string ends at its terminator, the rest is zeroed", get_string);
	RUN("t_wire: a string may fill its field but for the terminator", get_string_whole);
	RUN("t_wire: a string without terminator is empty", get_string_bad);
	RUN("t_wire: numbers are written big-endian", put_numbers);
	RUN("t_wire: bytes are written", put_bytes);
	RUN("t_wire: little-endian numbers in memory", little_endian);
	RUN("t_wire: a write beyond the end writes nothing", put_beyond);
	RUN("t_wire: a string is padded with zeros", put_string);
	RUN("t_wire: a string that does not fit is bad", put_string_bad);
	return check_status();
}
