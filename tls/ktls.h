/* SPDX-License-Identifier: MIT */
/* A TLS handshake on a socket; afterwards the kernel encrypts and decrypts its data. */
#ifndef TLS_KTLS_H
#define TLS_KTLS_H

#include "tls/handshake.h"

/*
 * Whether the kernel's AES-128-GCM uses instructions of the processor for it, by /proc/crypto.
 * Without them ChaCha20-Poly1305 is several times cheaper.
 */
bool ktls_has_aes(void);

/* Begins a client's handshake: sends its first message. fd is connected. 0 or -errno. */
int ktls_connect(struct tls *tls, int fd, const struct psk *key);
/* Prepares a server's handshake. aes is the result of ktls_has_aes(), which is too slow to call for
 * every connection. 0 or -errno. */
int ktls_accept(struct tls *tls, const struct keys *keys, bool aes);
/*
 * Call it when the socket, which does not block, is readable. Takes at most one record, and no byte
 * behind the handshake. Returns
 * 1: done. The kernel holds the keys, tls holds nothing but tls->key, and reading and writing the
 *	socket is plain text;
 * 0: not done yet;
 * -errno of tls_take(), -ENOENT: the kernel has no tls, -ENOPKG: its tls has no such cipher,
 *	-ECONNRESET: the other end has closed the connection.
 */
int ktls_step(struct tls *tls, int fd);

/* Why a handshake failed, as constant text for a message. */
const char *ktls_strerror(int error);

#endif
