/* SPDX-License-Identifier: MIT */
/* The ciphers for harnesses: they read and write what they are given; their results are any bytes. */
#ifndef PROVE_AEAD_H
#define PROVE_AEAD_H

#include "tests/prove/prove.h"
#include "tls/crypto.h"

const struct aead aes128gcm, chacha20poly1305;

void aead_seal(const struct aead *aead, const uint8_t *key, const uint8_t *nonce,
	       const uint8_t *additional, size_t additional_len, uint8_t *text, size_t len)
{
	(void)aead;
	(void)key;
	/*@ assert nonce: \initialized(nonce + (0 .. 11)); */
	/*@ assert additional: \initialized(additional + (0 .. additional_len - 1)); */
	/*@ assert text: \initialized(text + (0 .. len - 1)); */
	any_bytes(text, len + AEAD_TAG_SIZE);
}

/* Whatever was encrypted. */
bool aead_open(const struct aead *aead, const uint8_t *key, const uint8_t *nonce,
	       const uint8_t *additional, size_t additional_len, uint8_t *text, size_t len)
{
	(void)aead;
	(void)key;
	/*@ assert nonce: \initialized(nonce + (0 .. 11)); */
	/*@ assert additional: \initialized(additional + (0 .. additional_len - 1)); */
	/*@ assert text: \initialized(text + (0 .. len + AEAD_TAG_SIZE - 1)); */
	any_bytes(text, len);
	return any_int(0, 1);
}

#endif
