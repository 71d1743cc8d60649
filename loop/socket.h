/* SPDX-License-Identifier: MIT */
/* What both roles need of sockets. */
#ifndef LOOP_SOCKET_H
#define LOOP_SOCKET_H

#include <netinet/in.h>
#include <sys/socket.h>

/* Where a socket is, or is to be. */
struct address {
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa;
};

/* setsockopt(2) with one number: 0 or -errno. */
int socket_set(int fd, int level, int option, int value);

#endif
