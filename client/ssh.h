/* SPDX-License-Identifier: MIT */
/*
 * A connection through the system's ssh: one end of a pair of sockets is its stdin and stdout, the
 * other one is ours, and later the kernel's. Works with OpenSSH and dropbear.
 */
#ifndef CLIENT_SSH_H
#define CLIENT_SSH_H

#include "lib/endpoint.h"

#include <sys/types.h>

enum { SSH_TUNNEL_TEXT_SIZE = 200 };

struct ssh_tunnel {
	int pipe;  /* the stderr of ssh, -1: not open */
	pid_t pid; /* 0: ssh is to go on when the tunnel is closed */
	char text[SSH_TUNNEL_TEXT_SIZE]; /* the end of what ssh wrote there, as one line */
};

/*
 * Connects to the port endpoint->through on the loopback of the other machine. Returns a socket
 * that does not block, or -errno. ssh has no terminal; it ends 15 to 20 s after the last sign of
 * life from the other machine, or when the socket is closed. The loop reaps it.
 */
int ssh_tunnel_open(struct ssh_tunnel *tunnel, const struct endpoint *endpoint);
/* Ends ssh, unless pid is 0, and sets text. Does nothing if the tunnel is not open. */
void ssh_tunnel_close(struct ssh_tunnel *tunnel);

#endif
