/* SPDX-License-Identifier: MIT */
/*
 * The hellos of TLS 1.3 with an external pre-shared key, from bytes. Sections are those of RFC
 * 8446. Pure functions. Internal to tls/.
 */
#ifndef TLS_HELLO_H
#define TLS_HELLO_H

#include "proto/wire.h"
#include "tls/crypto.h"

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
	TLS_SESSION_ID_MAX = 32,
	/* all that a server's hello may have: version, share, and the index of the key */
	TLS_SERVER_EXTENSIONS_SIZE = 6 + 8 + X25519_SIZE + 6,
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
};

/*
 * Parses a whole message, 4.1.2 or 4.1.3. aes: AES-128-GCM may be chosen. Returns false if it is
 * malformed, or does not offer (from a server: choose) what is supported here. A HelloRetryRequest
 * (4.1.4) has no share, so it is refused.
 */
bool tls_hello_parse(struct tls_hello *hello, struct wire_in message, bool from_client, bool aes);

/* Vectors (3.4) with a length of 8 or 16 bits: a cursor over the content. */
struct wire_in tls_get_vector8(struct wire_in *in);
struct wire_in tls_get_vector16(struct wire_in *in);

#endif
