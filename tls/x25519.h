/* SPDX-License-Identifier: MIT */
/* X25519 (RFC 7748). */
#ifndef TLS_X25519_H
#define TLS_X25519_H

#include <stdbool.h>
#include <stdint.h>

enum { X25519_SIZE = 32 };

/* The public key of a secret one: 32 random bytes. */
void x25519_public(uint8_t point[X25519_SIZE], const uint8_t secret[X25519_SIZE]);
/* What both sides have in common. False when the other's key is one of those that give zero. */
bool x25519(uint8_t shared[X25519_SIZE], const uint8_t secret[X25519_SIZE],
	    const uint8_t point[X25519_SIZE]);

#endif
