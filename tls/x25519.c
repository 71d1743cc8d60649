/* SPDX-License-Identifier: MIT */
/* X25519. No secret decides a branch or an index. */
#include "tls/x25519.h"

#include <string.h>

/*
 * A number modulo p = 2^255 - 19, below 2^256, in eight words, the least first. As 2^256 is 38
 * modulo p, what is carried out of the last word comes in again at the first, times 38.
 */
typedef uint32_t number[8];

static void fold(number r, uint64_t carry)
{
	for (unsigned times = 0; times < 2; times++) {
		carry *= 38;
		for (size_t i = 0; i < 8; i++) {
			carry += r[i];
			r[i] = (uint32_t)carry;
			carry >>= 32;
		}
	}
}

static void add(number r, const number a, const number b)
{
	uint64_t carry = 0;

	for (size_t i = 0; i < 8; i++) {
		carry += (uint64_t)a[i] + b[i];
		r[i] = (uint32_t)carry;
		carry >>= 32;
	}
	fold(r, carry);
}

/* As ~b is 2^256 - 1 - b, a + ~b is a - b + 37 modulo p; p - 37 = 2^255 - 56 makes that good. */
static void subtract(number r, const number a, const number b)
{
	uint64_t carry = 0;

	for (size_t i = 0; i < 8; i++) {
		carry += (uint64_t)a[i] + (uint32_t)~b[i];
		carry += i == 0 ? 0xffffffc8 : i == 7 ? 0x7fffffff : 0xffffffff;
		r[i] = (uint32_t)carry;
		carry >>= 32;
	}
	fold(r, carry);
}

static void multiply(number r, const number a, const number b)
{
	uint32_t t[16] = { 0 };
	uint64_t carry = 0;

	for (size_t i = 0; i < 8; i++) {
		carry = 0;
		for (size_t j = 0; j < 8; j++) {
			carry += (uint64_t)a[i] * b[j] + t[i + j];
			t[i + j] = (uint32_t)carry;
			carry >>= 32;
		}
		t[i + 8] = (uint32_t)carry;
	}
	carry = 0;
	for (size_t i = 0; i < 8; i++) {
		carry += (uint64_t)t[i + 8] * 38 + t[i];
		r[i] = (uint32_t)carry;
		carry >>= 32;
	}
	fold(r, carry);
}

/* 1/a = a^(p - 2); all bits of p - 2 = 2^255 - 21 are ones, but 2 and 4. */
static void invert(number r, const number a)
{
	number x = { 1 };

	for (int bit = 254; bit >= 0; bit--) {
		multiply(x, x, x);
		if (bit != 2 && bit != 4)
			multiply(x, x, a);
	}
	memcpy(r, x, sizeof(x));
}

/* Exchanges them if bit is 1. */
static void swap(number a, number b, uint32_t bit)
{
	for (size_t i = 0; i < 8; i++) {
		uint32_t x = (a[i] ^ b[i]) & (0 - bit);

		a[i] ^= x;
		b[i] ^= x;
	}
}

static void load(number r, const uint8_t bytes[X25519_SIZE])
{
	memset(r, 0, sizeof(number));
	for (size_t i = 0; i < X25519_SIZE; i++)
		r[i / 4] |= (uint32_t)bytes[i] << (8 * (i % 4));
}

/* The one of the same numbers that is below p. */
static void store(uint8_t bytes[X25519_SIZE], number a)
{
	static const number nineteen = { 19 };
	number t;

	/* below 2^255, in two steps: 2^255 is 19 */
	for (unsigned times = 0; times < 2; times++) {
		memset(t, 0, sizeof(t));
		t[0] = 19 * (a[7] >> 31);
		a[7] &= 0x7fffffff;
		add(a, a, t);
	}
	/* 19 more reach 2^255 just if it was not below p */
	add(t, a, nineteen);
	swap(a, t, t[7] >> 31);
	a[7] &= 0x7fffffff;
	for (size_t i = 0; i < X25519_SIZE; i++)
		bytes[i] = (uint8_t)(a[i / 4] >> (8 * (i % 4)));
}

/* The numbers of RFC 7748 5, whose names these are; A is also DA, and so on. */
enum { X1, X2, Z2, X3, Z3, A24, A, B, C, D, E, NUMBERS };

/* One round of it: to = a OPERATION b. */
static void step(number n[NUMBERS])
{
	static void (*const operation[])(number, const number, const number) = { add, subtract,
										 multiply };
	enum { ADD, SUBTRACT, MULTIPLY };
	static const uint8_t program[][4] = {
		{ ADD, A, X2, Z2 },	 { SUBTRACT, B, X2, Z2 }, { ADD, C, X3, Z3 },
		{ SUBTRACT, D, X3, Z3 }, { MULTIPLY, D, D, A },	  { MULTIPLY, C, C, B },
		{ MULTIPLY, A, A, A },	 { MULTIPLY, B, B, B },	  { SUBTRACT, E, A, B },
		{ ADD, X3, D, C },	 { MULTIPLY, X3, X3, X3 }, { SUBTRACT, Z3, D, C },
		{ MULTIPLY, Z3, Z3, Z3 }, { MULTIPLY, Z3, Z3, X1 }, { MULTIPLY, X2, A, B },
		{ MULTIPLY, Z2, E, A24 }, { ADD, Z2, Z2, A },	  { MULTIPLY, Z2, Z2, E },
	};

	for (size_t i = 0; i < sizeof(program) / sizeof(*program); i++) {
		const uint8_t *p = program[i];

		operation[p[0]](n[p[1]], n[p[2]], n[p[3]]);
	}
}

bool x25519(uint8_t shared[X25519_SIZE], const uint8_t secret[X25519_SIZE],
	    const uint8_t point[X25519_SIZE])
{
	number k, n[NUMBERS] = { [X2] = { 1 }, [Z3] = { 1 }, [A24] = { 121665 } };
	uint32_t bit, before = 0;
	uint8_t any = 0;

	load(k, secret);
	k[0] &= 0xfffffff8;
	k[7] = (k[7] & 0x7fffffff) | 0x40000000;
	load(n[X1], point);
	n[X1][7] &= 0x7fffffff;
	memcpy(n[X3], n[X1], sizeof(number));
	for (int i = 254; i >= 0; i--) {
		bit = k[i / 32] >> (i % 32) & 1;
		swap(n[X2], n[X3], bit ^ before);
		swap(n[Z2], n[Z3], bit ^ before);
		before = bit;
		step(n);
	}
	/* the last bit of every secret is 0 */
	invert(n[Z3], n[Z2]);
	multiply(n[X2], n[X2], n[Z3]);
	store(shared, n[X2]);
	for (size_t i = 0; i < X25519_SIZE; i++)
		any |= shared[i];
	return any != 0;
}

void x25519_public(uint8_t point[X25519_SIZE], const uint8_t secret[X25519_SIZE])
{
	static const uint8_t base[X25519_SIZE] = { 9 };

	x25519(point, secret, base);
}
