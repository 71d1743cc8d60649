/* SPDX-License-Identifier: MIT */
/*
 * A connection through the system's ssh: one end of a pair of sockets is its stdin and stdout, the
 * other one ours, and later the kernel's. Works with OpenSSH and dropbear.
 */
#ifndef CLIENT_SSH_H
#define CLIENT_SSH_H

#include "lib/endpoint.h"

#include <sys/types.h>

enum { SSH_TUNNEL_TEXT_SIZE = 200 };

struct ssh_tunnel {
	int pipe;  /* where ssh says why it fails, -1: there is none */
	pid_t pid; /* 0: it outlives the request */
	char text[SSH_TUNNEL_TEXT_SIZE]; /* the end of what it said, in one line */
};

/*
 * To the port at the other machine's loopback that the endpoint names: a socket that does not
 * block, or -errno. ssh has no terminal, and ends 15 to 20 s after the last sign of life, or when
 * the socket is closed. It is the loop's to bury.
 */
int ssh_tunnel_open(struct ssh_tunnel *tunnel, const struct endpoint *endpoint);
/* Ends ssh, if it has a pid, and keeps its words; nothing if it was not open. */
void ssh_tunnel_close(struct ssh_tunnel *tunnel);

#endif
