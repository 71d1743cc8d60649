/* SPDX-License-Identifier: MIT */
/*
 * The handshake of TLS 1.3 (RFC 8446) with an external pre-shared key: psk_dhe_ke with X25519, and
 * nothing else. Bytes in, bytes out: no I/O, no allocation. It is strict: every message is whole in
 * one record; there is no certificate, no HelloRetryRequest, no early data, no ticket.
 */
#ifndef TLS_HANDSHAKE_H
#define TLS_HANDSHAKE_H

#include "proto/wire.h"
#include "tls/aead.h"
#include "tls/psk.h"
#include "tls/x25519.h"

enum {
	TLS_FIRST_BYTE = 22, /* of a record with a message of a handshake */
	TLS_HEADER_SIZE = 5,
	TLS_RECORD_MAX = 4096, /* with its header: a larger one is refused */
	TLS_REPLY_MAX = 512,   /* what one record is answered with, and the first one */
	TLS_RANDOM_SIZE = 32 + X25519_SIZE,
};

/* What protects one direction. */
struct tls_cipher {
	uint8_t key[AEAD_KEY_MAX];
	uint8_t iv[AEAD_NONCE_SIZE];
	uint64_t sequence; /* of the next record */
};

struct tls {
	bool server;
	bool aes; /* AES-128-GCM is offered, or taken if it is */
	uint8_t state;
	uint16_t keys;		   /* so many has the server */
	const struct psk *key;	   /* the server's first; then the one in use */
	const struct aead *aead;   /* NULL: not yet agreed on */
	struct sha256 transcript;
	uint8_t secret[SHA256_SIZE];	 /* of the key schedule, as far as it has come */
	uint8_t traffic[2][SHA256_SIZE]; /* of the handshake: the client's, the server's */
	uint8_t own[X25519_SIZE];
	uint8_t random[32];
	uint8_t finished[4 + SHA256_SIZE]; /* the message that is due */
	uint16_t waits; /* bytes of a record that are not yet all there, see ktls.h */
	struct tls_cipher in, out; /* after the end: those of the application's data, from 0 on */
};

/* random is TLS_RANDOM_SIZE random bytes. The keys stay the caller's, and where they are. */
void tls_server(struct tls *tls, const struct psk *keys, unsigned count, bool aes,
		const uint8_t *random);
/* Puts the first record into out, which has TLS_REPLY_MAX bytes. */
void tls_client(struct tls *tls, const struct psk *key, bool aes, const uint8_t *random,
		struct wire_out *out);

/*
 * One whole record, header and all, which is decrypted in place. What is to be sent goes into out,
 * which has TLS_REPLY_MAX bytes, also when it fails: an alert.
 * 1: done, tls->in and out are for what follows; 0: not yet; -EACCES: the other end does not accept
 * the key, or has another one; -ENOKEY: it has one of a name that the server has not; -EBADMSG: it
 * does not keep to the protocol.
 */
int tls_take(struct tls *tls, uint8_t *record, size_t len, struct wire_out *out);

/* Forgets all secrets. */
void tls_wipe(struct tls *tls);

#endif
