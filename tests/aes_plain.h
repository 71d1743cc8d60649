/* SPDX-License-Identifier: MIT */
/* AES-128-GCM as its standards lay it out, bit by bit: for comparison with tls/aes.c, which wants
 * instructions of the processor. */
#ifndef TESTS_AES_PLAIN_H
#define TESTS_AES_PLAIN_H

#include "tls/crypto.h"

#include <string.h>

enum { BLOCK = 16 /* of AES and GHASH */, AES_ROUNDS = 10 };

static void xor_bytes(uint8_t *to, const uint8_t *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] ^= from[i];
}

/* FIPS 197 4.2: a * b in the field of 256 elements, modulo x^8 + x^4 + x^3 + x + 1 */
static uint8_t field_multiply8(uint8_t a, uint8_t b)
{
	uint8_t r = 0;

	for (size_t i = 0; i < 8; i++) {
		r ^= (uint8_t)(a & (0 - (b & 1)));
		a = (uint8_t)(a << 1 ^ (0x1b & (0 - (a >> 7))));
		b >>= 1;
	}
	return r;
}

/* FIPS 197 5.1.1, computed without a table: 1/a, which is a^254, then the affine map. */
static uint8_t substitute_byte(uint8_t a)
{
	uint8_t r = 1, s;

	for (size_t i = 0; i < 7; i++) {
		a = field_multiply8(a, a);
		r = field_multiply8(r, a);
	}
	s = r ^ 0x63;
	for (size_t i = 1; i < 5; i++)
		s ^= (uint8_t)(r << i | r >> (8 - i));
	return s;
}

/* FIPS 197 5.2: the next round's key from this one's. */
static void next_key(uint8_t key[BLOCK], uint8_t round_constant)
{
	for (size_t i = 0; i < 4; i++)
		key[i] ^= substitute_byte(key[12 + (i + 1) % 4]);
	key[0] ^= round_constant;
	for (size_t i = 4; i < BLOCK; i++)
		key[i] ^= key[i - 4];
}

/* FIPS 197 5.1 */
static void encrypt_block(const uint8_t *cipher_key, uint8_t block[BLOCK])
{
	uint8_t key[BLOCK], moved[BLOCK], round_constant = 1;

	memcpy(key, cipher_key, sizeof(key));
	xor_bytes(block, key, BLOCK);
	for (unsigned round = 1; round <= AES_ROUNDS; round++) {
		/* bytes substituted, rows shifted */
		for (size_t i = 0; i < BLOCK; i++)
			moved[i] = substitute_byte(block[(i + 4 * (i % 4)) % BLOCK]);
		for (size_t i = 0; i < BLOCK; i++) {
			const uint8_t *column = moved + i / 4 * 4;
			uint8_t a = column[i % 4], b = column[(i + 1) % 4];

			block[i] = a;
			if (round < AES_ROUNDS) /* 2 a + 3 b + c + d */
				block[i] = field_multiply8(2, a ^ b) ^ b ^ column[(i + 2) % 4] ^
					   column[(i + 3) % 4];
		}
		next_key(key, round_constant);
		xor_bytes(block, key, BLOCK);
		round_constant = field_multiply8(2, round_constant);
	}
}

/* SP 800-38D 6.3: y *= h. The first bit of a block is the lowest power. */
static void ghash_multiply(uint8_t y[BLOCK], const uint8_t h[BLOCK])
{
	uint8_t r[BLOCK] = { 0 }, v[BLOCK];

	memcpy(v, h, sizeof(v));
	for (unsigned i = 0; i < 8 * BLOCK; i++) {
		uint8_t bit = (uint8_t)(0 - (y[i / 8] >> (7 - i % 8) & 1)), carry = 0;

		for (size_t j = 0; j < BLOCK; j++) {
			uint8_t out = v[j] & 1;

			r[j] ^= v[j] & bit;
			v[j] = (uint8_t)(v[j] >> 1 | carry << 7);
			carry = out;
		}
		v[0] ^= (uint8_t)(0xe1 & (0 - carry));
	}
	memcpy(y, r, sizeof(r));
}

/* SP 800-38D 6.4: adds bytes, padded with zeros to whole blocks. */
static void ghash_add(uint8_t y[BLOCK], const uint8_t h[BLOCK], const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += BLOCK) {
		xor_bytes(y, bytes + i, len - i < BLOCK ? len - i : BLOCK);
		ghash_multiply(y, h);
	}
}

static void aes_block(uint8_t *block, const uint8_t *key, const uint8_t *nonce, uint32_t number)
{
	memcpy(block, nonce, AEAD_NONCE_SIZE);
	for (size_t i = 0; i < 4; i++)
		block[AEAD_NONCE_SIZE + i] = (uint8_t)(number >> (24 - 8 * i));
	encrypt_block(key, block);
}

static void aes_tag(uint8_t *tag, const uint8_t *key, const uint8_t *nonce,
		    const uint8_t *additional, size_t additional_len, const uint8_t *text,
		    size_t len)
{
	uint8_t h[BLOCK] = { 0 }, lengths[BLOCK] = { 0 }, first[BLOCK];

	encrypt_block(key, h);
	memset(tag, 0, BLOCK);
	ghash_add(tag, h, additional, additional_len);
	ghash_add(tag, h, text, len);
	/* the lengths are in bits */
	for (size_t i = 0; i < 4; i++) {
		lengths[7 - i] = (uint8_t)(additional_len * 8 >> (8 * i));
		lengths[15 - i] = (uint8_t)(len * 8 >> (8 * i));
	}
	ghash_add(tag, h, lengths, sizeof(lengths));
	aes_block(first, key, nonce, 1);
	xor_bytes(tag, first, BLOCK);
}

static void aes_crypt(const uint8_t *key, const uint8_t *nonce, uint32_t number, uint8_t *text,
		      size_t len)
{
	uint8_t block[BLOCK];

	for (size_t i = 0; i < len; i += BLOCK) {
		aes_block(block, key, nonce, number++);
		xor_bytes(text + i, block, len - i < BLOCK ? len - i : BLOCK);
	}
}

static const struct aead aes_plain = { 16, 2, aes_crypt, aes_tag };

#endif
