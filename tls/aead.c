/* SPDX-License-Identifier: MIT */
/* AES-128-GCM and ChaCha20-Poly1305. */
#include "tls/crypto.h"

#include <string.h>

enum { BLOCK = 16 /* of AES, GHASH and Poly1305 */, AES_ROUNDS = 10, CHACHA_BLOCK = 64 };

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

const struct aead aes128gcm = { 16, BLOCK, 2, aes_block, aes_tag };

/* A quarter of RFC 8439 2.1: a += b; d ^= a; d <<<= n */
static void add_xor_rotate(uint32_t *a, uint32_t b, uint32_t *d, unsigned n)
{
	*a += b;
	*d ^= *a;
	*d = *d << n | *d >> (32 - n);
}

/* RFC 8439 2.3: one block of the key stream. */
static void chacha20_block(uint8_t *block, const uint8_t *key, const uint8_t *nonce,
			   uint32_t number)
{
	uint32_t first[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, x[16];

	for (size_t i = 0; i < 32; i++)
		first[4 + i / 4] |= (uint32_t)key[i] << (8 * (i % 4));
	first[12] = number;
	for (size_t i = 0; i < AEAD_NONCE_SIZE; i++)
		first[13 + i / 4] |= (uint32_t)nonce[i] << (8 * (i % 4));
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
	for (size_t i = 0; i < CHACHA_BLOCK; i++)
		block[i] = (uint8_t)((x[i / 4] + first[i / 4]) >> (8 * (i % 4)));
}

/*
 * A sum modulo p = 2^130 - 5, and what it is multiplied by. 17 digits, the least significant first;
 * each has 8 bits and the last one 2, only the sum's first may be up to 5 above that.
 */
struct poly1305 {
	uint32_t h[17], r[17];
};

/* 2^130 is 5 modulo p. */
static void poly1305_carry(uint32_t *h)
{
	for (size_t i = 0; i < 16; i++) {
		h[i + 1] += h[i] >> 8;
		h[i] &= 0xff;
	}
	h[0] += 5 * (h[16] >> 2);
	h[16] &= 3;
}

/* h = (h + block) * r; the block has a 1 behind it. */
static void poly1305_block(struct poly1305 *poly, const uint8_t *block)
{
	uint32_t sum[17];

	for (size_t i = 0; i < 17; i++)
		sum[i] = poly->h[i] + (i < BLOCK ? block[i] : 1);
	memset(poly->h, 0, sizeof(poly->h));
	/* 2^136 is 320 modulo p; the digits stay below 2^30 */
	for (size_t i = 0; i < 17; i++)
		for (size_t j = 0; j < 17; j++) {
			uint32_t r = j <= i ? poly->r[i - j] : 320 * poly->r[17 + i - j];

			poly->h[i] += sum[j] * r;
		}
	poly1305_carry(poly->h);
	poly1305_carry(poly->h);
}

/* Padded with zeros to whole blocks, RFC 8439 2.8. */
static void poly1305_add(struct poly1305 *poly, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += BLOCK) {
		uint8_t block[BLOCK] = { 0 };

		memcpy(block, bytes + i, len - i < BLOCK ? len - i : BLOCK);
		poly1305_block(poly, block);
	}
}

/* The tag is h modulo p, plus s, modulo 2^128. */
static void poly1305_end(uint32_t *h, const uint8_t *s, uint8_t *tag)
{
	uint32_t sum = 0;

	/* h + 5 reaches 2^130 exactly if h is not below p; that carry makes it h - p + 5 */
	h[0] += 5;
	poly1305_carry(h);
	/* - 5, as + 2^128 - 5 */
	for (size_t i = 0; i < AEAD_TAG_SIZE; i++) {
		sum += h[i] + s[i] + (i ? 0xff : 0xfb);
		tag[i] = (uint8_t)sum;
		sum >>= 8;
	}
}

static void chacha20_tag(uint8_t *tag, const uint8_t *key, const uint8_t *nonce,
			 const uint8_t *additional, size_t additional_len, const uint8_t *text,
			 size_t len)
{
	struct poly1305 poly = { 0 };
	uint8_t one_time[CHACHA_BLOCK], lengths[BLOCK] = { 0 };

	chacha20_block(one_time, key, nonce, 0);
	for (size_t i = 0; i < BLOCK; i++)
		poly.r[i] = one_time[i] & (i % 4 == 3 ? 0x0f : i && i % 4 == 0 ? 0xfc : 0xff);
	poly1305_add(&poly, additional, additional_len);
	poly1305_add(&poly, text, len);
	for (size_t i = 0; i < 4; i++) {
		lengths[i] = (uint8_t)(additional_len >> (8 * i));
		lengths[8 + i] = (uint8_t)(len >> (8 * i));
	}
	poly1305_add(&poly, lengths, sizeof(lengths));
	poly1305_end(poly.h, one_time + BLOCK, tag);
}

const struct aead chacha20poly1305 = { 32, CHACHA_BLOCK, 1, chacha20_block, chacha20_tag };

/* Encrypts or decrypts. */
static void crypt_text(const struct aead *aead, const uint8_t *key, const uint8_t *nonce,
		       uint8_t *text, size_t len)
{
	uint8_t block[CHACHA_BLOCK];
	uint32_t number = aead->first_block;

	for (size_t i = 0; i < len; i += aead->block_size) {
		aead->make_block(block, key, nonce, number++);
		xor_bytes(text + i, block, len - i < aead->block_size ? len - i : aead->block_size);
	}
}

bool aead_same(const uint8_t *a, const uint8_t *b, size_t len)
{
	uint8_t other = 0;

	while (len--)
		other |= a[len] ^ b[len];
	return !other;
}

void aead_seal(const struct aead *aead, const uint8_t *key, const uint8_t *nonce,
	       const uint8_t *additional, size_t additional_len, uint8_t *text, size_t len)
{
	crypt_text(aead, key, nonce, text, len);
	aead->make_tag(text + len, key, nonce, additional, additional_len, text, len);
}

bool aead_open(const struct aead *aead, const uint8_t *key, const uint8_t *nonce,
	       const uint8_t *additional, size_t additional_len, uint8_t *text, size_t len)
{
	uint8_t tag[AEAD_TAG_SIZE];

	aead->make_tag(tag, key, nonce, additional, additional_len, text, len);
	if (!aead_same(tag, text + len, sizeof(tag)))
		return false;
	crypt_text(aead, key, nonce, text, len);
	return true;
}
