/* SPDX-License-Identifier: MIT */
/* The file of --psk: who may connect, each with a key of its own. */
#ifndef TLS_KEYFILE_H
#define TLS_KEYFILE_H

#include "tls/psk.h"

enum { KEYS_MAX = 256 };

struct keys {
	unsigned count;
	struct psk key[KEYS_MAX];
};

/*
 * Reads lines "IDENTITY:HEXDIGITS" (psk.h) anew; blank ones and those that begin with # are
 * ignored. False after a line in the log; the keys are then as they were. The file must be its
 * user's own or root's, and nobody else may read or write it; it has at least one key.
 */
bool keys_read(struct keys *keys, const char *path);
/* The first: with it a client proves itself, and expects it of a server. NULL of NULL. */
const struct psk *keys_own(const struct keys *keys);
/* NULL when there is none of that identity. */
const struct psk *keys_find(const struct keys *keys, const char *identity);

#endif
