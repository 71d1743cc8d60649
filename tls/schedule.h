/* SPDX-License-Identifier: MIT */
/*
 * The secrets of a handshake: its transcript and the key schedule of TLS 1.3. Sections are those of
 * RFC 8446. Pure functions. Internal to tls/.
 */
#ifndef TLS_SCHEDULE_H
#define TLS_SCHEDULE_H

#include "tls/handshake.h"

/* Whose traffic secret. */
enum tls_end { TLS_END_CLIENT, TLS_END_SERVER };

/* 4.4.1: every message of the handshake, as it is sent, goes into the transcript. */
void schedule_add_message(struct tls *tls, const void *bytes, size_t len);

/*
 * 4.2.11.2: the binder of a client's hello with that key. The transcript holds the hello up to its
 * binders.
 */
void schedule_binder(const struct tls *tls, const struct psk *key, uint8_t mac[SHA256_SIZE]);
/*
 * Both hellos are in the transcript, tls->key and tls->aead are set: the secrets and the ciphers of
 * the handshake. Returns false if the other end's share is one of those that give no secret.
 */
bool schedule_agree(struct tls *tls, const uint8_t share[X25519_SIZE]);
/* 4.4.4: what a Finished of that end has to hold. */
void schedule_finished(const struct tls *tls, enum tls_end end, uint8_t mac[SHA256_SIZE]);
/*
 * The server's Finished is in the transcript: the traffic secrets of application data. The ciphers
 * stay those of the handshake until schedule_set_ciphers().
 */
void schedule_application(struct tls *tls);
/* 7.3: the keys and nonces of both directions, from the traffic secrets. */
void schedule_set_ciphers(struct tls *tls);
/* 5.3: the nonce of the next record. */
void schedule_next_nonce(struct tls_cipher *cipher, uint8_t nonce[AEAD_NONCE_SIZE]);

#endif
