/* SPDX-License-Identifier: MIT */
/*
 * proto/wire: any one call on a cursor that has any number of bytes left, up to MAX, with any size
 * or string. What holds before it holds after it, so any number of calls is covered.
 * SOURCES: proto/wire.c
 * EVA: -eva-precision 2 -eva-slevel 10000 -eva-split-limit 10000 -eva-split-return full -eva-partition-history 1 -eva-interprocedural-history
 */
#include "proto/wire.h"

#include "tests/prove/prove.h"

enum { MAX = 12 };

static uint8_t block[MAX];

/* The cursor's bytes are the last of the block. */
static struct wire_in any_in(size_t left, bool bad)
{
	struct wire_in in = { block + MAX - left, left, bad };

	any_bytes(block, MAX);
	return in;
}

static struct wire_out any_out(size_t left, bool bad)
{
	struct wire_out out = { block + MAX - left, left, bad };

	any_bytes(block, MAX);
	return out;
}

void prove_wire_get_numbers(void)
{
	int bad = any_int(0, 1);
	size_t left = any_size(0, MAX);
	uint32_t got;

	/*@ split left; */
	/*@ split bad; */
	struct wire_in in = any_in(left, bad);

	switch (any_int(0, 3)) {
	case 0:
		got = wire_get(&in, 1);
		/*@ assert byte: got <= 0xff; */
		break;
	case 1:
		got = wire_get(&in, 2);
		/*@ assert half: got <= 0xffff; */
		break;
	case 2:
		got = wire_get(&in, 3);
		/*@ assert three: got <= 0xffffff; */
		break;
	default:
		got = wire_get(&in, 4);
	}
	/*@ assert cursor: in.p + in.left == (uint8_t const *)block + MAX; */
	/*@ assert shrinks: in.left <= left; */
	END();
}

void prove_wire_skip(void)
{
	int bad = any_int(0, 1);
	size_t left = any_size(0, MAX), n = any_size(0, MAX + 1);

	/*@ split left; */
	/*@ split bad; */
	/*@ split n; */
	struct wire_in in = any_in(left, bad);

	wire_skip(&in, n);
	/*@ assert cursor: in.p + in.left == (uint8_t const *)block + MAX; */
	/*@ assert sticky: n > left ==> in.bad == 1; */
	wire_skip(&in, any_size(MAX + 1, SIZE_MAX));
	/*@ assert huge: in.bad == 1; */
	/*@ assert cursor_still: in.p + in.left == (uint8_t const *)block + MAX; */
	END();
}

void prove_wire_get_part(void)
{
	int bad = any_int(0, 1);
	size_t left = any_size(0, MAX), n = any_size(0, MAX + 1);

	/*@ split left; */
	/*@ split bad; */
	/*@ split n; */
	struct wire_in in = any_in(left, bad);
	struct wire_in part = wire_get_part(&in, n);

	/*@ assert cursor: in.p + in.left == (uint8_t const *)block + MAX; */
	/*@ assert inside: part.p + part.left <= (uint8_t const *)block + MAX; */
	/*@ assert size: part.left == n || (part.left == 0 && part.bad == 1 && in.bad == 1); */
	END();
}

void prove_wire_get_string(void)
{
	int bad = any_int(0, 1);
	size_t left = any_size(0, MAX), size = any_size(1, MAX);
	char s[MAX];

	/*@ split left; */
	/*@ split bad; */
	/*@ split size; */
	struct wire_in in = any_in(left, bad);

	wire_get_string(&in, s + MAX - size, size);
	/*@ assert terminated: s[MAX - 1] == 0; */
	/*@ assert written: \initialized(&s[MAX - size .. MAX - 1]); */
	/*@ assert cursor: in.p + in.left == (uint8_t const *)block + MAX; */
	/*@ assert sticky: size > left ==> in.bad == 1; */
	END();
}

void prove_wire_put_numbers(void)
{
	int bad = any_int(0, 1);
	size_t left = any_size(0, MAX);
	uint32_t v = (uint32_t)any_size(0, UINT32_MAX);

	/*@ split left; */
	/*@ split bad; */
	struct wire_out out = any_out(left, bad);

	switch (any_int(0, 3)) {
	case 0:
		wire_put(&out, v, 1);
		break;
	case 1:
		wire_put(&out, v, 2);
		break;
	case 2:
		wire_put(&out, v, 3);
		break;
	default:
		wire_put(&out, v, 4);
	}
	/*@ assert cursor: out.p + out.left == &block[0] + MAX; */
	/*@ assert shrinks: out.left <= left; */
	END();
}

/* The string is in a block of its field's size, with or without a terminator. */
void prove_wire_put_string(void)
{
	int bad = any_int(0, 1);
	size_t left = any_size(0, MAX), size = any_size(1, MAX);
	char s[MAX];

	any_bytes(s, MAX);
	/*@ split left; */
	/*@ split bad; */
	/*@ split size; */
	struct wire_out out = any_out(left, bad);

	wire_put_string(&out, s + MAX - size, size);
	/*@ assert cursor: out.p + out.left == &block[0] + MAX; */
	/*@ assert whole: out.bad == 1 || out.left + size == left; */
	if (!out.bad) {
		/*@ assert terminated: out.p[-1] == 0; */
	}
	/*@ assert sticky: size > left ==> out.bad == 1; */
	END();
}
