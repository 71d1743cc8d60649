/* SPDX-License-Identifier: MIT */
/*
 * A connection through the system's ssh: one end of a pair of sockets is its stdin and stdout, the
 * other one ours, and later the kernel's. Works with OpenSSH and dropbear.
 */
#ifndef CLIENT_TUNNEL_H
#define CLIENT_TUNNEL_H

#include "proto/endpoint.h"

#include <stddef.h>

enum {
	TUNNEL_ALIVE_S = 5, /* ssh asks for a sign of life; after three without it ends */
	TUNNEL_WORDS_SIZE = 200,
};

/*
 * To the port at the other machine's loopback that the endpoint names. A socket that does not
 * block, or -errno; *words is where ssh says why it fails. Its process ends when the socket is
 * closed, and is the loop's to bury.
 */
int tunnel_open(const struct endpoint *endpoint, int *words);
/* The end of what it has said until now, in one line; empty: nothing. */
void tunnel_read(int words, char *text, size_t size);

#endif
