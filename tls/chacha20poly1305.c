/* SPDX-License-Identifier: MIT */
/* ChaCha20-Poly1305 (RFC 8439). No secret decides a branch or an index. */
#include "tls/aead.h"

#include "proto/wire.h"

#include <string.h>

struct poly1305 {
	uint32_t r[4], h[5]; /* the least significant word first; h is below 2^131 */
};

/* A quarter of RFC 8439 2.1: a += b; d ^= a; d <<<= n */
static void add_xor_rotate(uint32_t *a, uint32_t b, uint32_t *d, unsigned n)
{
	*a += b;
	*d ^= *a;
	*d = *d << n | *d >> (32 - n);
}

/* RFC 8439 2.3: one block of the key stream. */
static void chacha20_block(uint8_t out[64], const uint8_t *key, const uint8_t *nonce,
			   uint32_t number)
{
	uint32_t first[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, x[16];

	for (size_t i = 0; i < 8; i++)
		first[4 + i] = wire_load_le32(key + 4 * i);
	first[12] = number;
	for (size_t i = 0; i < 3; i++)
		first[13 + i] = wire_load_le32(nonce + 4 * i);
	memcpy(x, first, sizeof(x));
	/* four columns, then four diagonals, ten times */
	for (size_t i = 0; i < 80; i++) {
		unsigned turn = i & 4 ? 1 : 0, n = i & 3;
		uint32_t *a = x + n, *b = x + 4 + ((n + turn) & 3),
			 *c = x + 8 + ((n + 2 * turn) & 3), *d = x + 12 + ((n + 3 * turn) & 3);

		add_xor_rotate(a, *b, d, 16);
		add_xor_rotate(c, *d, b, 12);
		add_xor_rotate(a, *b, d, 8);
		add_xor_rotate(c, *d, b, 7);
	}
	for (size_t i = 0; i < 16; i++)
		wire_store_le32(out + 4 * i, x[i] + first[i]);
}

static void chacha20_crypt(const uint8_t *key, const uint8_t *nonce, uint8_t *text, size_t len)
{
	uint8_t block[64];

	for (size_t i = 0; i < len; i++) {
		if (i % sizeof(block) == 0)
			chacha20_block(block, key, nonce, (uint32_t)(1 + i / sizeof(block)));
		text[i] ^= block[i % sizeof(block)];
	}
}

/* h = (h + block) * r modulo 2^130 - 5, for a block of 16 bytes. */
static void poly1305_block(struct poly1305 *poly, const uint8_t *block)
{
	uint32_t t[10] = { 0 };
	uint64_t carry = 0;

	for (size_t i = 0; i < 5; i++) {
		carry += (uint64_t)poly->h[i] + (i < 4 ? wire_load_le32(block + 4 * i) : 1);
		poly->h[i] = (uint32_t)carry;
		carry >>= 32;
	}
	for (size_t i = 0; i < 5; i++) {
		carry = 0;
		for (size_t j = 0; j < 4; j++) {
			carry += (uint64_t)poly->h[i] * poly->r[j] + t[i + j];
			t[i + j] = (uint32_t)carry;
			carry >>= 32;
		}
		t[i + 4] = (uint32_t)carry;
	}
	/* bits above 2^130 are added again, times 5 */
	carry = 0;
	for (size_t i = 0; i < 5; i++) {
		carry += (uint64_t)(t[i + 4] >> 2 | t[i + 5] << 30) * 5 + (i < 4 ? t[i] : t[i] & 3);
		poly->h[i] = (uint32_t)carry;
		carry >>= 32;
	}
}

/* Padded with zeros to whole blocks, RFC 8439 2.8. */
static void poly1305_add(struct poly1305 *poly, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += 16) {
		uint8_t block[16] = { 0 };

		memcpy(block, bytes + i, len - i < 16 ? len - i : 16);
		poly1305_block(poly, block);
	}
}

/* The tag is h modulo 2^130 - 5, plus s, modulo 2^128. */
static void poly1305_end(struct poly1305 *poly, const uint8_t *s, uint8_t tag[AEAD_TAG_SIZE])
{
	uint64_t carry = 5 * (uint64_t)(poly->h[4] >> 2);
	uint32_t g[5], more;

	poly->h[4] &= 3;
	for (size_t i = 0; i < 5; i++) {
		carry += poly->h[i];
		poly->h[i] = (uint32_t)carry;
		carry >>= 32;
	}
	/* h + 5 reaches 2^130 exactly if h is not below 2^130 - 5 */
	carry = 5;
	for (size_t i = 0; i < 5; i++) {
		carry += poly->h[i];
		g[i] = (uint32_t)carry;
		carry >>= 32;
	}
	more = 0 - (g[4] >> 2);
	carry = 0;
	for (size_t i = 0; i < 4; i++) {
		carry += (poly->h[i] & ~more) | (g[i] & more);
		carry += wire_load_le32(s + 4 * i);
		wire_store_le32(tag + 4 * i, (uint32_t)carry);
		carry >>= 32;
	}
}

static void chacha20poly1305_tag(const uint8_t *key, const uint8_t *nonce,
				 const uint8_t *additional, size_t additional_len,
				 const uint8_t *text, size_t len, uint8_t *tag)
{
	struct poly1305 poly = { 0 };
	uint8_t one_time[64], lengths[16] = { 0 };

	chacha20_block(one_time, key, nonce, 0);
	for (size_t i = 0; i < 4; i++)
		poly.r[i] = wire_load_le32(one_time + 4 * i) & (i ? 0x0ffffffc : 0x0fffffff);
	poly1305_add(&poly, additional, additional_len);
	poly1305_add(&poly, text, len);
	wire_store_le32(lengths, (uint32_t)additional_len);
	wire_store_le32(lengths + 8, (uint32_t)len);
	poly1305_add(&poly, lengths, sizeof(lengths));
	poly1305_end(&poly, one_time + 16, tag);
}

const struct aead chacha20poly1305 = { 32, chacha20_crypt, chacha20poly1305_tag };
