/* SPDX-License-Identifier: MIT */
/* X25519 (RFC 7748). */
#ifndef TLS_X25519_H
#define TLS_X25519_H

#include <stdbool.h>
#include <stdint.h>

enum { X25519_SIZE = 32 };

/* The public key that belongs to secret, which is 32 random bytes. */
void x25519_public(uint8_t point[X25519_SIZE], const uint8_t secret[X25519_SIZE]);
/* The secret that both ends share. Returns false if the other end's point gives zero: RFC 7748
 * 6.1. */
bool x25519(uint8_t shared[X25519_SIZE], const uint8_t secret[X25519_SIZE],
	    const uint8_t point[X25519_SIZE]);

#endif
