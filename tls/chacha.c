/* SPDX-License-Identifier: MIT */
/*
 * ChaCha20-Poly1305. Sections are those of RFC 8439. A session's data goes through it where the
 * kernel has no TLS, so it is written for speed, with products of 32 bits by 32: small processors
 * have these.
 */
#include "tls/crypto.h"

#include <endian.h>
#include <string.h>

enum { BLOCK = 16 /* of Poly1305 */, CHACHA_BLOCK = 64, DIGIT = 26, DIGIT_MASK = (1 << DIGIT) - 1 };

static uint32_t get32(const uint8_t *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return le32toh(n);
}

static void put32(uint8_t *p, uint32_t n)
{
	n = htole32(n);
	memcpy(p, &n, sizeof(n));
}

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

/* 2.1; a call of a function for each would take twice the time. */
static inline __attribute__((always_inline)) void
quarter_round(uint32_t *x, size_t a, size_t b, size_t c, size_t d)
{
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 7);
}

/* 2.3: a block of the key stream, in words. */
static void make_block(uint32_t *x, const uint32_t *first)
{
	memcpy(x, first, CHACHA_BLOCK);
	for (unsigned i = 0; i < 10; i++) {
		quarter_round(x, 0, 4, 8, 12);
		quarter_round(x, 1, 5, 9, 13);
		quarter_round(x, 2, 6, 10, 14);
		quarter_round(x, 3, 7, 11, 15);
		quarter_round(x, 0, 5, 10, 15);
		quarter_round(x, 1, 6, 11, 12);
		quarter_round(x, 2, 7, 8, 13);
		quarter_round(x, 3, 4, 9, 14);
	}
	for (size_t i = 0; i < CHACHA_BLOCK / 4; i++)
		x[i] = htole32(x[i] + first[i]);
}

/* 2.4 */
static void chacha20_crypt(const uint8_t *key, const uint8_t *nonce, uint32_t number, uint8_t *text,
			   size_t len)
{
	uint32_t first[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, x[16], word;

	for (size_t i = 0; i < 8; i++)
		first[4 + i] = get32(key + 4 * i);
	for (size_t i = 0; i < 3; i++)
		first[13 + i] = get32(nonce + 4 * i);
	first[12] = number;
	for (; len >= CHACHA_BLOCK; len -= CHACHA_BLOCK, first[12]++) {
		make_block(x, first);
		for (size_t i = 0; i < 16; i++, text += sizeof(word)) {
			memcpy(&word, text, sizeof(word));
			word ^= x[i];
			memcpy(text, &word, sizeof(word));
		}
	}
	if (len)
		make_block(x, first);
	for (size_t i = 0; i < len; i++)
		text[i] ^= ((uint8_t *)x)[i];
}

/* A sum modulo p = 2^130 - 5, and what it is multiplied by: 5 digits of 26 bits, the least
 * significant first. */
struct poly1305 {
	uint32_t h[5], r[5];
};

/* The 17 bytes of a block with a 1 behind it, or 0, as digits. */
static void load_digits(uint32_t *digits, const uint8_t *block, uint32_t behind)
{
	digits[0] = get32(block) & DIGIT_MASK;
	digits[1] = get32(block + 3) >> 2 & DIGIT_MASK;
	digits[2] = get32(block + 6) >> 4 & DIGIT_MASK;
	digits[3] = get32(block + 9) >> 6;
	digits[4] = get32(block + 12) >> 8 | behind << 24;
}

static inline uint64_t multiply(uint32_t a, uint32_t b)
{
	return (uint64_t)a * b;
}

/*
 * 2.5.1: h = (h + block) * r for each block; their length is a multiple of BLOCK. The digits of h
 * are below 2^26, but the second is up to 2^11 above, so each sum is below 2^28, and five products
 * with r or 5 r are below 2^59.
 */
static void poly1305_blocks(struct poly1305 *poly, const uint8_t *bytes, size_t len)
{
	const uint32_t r0 = poly->r[0], r1 = poly->r[1], r2 = poly->r[2], r3 = poly->r[3],
		       r4 = poly->r[4];
	/* 2^130 is 5 modulo p */
	const uint32_t s1 = 5 * r1, s2 = 5 * r2, s3 = 5 * r3, s4 = 5 * r4;
	uint32_t h0 = poly->h[0], h1 = poly->h[1], h2 = poly->h[2], h3 = poly->h[3],
		 h4 = poly->h[4];

	for (; len; bytes += BLOCK, len -= BLOCK) {
		uint32_t m[5];
		uint64_t d0, d1, d2, d3, d4;

		load_digits(m, bytes, 1);
		h0 += m[0];
		h1 += m[1];
		h2 += m[2];
		h3 += m[3];
		h4 += m[4];
		d0 = multiply(h0, r0) + multiply(h1, s4) + multiply(h2, s3) + multiply(h3, s2) +
		     multiply(h4, s1);
		d1 = multiply(h0, r1) + multiply(h1, r0) + multiply(h2, s4) + multiply(h3, s3) +
		     multiply(h4, s2) + (d0 >> DIGIT);
		d2 = multiply(h0, r2) + multiply(h1, r1) + multiply(h2, r0) + multiply(h3, s4) +
		     multiply(h4, s3) + (d1 >> DIGIT);
		d3 = multiply(h0, r3) + multiply(h1, r2) + multiply(h2, r1) + multiply(h3, r0) +
		     multiply(h4, s4) + (d2 >> DIGIT);
		d4 = multiply(h0, r4) + multiply(h1, r3) + multiply(h2, r2) + multiply(h3, r1) +
		     multiply(h4, r0) + (d3 >> DIGIT);
		d0 = (d0 & DIGIT_MASK) + 5 * (d4 >> DIGIT);
		h0 = (uint32_t)d0 & DIGIT_MASK;
		h1 = ((uint32_t)d1 & DIGIT_MASK) + (uint32_t)(d0 >> DIGIT);
		h2 = (uint32_t)d2 & DIGIT_MASK;
		h3 = (uint32_t)d3 & DIGIT_MASK;
		h4 = (uint32_t)d4 & DIGIT_MASK;
	}
	poly->h[0] = h0;
	poly->h[1] = h1;
	poly->h[2] = h2;
	poly->h[3] = h3;
	poly->h[4] = h4;
}

/* 2.8: padded with zeros to whole blocks. */
static void poly1305_add(struct poly1305 *poly, const uint8_t *bytes, size_t len)
{
	uint8_t last[BLOCK] = { 0 };
	size_t rest = len % BLOCK;

	poly1305_blocks(poly, bytes, len - rest);
	memcpy(last, bytes + len - rest, rest);
	poly1305_blocks(poly, last, rest ? BLOCK : 0);
}

/* 2.5.1: the tag is h modulo p, plus s, modulo 2^128. */
static void poly1305_end(uint32_t *h, const uint8_t *s, uint8_t *tag)
{
	uint64_t sum;

	/* h + 5 reaches 2^130 exactly if h is not below p; that carry makes it h - p + 5 */
	h[0] += 5;
	for (size_t i = 0; i < 4; i++) {
		h[i + 1] += h[i] >> DIGIT;
		h[i] &= DIGIT_MASK;
	}
	sum = h[0] + 5 * (h[4] >> DIGIT);
	/* - 5, as + 2^128 - 5 */
	for (size_t i = 0; i < 4; i++) {
		sum += ((uint64_t)h[i + 1] << (DIGIT - 6 * i)) + get32(s + 4 * i);
		sum += i ? 0xffffffff : 0xfffffffb;
		put32(tag + 4 * i, (uint32_t)sum);
		sum >>= 32;
	}
}

/* 2.8 */
static void chacha20_tag(uint8_t *tag, const uint8_t *key, const uint8_t *nonce,
			 const uint8_t *additional, size_t additional_len, const uint8_t *text,
			 size_t len)
{
	struct poly1305 poly = { 0 };
	uint8_t one_time[2 * BLOCK] = { 0 }, lengths[BLOCK] = { 0 };

	chacha20_crypt(key, nonce, 0, one_time, sizeof(one_time)); /* 2.6 */
	for (size_t i = 0; i < BLOCK; i++)
		one_time[i] &= i % 4 == 3 ? 0x0f : i && i % 4 == 0 ? 0xfc : 0xff;
	load_digits(poly.r, one_time, 0);
	poly1305_add(&poly, additional, additional_len);
	poly1305_add(&poly, text, len);
	put32(lengths, (uint32_t)additional_len);
	put32(lengths + 8, (uint32_t)len);
	poly1305_add(&poly, lengths, sizeof(lengths));
	poly1305_end(poly.h, one_time + BLOCK, tag);
}

const struct aead chacha20poly1305 = { 32, 1, chacha20_crypt, chacha20_tag };
