/* SPDX-License-Identifier: MIT */
/* A handshake on a socket, after which the kernel encrypts and decrypts what goes over it. */
#ifndef TLS_KTLS_H
#define TLS_KTLS_H

#include "tls/handshake.h"

/*
 * Whether the kernel's AES-128-GCM is one with the processor's own instructions, by /proc/crypto:
 * without, ChaCha20-Poly1305 is several times cheaper.
 */
bool ktls_has_aes(void);

/* The first message of a client. 0 or -errno. */
int ktls_connect(struct tls *tls, int fd, const struct psk *key);
/* aes: what ktls_has_aes() said, which is too much to ask for each stranger. */
int ktls_accept(struct tls *tls, const struct psk *keys, unsigned count, bool aes);
/*
 * When the socket, which does not block, has something to read: takes at most one record, and no
 * byte behind the handshake. 1: done, all but tls->key is forgotten, and who reads and writes deals
 * with plain text; 0: not yet; else -errno: as of tls_take(),
 * -ENOENT when the kernel has no tls, -ENOPKG when that has not the cipher, -ECONNRESET when the
 * other end is gone.
 */
int ktls_step(struct tls *tls, int fd);

/* Why a handshake failed, in a few constant words. */
const char *ktls_strerror(int error);

#endif
