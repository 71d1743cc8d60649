/* SPDX-License-Identifier: MIT */
/* The two ciphers of TLS 1.3 that are supported here, for the few records of a handshake. */
#ifndef TLS_AEAD_H
#define TLS_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AEAD_KEY_MAX = 32, AEAD_NONCE_SIZE = 12, AEAD_TAG_SIZE = 16 };

/* Both are a key stream, with which crypt encrypts and decrypts in place, and a tag over the
 * additional data and the ciphertext. */
struct aead {
	uint8_t key_size;
	void (*crypt)(const uint8_t *key, const uint8_t nonce[AEAD_NONCE_SIZE], uint8_t *text,
		      size_t len);
	void (*make_tag)(const uint8_t *key, const uint8_t nonce[AEAD_NONCE_SIZE],
			 const uint8_t *additional, size_t additional_len, const uint8_t *text,
			 size_t len, uint8_t tag[AEAD_TAG_SIZE]);
};

extern const struct aead aes128gcm;	   /* FIPS 197, SP 800-38D: RFC 5116 5.1 */
extern const struct aead chacha20poly1305; /* RFC 8439 2.8 */

/* Encrypts text in place and writes the tag behind it: text has room for len + AEAD_TAG_SIZE. */
void aead_seal(const struct aead *aead, const uint8_t *key, const uint8_t nonce[AEAD_NONCE_SIZE],
	       const uint8_t *additional, size_t additional_len, uint8_t *text, size_t len);
/* Decrypts text in place if the tag behind it is right, else leaves it and returns false. */
bool aead_open(const struct aead *aead, const uint8_t *key, const uint8_t nonce[AEAD_NONCE_SIZE],
	       const uint8_t *additional, size_t additional_len, uint8_t *text, size_t len);
/* Whether the bytes are equal, in a time that does not depend on them. */
bool aead_same(const uint8_t *a, const uint8_t *b, size_t len);

#endif
