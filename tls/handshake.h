/* SPDX-License-Identifier: MIT */
/*
 * The handshake of TLS 1.3 (RFC 8446) with an external pre-shared key: psk_dhe_ke with X25519, and
 * nothing else. It is strict: a message does not span records; there is no certificate, no
 * HelloRetryRequest, no early data, no ticket. tls_*: bytes in, bytes out, no I/O, no allocation.
 */
#ifndef TLS_HANDSHAKE_H
#define TLS_HANDSHAKE_H

#include "proto/wire.h"
#include "tls/keys.h"
#include "tls/record.h"

enum {
	TLS_FIRST_BYTE = TLS_HANDSHAKE, /* of a record with a handshake message */
	TLS_RECORD_MAX = 4096, /* with its header; a larger one is refused */
	TLS_REPLY_MAX = 512,   /* the longest reply to a record, and the longest first record */
	TLS_RANDOM_SIZE = 32 + X25519_SIZE,

	/* results of ktls_step() */
	KTLS_DONE = 1,
	KTLS_NONE = 2,
};

/*
 * The state is the message that is expected next, by its number (B.3):
 *
 *	server: CLIENT_HELLO ----------------------------> FINISHED --> DONE
 *	client: SERVER_HELLO --> ENCRYPTED_EXTENSIONS ---> FINISHED --> DONE
 *
 * After a failure it is left as it was; the connection is of no use then.
 */
enum tls_state {
	TLS_DONE = 0,
	TLS_CLIENT_HELLO = 1,
	TLS_SERVER_HELLO = 2,
	TLS_ENCRYPTED_EXTENSIONS = 8,
	TLS_FINISHED = 20,
};

/* Its owner wipes it with explicit_bzero(3) when the handshake has failed. */
struct tls {
	bool server;
	bool aes; /* a client offers AES-128-GCM, a server takes it if offered */
	bool changed; /* a ChangeCipherSpec came */
	enum tls_state state;
	const struct keys *keys; /* a server's */
	const struct psk *key;	 /* the one in use; a server's is known behind the client's hello */
	const struct aead *aead; /* NULL: not agreed on yet */
	struct sha256 transcript;
	uint8_t secret[SHA256_SIZE]; /* the latest of the key schedule */
	uint8_t private_key[X25519_SIZE];
	uint8_t random[32];
	uint16_t record_size; /* bytes of an incomplete record that ktls waits for, 0: none */
	struct tls_cipher in, out; /* after the end: for application data, from sequence 0 on */
};

/* random is TLS_RANDOM_SIZE random bytes. The keys, at least one, are not copied: they must stay
 * where they are until the handshake has ended. */
void tls_server(struct tls *tls, const struct keys *keys, bool aes, const uint8_t *random);
/* Puts the first record into out, which has TLS_REPLY_MAX bytes. */
void tls_client(struct tls *tls, const struct psk *key, bool aes, const uint8_t *random,
		struct wire_out *out);

/*
 * Takes one whole record, header and all, and decrypts it in place. Puts the reply into out, which
 * has TLS_REPLY_MAX bytes; after a failure that may be an alert. Returns
 * 1: done, tls->in and tls->out are for application data;
 * 0: more records are needed;
 * -EACCES: the other end has another key, or does not accept ours;
 * -ENOKEY: the server has no key of the client's identity;
 * -EBADMSG: the other end does not keep to the protocol.
 */
int tls_take(struct tls *tls, uint8_t *record, size_t len, struct wire_out *out);

/* Overwrites it, but for tls->key. */
void tls_forget(struct tls *tls);

/*
 * ktls_*: the same on a socket; afterwards the kernel encrypts and decrypts its data, if it can.
 *
 * Returns false if the kernel's AES-128-GCM does not use instructions of the processor, by
 * /proc/crypto: then ChaCha20-Poly1305 is several times cheaper. Of a kernel without TLS it does
 * not count.
 */
bool ktls_has_aes(void);
/* Begins a client's handshake: sends its first message. fd is connected. 0 or -errno: -EAGAIN if
 * the kernel has no random bytes yet. */
int ktls_connect(struct tls *tls, int fd, const struct psk *key);
/* Prepares a server's handshake. aes is the result of ktls_has_aes(), which is too slow to call for
 * every connection. 0 or -errno, as ktls_connect(). */
int ktls_accept(struct tls *tls, const struct keys *keys, bool aes);
/*
 * Call it when the socket, which does not block, is readable. Takes at most one record, and no byte
 * behind the handshake. Returns
 * KTLS_DONE: the kernel holds the keys, tls holds nothing but tls->key, and reading and writing the
 *	socket is plain text;
 * KTLS_NONE: done, but the kernel has no TLS, or not the cipher: tls->in and tls->out are valid;
 * 0: not done yet;
 * -errno of tls_take(), -ECONNRESET: the other end has closed the connection, -EALREADY: a
 *	client's hello came before, as someone has recorded it.
 */
int ktls_step(struct tls *tls, int fd);
/* Why a handshake failed, as constant text for a message. */
const char *ktls_strerror(int error);

#endif
