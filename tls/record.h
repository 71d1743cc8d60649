/* SPDX-License-Identifier: MIT */
/*
 * Records of TLS 1.3 that are encrypted (RFC 8446 5.2), in place. record_*: bytes in, bytes out, no
 * I/O, no allocation. No secret decides a branch or an index, but the length of a record's padding
 * is one of the loop that strips it.
 */
#ifndef TLS_RECORD_H
#define TLS_RECORD_H

#include "tls/crypto.h"

enum {
	/* what a record holds: B.1 */
	TLS_CHANGE_CIPHER_SPEC = 20,
	TLS_ALERT = 21,
	TLS_HANDSHAKE = 22,
	TLS_APPLICATION_DATA = 23,

	TLS_HEADER_SIZE = 5,		      /* of a record */
	RECORD_TEXT_MAX = 1 << 14,	      /* 5.1 */
	RECORD_TAIL_SIZE = 1 + AEAD_TAG_SIZE, /* behind the text: its type, and the tag */
	RECORD_MAX = TLS_HEADER_SIZE + RECORD_TEXT_MAX + RECORD_TAIL_SIZE,
};

/* The protection of one direction. Its owner wipes it with explicit_bzero(3). */
struct tls_cipher {
	const struct aead *aead;
	uint8_t secret[SHA256_SIZE]; /* the traffic secret, which the others are made of */
	uint8_t key[AEAD_KEY_MAX];
	uint8_t iv[AEAD_NONCE_SIZE];
	uint64_t sequence; /* of the next record, 5.3 */
};

/*
 * The size of the encrypted record that begins with these bytes, at most RECORD_MAX, whether all of
 * it is there or not. Returns 0 if its header is not there yet, and -EBADMSG if it is none, or is
 * too short or too long.
 */
int record_size(const uint8_t *bytes, size_t len);

/*
 * Encrypts len bytes, at most RECORD_TEXT_MAX, behind TLS_HEADER_SIZE bytes for the header; behind
 * them is room for RECORD_TAIL_SIZE. Returns the record's size. -EKEYEXPIRED: all numbers of
 * records are used, or the cipher is wiped. 5.5's limit of AES-128-GCM is not kept: SECURITY.md.
 */
int record_seal(struct tls_cipher *cipher, uint8_t type, uint8_t *record, size_t len);

/*
 * Decrypts a whole record of len bytes. Returns the length of its text, which begins behind the
 * header, and its type: TLS_ALERT, TLS_HANDSHAKE or TLS_APPLICATION_DATA, of which only the last
 * may be empty. -EBADMSG: it is malformed, forged or out of its order. Then the connection has to
 * end (5.2), and the cipher is wiped, so that nothing more is decrypted.
 */
int record_open(struct tls_cipher *cipher, uint8_t *record, size_t len, uint8_t *type);

#endif
