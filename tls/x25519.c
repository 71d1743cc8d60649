/* SPDX-License-Identifier: MIT */
/* X25519 (RFC 7748). */
#include "tls/crypto.h"

#include <string.h>

/*
 * A number modulo p = 2^255 - 19 in 16 digits, the least significant first. In a product each digit
 * has 16 bits and the last one 15, only the first may be up to 19 above that. Sums and differences
 * of products have digits below 2^18; they are made to be multiplied.
 */
typedef uint64_t field[16];

/* 2^255 is 19 modulo p. */
static void field_carry(field r)
{
	for (size_t i = 0; i < 15; i++) {
		r[i + 1] += r[i] >> 16;
		r[i] &= 0xffff;
	}
	r[0] += 19 * (r[15] >> 15);
	r[15] &= 0x7fff;
}

static void field_add(field r, const field a, const field b)
{
	for (size_t i = 0; i < 16; i++)
		r[i] = a[i] + b[i];
}

/* Adds 4 p = 2^257 - 76, so that no digit is below zero. */
static void field_subtract(field r, const field a, const field b)
{
	for (size_t i = 0; i < 16; i++)
		r[i] = a[i] + (i ? 0x1fffe : 0x1ffb4) - b[i];
}

static void field_multiply(field r, const field a, const field b)
{
	uint64_t t[32] = { 0 };

	for (size_t i = 0; i < 16; i++)
		for (size_t j = 0; j < 16; j++)
			t[i + j] += a[i] * b[j];
	/* 2^256 is 38 modulo p; the digits are below 2^46, then 2^36, then right */
	for (size_t i = 0; i < 16; i++)
		r[i] = t[i] + 38 * t[i + 16];
	field_carry(r);
	field_carry(r);
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
static void field_swap(field a, field b, uint64_t bit)
{
	for (size_t i = 0; i < 16; i++) {
		uint64_t x = (a[i] ^ b[i]) & (0 - bit);

		a[i] ^= x;
		b[i] ^= x;
	}
}

/* A product as bytes, reduced below p, the only form on the wire. */
static void field_store(uint8_t bytes[X25519_SIZE], field a)
{
	uint64_t sum = 0;

	/* a + 19 reaches 2^255 exactly if a is not below p; that carry makes it a - p + 19 */
	a[0] += 19;
	field_carry(a);
	/* - 19, as + 2^256 - 19 */
	for (size_t i = 0; i < 16; i++) {
		sum += a[i] + (i ? 0xffff : 0xffed);
		bytes[2 * i] = (uint8_t)sum;
		bytes[2 * i + 1] = (uint8_t)(sum >> 8);
		sum >>= 16;
	}
}

/* One step of the Montgomery ladder: RFC 7748 5, with its names. */
static void ladder_step(field x2, field z2, field x3, field z3, const field x1)
{
	const field a24 = { 121665 };
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
	field x1, x2 = { 1 }, z2 = { 0 }, x3, z3 = { 1 };
	uint8_t k[X25519_SIZE], bit, previous = 0;

	/* decodeScalar25519 and decodeUCoordinate */
	memcpy(k, secret, sizeof(k));
	k[0] &= 0xf8;
	k[31] = (k[31] & 0x7f) | 0x40;
	for (size_t i = 0; i < 16; i++)
		x1[i] = (uint64_t)point[2 * i + 1] << 8 | point[2 * i];
	x1[15] &= 0x7fff;
	memcpy(x3, x1, sizeof(field));
	for (int i = 254; i >= 0; i--) {
		bit = k[i / 8] >> (i % 8) & 1;
		field_swap(x2, x3, bit ^ previous);
		field_swap(z2, z3, bit ^ previous);
		previous = bit;
		ladder_step(x2, z2, x3, z3, x1);
	}
	/* no swap is due: the last bit of every scalar is 0 */
	field_invert(z2, z2);
	field_multiply(x2, x2, z2);
	field_store(shared, x2);
	return !aead_same(shared, crypto_zeros, X25519_SIZE);
}
