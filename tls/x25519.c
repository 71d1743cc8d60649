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
		for (unsigned i = 0; i < 8; i++) {
			carry += r[i];
			r[i] = (uint32_t)carry;
			carry >>= 32;
		}
	}
}

static void add(number r, const number a, const number b)
{
	uint64_t carry = 0;

	for (unsigned i = 0; i < 8; i++) {
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

	for (unsigned i = 0; i < 8; i++) {
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

	for (unsigned i = 0; i < 8; i++) {
		carry = 0;
		for (unsigned j = 0; j < 8; j++) {
			carry += (uint64_t)a[i] * b[j] + t[i + j];
			t[i + j] = (uint32_t)carry;
			carry >>= 32;
		}
		t[i + 8] = (uint32_t)carry;
	}
	carry = 0;
	for (unsigned i = 0; i < 8; i++) {
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
	for (unsigned i = 0; i < 8; i++) {
		uint32_t x = (a[i] ^ b[i]) & (0 - bit);

		a[i] ^= x;
		b[i] ^= x;
	}
}

static void load(number r, const uint8_t bytes[X25519_SIZE])
{
	memset(r, 0, sizeof(number));
	for (unsigned i = 0; i < X25519_SIZE; i++)
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
	for (unsigned i = 0; i < X25519_SIZE; i++)
		bytes[i] = (uint8_t)(a[i / 4] >> (8 * (i % 4)));
}

/* RFC 7748 5, whose names these are. */
static void step(const number x1, number x2, number z2, number x3, number z3)
{
	static const number a24 = { 121665 };
	number a, b, c, d, e;

	add(a, x2, z2);
	subtract(b, x2, z2);
	add(c, x3, z3);
	subtract(d, x3, z3);
	multiply(d, d, a); /* DA */
	multiply(c, c, b); /* CB */
	multiply(a, a, a); /* AA */
	multiply(b, b, b); /* BB */
	subtract(e, a, b);
	add(x3, d, c);
	multiply(x3, x3, x3);
	subtract(z3, d, c);
	multiply(z3, z3, z3);
	multiply(z3, z3, x1);
	multiply(x2, a, b);
	multiply(z2, e, a24);
	add(z2, z2, a);
	multiply(z2, z2, e);
}

bool x25519(uint8_t shared[X25519_SIZE], const uint8_t secret[X25519_SIZE],
	    const uint8_t point[X25519_SIZE])
{
	number k, x1, x2 = { 1 }, z2 = { 0 }, x3, z3 = { 1 };
	uint32_t bit, before = 0;
	uint8_t any = 0;

	load(k, secret);
	k[0] &= 0xfffffff8;
	k[7] = (k[7] & 0x7fffffff) | 0x40000000;
	load(x1, point);
	x1[7] &= 0x7fffffff;
	memcpy(x3, x1, sizeof(x3));
	for (int i = 254; i >= 0; i--) {
		bit = k[i / 32] >> (i % 32) & 1;
		swap(x2, x3, bit ^ before);
		swap(z2, z3, bit ^ before);
		before = bit;
		step(x1, x2, z2, x3, z3);
	}
	/* the last bit of every secret is 0 */
	invert(z3, z2);
	multiply(x2, x2, z3);
	store(shared, x2);
	for (unsigned i = 0; i < X25519_SIZE; i++)
		any |= shared[i];
	return any != 0;
}

void x25519_public(uint8_t point[X25519_SIZE], const uint8_t secret[X25519_SIZE])
{
	static const uint8_t base[X25519_SIZE] = { 9 };

	x25519(point, secret, base);
}
