/* SPDX-License-Identifier: MIT */
/* SHA-256, HMAC with it, and HKDF as TLS 1.3 uses it. */
#include "tls/crypto.h"

#include "proto/wire.h"

#include <assert.h>
#include <string.h>

enum { LABEL_SIZE = 100 /* of the text that HKDF hashes */ };

const uint8_t crypto_zeros[32];

static uint32_t rotate_right(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

/* FIPS 180-4 6.2.2, with the message schedule in a ring of 16 words. */
static void compress_block(struct sha256 *hash)
{
	/* FIPS 180-4 4.2.2 */
	static const uint32_t k[64] = {
		0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
		0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
		0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
		0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
		0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
		0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
		0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
		0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
		0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
		0xc67178f2,
	};
	struct wire_in in = { hash->block, SHA256_BLOCK, false };
	uint32_t w[16], s[8];

	for (size_t i = 0; i < 16; i++)
		w[i] = wire_get(&in, 4);
	memcpy(s, hash->state, sizeof(s));
	for (size_t i = 0; i < 64; i++) {
		uint32_t e = s[4], a = s[0], t, x = w[(i + 1) & 15], y = w[(i + 14) & 15];

		t = s[7] + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) +
		    ((e & s[5]) ^ (~e & s[6])) + k[i] + w[i & 15];
		s[7] = t + (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) +
		       ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
		s[3] += t;
		/* the registers move on by one */
		t = s[7];
		memmove(s + 1, s, 7 * sizeof(*s));
		s[0] = t;
		w[i & 15] += (rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3) + w[(i + 9) & 15] +
			     (rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10);
	}
	for (size_t i = 0; i < 8; i++)
		hash->state[i] += s[i];
}

void sha256_begin(struct sha256 *hash)
{
	/* FIPS 180-4 5.3.3 */
	static const uint32_t first[] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(hash->state, first, sizeof(first));
	hash->len = 0;
}

void sha256_add(struct sha256 *hash, const void *bytes, size_t len)
{
	for (const uint8_t *p = bytes; len--; p++) {
		hash->block[hash->len++ % SHA256_BLOCK] = *p;
		if (!(hash->len % SHA256_BLOCK))
			compress_block(hash);
	}
}

void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_SIZE])
{
	uint64_t bits = hash->len * 8;
	uint8_t tail = 0x80, length[8];

	do {
		sha256_add(hash, &tail, 1);
		tail = 0;
	} while (hash->len % SHA256_BLOCK != SHA256_BLOCK - sizeof(length));
	for (size_t i = 0; i < sizeof(length); i++)
		length[i] = (uint8_t)(bits >> (56 - 8 * i));
	sha256_add(hash, length, sizeof(length));
	for (size_t i = 0; i < SHA256_SIZE; i++)
		digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

/* One of the two hashes of an HMAC: over the key, padded to a block, then bytes. */
static void hash_padded(uint8_t *out, const uint8_t *key, uint8_t pad, const void *bytes,
			size_t len)
{
	struct sha256 hash;
	uint8_t block[SHA256_BLOCK];

	sha256_begin(&hash);
	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < SHA256_SIZE; i++)
		block[i] ^= key[i];
	sha256_add(&hash, block, sizeof(block));
	sha256_add(&hash, bytes, len);
	sha256_end(&hash, out);
}

void hmac(uint8_t out[SHA256_SIZE], const uint8_t key[SHA256_SIZE], const void *bytes, size_t len)
{
	uint8_t inner[SHA256_SIZE];

	hash_padded(inner, key, 0x36, bytes, len);
	hash_padded(out, key, 0x5c, inner, sizeof(inner));
}

void hkdf_label(uint8_t *out, size_t out_len, const uint8_t secret[SHA256_SIZE],
		const char *label, const uint8_t *context)
{
	uint8_t info[LABEL_SIZE], digest[SHA256_SIZE], context_len = context ? SHA256_SIZE : 0;
	struct wire_out text = { info, sizeof(info), false };
	size_t label_len = strlen(label);

	wire_put(&text, out_len, 2);
	wire_put(&text, 6 + label_len, 1);
	wire_put_bytes(&text, "tls13 ", 6);
	wire_put_bytes(&text, label, label_len);
	wire_put(&text, context_len, 1);
	wire_put_bytes(&text, context, context_len);
	wire_put(&text, 1, 1); /* the first block of HKDF-Expand (RFC 5869 2.3), and the only one */
	assert(out_len <= SHA256_SIZE && !text.bad);
	hmac(digest, secret, info, (size_t)(text.p - info));
	memcpy(out, digest, out_len);
}
