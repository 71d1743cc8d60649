/* SPDX-License-Identifier: MIT */
/* X25519 (RFC 7748). No secret decides a branch or an index. */
#include "tls/x25519.h"

#include <string.h>

/*
 * An element of the field: a number modulo p = 2^255 - 19, below 2^256, in eight words, the least
 * significant first. 2^256 is 38 modulo p, so a carry out of the last word is added to the first
 * one, times 38.
 */
typedef uint32_t field[8];

static void field_fold(field r, uint64_t carry)
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

static void field_add(field r, const field a, const field b)
{
	uint64_t carry = 0;

	for (size_t i = 0; i < 8; i++) {
		carry += (uint64_t)a[i] + b[i];
		r[i] = (uint32_t)carry;
		carry >>= 32;
	}
	field_fold(r, carry);
}

/* ~b is 2^256 - 1 - b, so a + ~b is a - b + 37 modulo p. Adding p - 37 = 2^255 - 56 corrects it. */
static void field_subtract(field r, const field a, const field b)
{
	uint64_t carry = 0;

	for (size_t i = 0; i < 8; i++) {
		carry += (uint64_t)a[i] + (uint32_t)~b[i];
		carry += i == 0 ? 0xffffffc8 : i == 7 ? 0x7fffffff : 0xffffffff;
		r[i] = (uint32_t)carry;
		carry >>= 32;
	}
	field_fold(r, carry);
}

static void field_multiply(field r, const field a, const field b)
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
	field_fold(r, carry);
}

/* 1/a = a^(p - 2). All bits of p - 2 = 2^255 - 21 are ones but bits 2 and 4. */
static void field_invert(field r, const field a)
{
	field x = { 1 };

	for (int bit = 254; bit >= 0; bit--) {
		field_multiply(x, x, x);
		if (bit != 2 && bit != 4)
			field_multiply(x, x, a);
	}
	memcpy(r, x, sizeof(x));
}

/* Exchanges a and b if bit is 1, in the same time as if it is 0. */
static void field_swap(field a, field b, uint32_t bit)
{
	for (size_t i = 0; i < 8; i++) {
		uint32_t x = (a[i] ^ b[i]) & (0 - bit);

		a[i] ^= x;
		b[i] ^= x;
	}
}

static void field_load(field r, const uint8_t bytes[X25519_SIZE])
{
	memset(r, 0, sizeof(field));
	for (size_t i = 0; i < X25519_SIZE; i++)
		r[i / 4] |= (uint32_t)bytes[i] << (8 * (i % 4));
}

/* Reduces a below p, the only form on the wire. */
static void field_store(uint8_t bytes[X25519_SIZE], field a)
{
	static const field nineteen = { 19 };
	field t;

	/* below 2^255, in two steps: 2^255 is 19 modulo p */
	for (unsigned times = 0; times < 2; times++) {
		memset(t, 0, sizeof(t));
		t[0] = 19 * (a[7] >> 31);
		a[7] &= 0x7fffffff;
		field_add(a, a, t);
	}
	/* a + 19 reaches 2^255 exactly if a is not below p */
	field_add(t, a, nineteen);
	field_swap(a, t, t[7] >> 31);
	a[7] &= 0x7fffffff;
	for (size_t i = 0; i < X25519_SIZE; i++)
		bytes[i] = (uint8_t)(a[i / 4] >> (8 * (i % 4)));
}

/* One step of the Montgomery ladder: RFC 7748 5, with its names. */
static void ladder_step(field x2, field z2, field x3, field z3, const field x1)
{
	static const field a24 = { 121665 };
	field a, b, c, d, e, aa, bb, da, cb;

	field_add(a, x2, z2);
	field_multiply(aa, a, a);
	field_subtract(b, x2, z2);
	field_multiply(bb, b, b);
	field_subtract(e, aa, bb);
	field_add(c, x3, z3);
	field_subtract(d, x3, z3);
	field_multiply(da, d, a);
	field_multiply(cb, c, b);
	field_add(x3, da, cb);
	field_multiply(x3, x3, x3);
	field_subtract(z3, da, cb);
	field_multiply(z3, z3, z3);
	field_multiply(z3, z3, x1);
	field_multiply(x2, aa, bb);
	field_multiply(z2, e, a24);
	field_add(z2, z2, aa);
	field_multiply(z2, z2, e);
}

bool x25519(uint8_t shared[X25519_SIZE], const uint8_t secret[X25519_SIZE],
	    const uint8_t point[X25519_SIZE])
{
	field k, x1, x2 = { 1 }, z2 = { 0 }, x3, z3 = { 1 };
	uint32_t bit, previous = 0;
	uint8_t any = 0;

	/* decodeScalar25519 and decodeUCoordinate */
	field_load(k, secret);
	k[0] &= 0xfffffff8;
	k[7] = (k[7] & 0x7fffffff) | 0x40000000;
	field_load(x1, point);
	x1[7] &= 0x7fffffff;
	memcpy(x3, x1, sizeof(field));
	for (int i = 254; i >= 0; i--) {
		bit = k[i / 32] >> (i % 32) & 1;
		field_swap(x2, x3, bit ^ previous);
		field_swap(z2, z3, bit ^ previous);
		previous = bit;
		ladder_step(x2, z2, x3, z3, x1);
	}
	/* no swap is due: the last bit of every scalar is 0 */
	field_invert(z2, z2);
	field_multiply(x2, x2, z2);
	field_store(shared, x2);
	for (size_t i = 0; i < X25519_SIZE; i++)
		any |= shared[i];
	return any != 0;
}

void x25519_public(uint8_t point[X25519_SIZE], const uint8_t secret[X25519_SIZE])
{
	static const uint8_t base[X25519_SIZE] = { 9 };

	x25519(point, secret, base);
}
