/* SPDX-License-Identifier: MIT */
/* What ciphers with a tag have in common. */
#include "tls/crypto.h"

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
	aead->crypt(key, nonce, aead->first_block, text, len);
	aead->make_tag(text + len, key, nonce, additional, additional_len, text, len);
}

bool aead_open(const struct aead *aead, const uint8_t *key, const uint8_t *nonce,
	       const uint8_t *additional, size_t additional_len, uint8_t *text, size_t len)
{
	uint8_t tag[AEAD_TAG_SIZE];

	aead->make_tag(tag, key, nonce, additional, additional_len, text, len);
	if (!aead_same(tag, text + len, sizeof(tag)))
		return false;
	aead->crypt(key, nonce, aead->first_block, text, len);
	return true;
}
