/* SPDX-License-Identifier: MIT */
/* Pre-shared keys as text, "IDENTITY:HEXDIGITS", and the file of --psk: who may connect. */
#ifndef TLS_KEYS_H
#define TLS_KEYS_H

#include "tls/crypto.h"

enum {
	PSK_IDENTITY_SIZE = 65,	 /* with its terminator */
	PSK_KEY_MIN = 16,	 /* bytes: a shorter key could be found by trying all of them */
	PSK_KEY_MAX = 64,
	PSK_LINE_SIZE = PSK_IDENTITY_SIZE + 2 * PSK_KEY_MAX + 1,
	KEYS_MAX = 256,
};

struct psk {
	char identity[PSK_IDENTITY_SIZE];
	uint8_t secret[SHA256_SIZE]; /* the Early Secret of RFC 8446 7.1 */
	uint32_t print; /* tells two secrets apart without revealing either */
};

struct keys {
	unsigned count;
	struct psk key[KEYS_MAX];
};

/* Parses a line: an identity of 1 to 64 letters, digits and "-._@", a colon, then the key, 32 to
 * 128 hexadecimal digits. Returns NULL, or what is wrong with the line, for a message. */
const char *psk_parse(struct psk *psk, const char *line);
/* Writes the line of a key; line has PSK_LINE_SIZE bytes. Returns NULL, or what is wrong with the
 * identity. */
const char *psk_text(char *line, const char *identity, const uint8_t key[SHA256_SIZE]);

/* Reads the file again: a key in each line; blank lines and those that begin with # are ignored.
 * The file must belong to this user or to root, nobody else may have access to it, and it has at
 * least one key. If not, logs a warning, leaves keys as they were and returns false. */
bool keys_read(struct keys *keys, const char *path);
/* A client authenticates with it to that host, and accepts only a server that has it: the first key
 * with an identity NAME@HOST, or else the first of all. NULL if keys is NULL. */
const struct psk *keys_for(const struct keys *keys, const char *host);
/* The key of an identity of len bytes, or NULL. */
const struct psk *keys_find(const struct keys *keys, const char *identity, size_t len);

#endif
