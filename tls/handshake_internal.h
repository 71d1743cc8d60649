/* SPDX-License-Identifier: MIT */
/* The handshake's hellos (hello.c) and secrets (schedule.c). Sections are those of RFC 8446. */
#ifndef TLS_HANDSHAKE_INTERNAL_H
#define TLS_HANDSHAKE_INTERNAL_H

#include "tls/handshake.h"

enum {
	/* versions: 1.2 is what records and hellos of 1.3 state, too */
	TLS_VERSION_1_2 = 0x0303,
	TLS_VERSION_1_3 = 0x0304,
	/* cipher suites: B.4 */
	TLS_AES_128_GCM_SHA256 = 0x1301,
	TLS_CHACHA20_POLY1305_SHA256 = 0x1303,
	/* extensions: 4.2 */
	TLS_SUPPORTED_GROUPS = 10,
	TLS_PRE_SHARED_KEY = 41,
	TLS_EARLY_DATA = 42,
	TLS_SUPPORTED_VERSIONS = 43,
	TLS_PSK_KEY_EXCHANGE_MODES = 45,
	TLS_KEY_SHARE = 51,
	/* and their values */
	TLS_GROUP_X25519 = 0x001d, /* 4.2.7 */
	TLS_PSK_DHE_KE = 1,	   /* 4.2.9 */
	TLS_NO_COMPRESSION = 0,

	TLS_MESSAGE_HEADER_SIZE = 4,
};

/* The parts of a hello; they point into the message. */
struct tls_hello {
	struct wire_in session_id;
	const uint8_t *share;	   /* the X25519 key, NULL: none */
	bool has_key;		   /* pre_shared_key is there */
	struct wire_in identities; /* from a client: the list in pre_shared_key */
	struct wire_in binders;	   /* from a client: the rest of pre_shared_key */
	uint16_t suite;		   /* the best one that is supported here, 0: none */
	bool version_1_3;
	bool psk_dhe_ke; /* a client offers it; a server has taken the first key */
	uint16_t index;		   /* by tls_hello_find_key(): of the identity */
	const uint8_t *binder;	   /* by tls_hello_find_key(); NULL: none */
};

void tls_put_record_header(struct wire_out *out, uint8_t type, size_t len);
/* Whole records, which are added to the transcript. */
void tls_put_client_hello(struct tls *tls, struct wire_out *out);
void tls_put_server_hello(struct tls *tls, struct wire_out *out, const struct tls_hello *hello);

/* Parses a whole message, 4.1.2 or 4.1.3. aes: AES-128-GCM may be chosen. Returns false if it is
 * malformed, or does not offer (from a server: choose) what is supported here. A HelloRetryRequest
 * (4.1.4) has no share, so it is refused. */
bool tls_hello_parse(struct tls_hello *hello, struct wire_in message, bool from_client, bool aes);
/* 4.2.11: the key of the first identity that is in keys, its index and its binder. Returns NULL if
 * there is none; the binder is then one of an unknown identity, or NULL. */
const struct psk *tls_hello_find_key(struct tls_hello *hello, const struct keys *keys);

/* 4.2.11.2: the binder of a client's hello, which the transcript holds up to its binders. */
void schedule_binder(const struct tls *tls, const struct psk *key, uint8_t mac[SHA256_SIZE]);
/* Both hellos are in the transcript, tls->key is set: sets tls->aead and the ciphers of the
 * handshake. Returns false if the other end's share is one of those that give no secret. */
bool schedule_agree(struct tls *tls, const struct tls_hello *hello);
/* 4.4.4: what a Finished of the end with that traffic secret has to hold. */
void schedule_finished(const struct tls *tls, const uint8_t *secret, uint8_t mac[SHA256_SIZE]);
/* The server's Finished is the last message in the transcript: the ciphers of application data. */
void schedule_application(struct tls *tls);

#endif
