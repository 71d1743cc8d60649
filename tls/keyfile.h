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
 * Reads the file again: lines "IDENTITY:HEXDIGITS" (psk.h); blank lines and those that begin with #
 * are ignored. The file must belong to this user or to root, nobody else may have access to it, and
 * it has at least one key. If not, logs a warning, leaves keys as they were and returns false.
 */
bool keys_read(struct keys *keys, const char *path);
/* The first key: a client authenticates with it, and accepts only a server that has it. NULL if
 * keys is NULL. */
const struct psk *keys_own(const struct keys *keys);
/* NULL if the identity is not in the file. */
const struct psk *keys_find(const struct keys *keys, const char *identity);

#endif
