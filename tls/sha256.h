/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4, RFC 6234), HMAC with it (RFC 2104), and HKDF as TLS 1.3 uses it. */
#ifndef TLS_SHA256_H
#define TLS_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32, SHA256_BLOCK = 64 };

/* A hash that is not finished; a copy goes on by itself. */
struct sha256 {
	uint32_t state[8];
	uint64_t len; /* bytes so far */
	uint8_t block[SHA256_BLOCK];
};

void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *bytes, size_t len);
void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_SIZE]);

/* out may be the same memory as key or bytes. A key may have any length: RFC 2104. */
void hmac(uint8_t out[SHA256_SIZE], const uint8_t *key, size_t key_len, const void *bytes,
	  size_t len);
/*
 * HKDF-Expand-Label (RFC 8446 7.1). out_len is at most SHA256_SIZE, label at most 249 characters;
 * context is a digest, or NULL for an empty one.
 */
void hkdf_label(uint8_t *out, size_t out_len, const uint8_t secret[SHA256_SIZE],
		const char *label, const uint8_t *context);

#endif
