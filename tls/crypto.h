/* SPDX-License-Identifier: MIT */
/*
 * The primitives of TLS 1.3 that are supported here: hashes and X25519 for a handshake, small and
 * slow; ciphers for all records of a session. No secret decides a branch or an index.
 */
#ifndef TLS_CRYPTO_H
#define TLS_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SHA256_SIZE = 32,
	SHA256_BLOCK = 64,
	X25519_SIZE = 32,
	AEAD_KEY_MAX = 32,
	AEAD_NONCE_SIZE = 12,
	AEAD_TAG_SIZE = 16,
};

/* 32 zero bytes: an empty secret, or no point. */
extern const uint8_t crypto_zeros[32];

/* SHA-256 (FIPS 180-4), not finished. */
struct sha256 {
	uint32_t state[8];
	uint64_t len; /* bytes so far */
	uint8_t block[SHA256_BLOCK];
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *bytes, size_t len);
void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_SIZE]);

/* HMAC with SHA-256 (RFC 2104). A shorter key is padded with zeros. */
void hmac(uint8_t out[SHA256_SIZE], const uint8_t key[SHA256_SIZE], const void *bytes, size_t len);
/* HKDF-Expand-Label (RFC 8446 7.1). out_len is at most SHA256_SIZE, label a short constant; context
 * is a digest, or NULL for an empty one. */
void hkdf_label(uint8_t *out, size_t out_len, const uint8_t secret[SHA256_SIZE],
		const char *label, const uint8_t *context);

/* X25519 (RFC 7748): the secret that both ends share, from 32 random bytes and the other end's
 * public key, which is the same for the point 9. Returns false if that gives zero: 6.1. */
bool x25519(uint8_t shared[X25519_SIZE], const uint8_t secret[X25519_SIZE],
	    const uint8_t point[X25519_SIZE]);

/* A cipher: a key stream, and a tag over the additional data and the ciphertext. */
struct aead {
	uint8_t key_size;
	uint8_t first_block; /* the number of the one of the key stream that the text begins with */
	/* Adds the key stream from block number on. */
	void (*crypt)(const uint8_t *key, const uint8_t *nonce, uint32_t number, uint8_t *text,
		      size_t len);
	void (*make_tag)(uint8_t *tag, const uint8_t *key, const uint8_t *nonce,
			 const uint8_t *additional, size_t additional_len, const uint8_t *text,
			 size_t len);
};

extern const struct aead chacha20poly1305; /* RFC 8439 2.8 */
/* FIPS 197, SP 800-38D: RFC 5116 5.1. Only for a processor with instructions for both of its parts,
 * which aes_is_there() tells. */
extern const struct aead aes128gcm;
bool aes_is_there(void);

/* Encrypts text in place and writes the tag behind it: text has room for len + AEAD_TAG_SIZE. */
void aead_seal(const struct aead *aead, const uint8_t *key, const uint8_t *nonce,
	       const uint8_t *additional, size_t additional_len, uint8_t *text, size_t len);
/* Decrypts text in place if the tag behind it is right, else leaves it and returns false. */
bool aead_open(const struct aead *aead, const uint8_t *key, const uint8_t *nonce,
	       const uint8_t *additional, size_t additional_len, uint8_t *text, size_t len);
/* Whether the bytes are equal, in a time that does not depend on them. */
bool aead_same(const uint8_t *a, const uint8_t *b, size_t len);

#endif
