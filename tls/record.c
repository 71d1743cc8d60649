/* SPDX-License-Identifier: MIT */
/* Records of TLS 1.3 that are encrypted; sections are those of RFC 8446. */
#include "tls/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* 5.3 */
static void next_nonce(struct tls_cipher *cipher, uint8_t nonce[AEAD_NONCE_SIZE])
{
	memcpy(nonce, cipher->iv, AEAD_NONCE_SIZE);
	for (unsigned i = 0; i < 8; i++)
		nonce[AEAD_NONCE_SIZE - 1 - i] ^= (uint8_t)(cipher->sequence >> (8 * i));
	cipher->sequence++;
}

int record_size(const uint8_t *bytes, size_t len)
{
	int body;

	if (len < TLS_HEADER_SIZE)
		return 0;
	/* the version means nothing: 5.1 */
	body = bytes[3] << 8 | bytes[4];
	if (bytes[0] != TLS_APPLICATION_DATA || body < RECORD_TAIL_SIZE ||
	    body > RECORD_TEXT_MAX + RECORD_TAIL_SIZE)
		return -EBADMSG;
	return TLS_HEADER_SIZE + body;
}

int record_seal(struct tls_cipher *cipher, uint8_t type, uint8_t *record, size_t len)
{
	uint8_t nonce[AEAD_NONCE_SIZE], *text = record + TLS_HEADER_SIZE;
	size_t body = len + RECORD_TAIL_SIZE;

	assert(len <= RECORD_TEXT_MAX);
	if (!cipher->aead || cipher->sequence == UINT64_MAX)
		return -EKEYEXPIRED;
	record[0] = TLS_APPLICATION_DATA;
	record[1] = record[2] = 3; /* 1.2, 5.2 */
	record[3] = (uint8_t)(body >> 8);
	record[4] = (uint8_t)body;
	text[len] = type;
	next_nonce(cipher, nonce);
	aead_seal(cipher->aead, cipher->key, nonce, record, TLS_HEADER_SIZE, text, len + 1);
	return (int)(TLS_HEADER_SIZE + body);
}

/* Returns the length of the text with its type behind it, or 0. */
static size_t decrypt_record(struct tls_cipher *cipher, uint8_t *record, size_t len)
{
	uint8_t nonce[AEAD_NONCE_SIZE], *text;
	int size = record_size(record, len);

	if (size <= 0 || (size_t)size != len || !cipher->aead || cipher->sequence == UINT64_MAX)
		return 0;
	text = record + TLS_HEADER_SIZE;
	len -= TLS_HEADER_SIZE + AEAD_TAG_SIZE;
	next_nonce(cipher, nonce);
	if (!aead_open(cipher->aead, cipher->key, nonce, record, TLS_HEADER_SIZE, text, len))
		return 0;
	while (len && !text[len - 1])
		len--; /* padding, 5.4 */
	return len;
}

int record_open(struct tls_cipher *cipher, uint8_t *record, size_t len, uint8_t *type)
{
	size_t n = decrypt_record(cipher, record, len);

	*type = n ? record[TLS_HEADER_SIZE + n - 1] : 0;
	/* 5.1: others than data are not empty */
	if (*type == TLS_APPLICATION_DATA ||
	    (n > 1 && (*type == TLS_ALERT || *type == TLS_HANDSHAKE)))
		return (int)n - 1;
	explicit_bzero(cipher, sizeof(*cipher));
	return -EBADMSG;
}
