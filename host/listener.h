/* SPDX-License-Identifier: MIT */
/* A socket on which clients connect. One that cannot listen tries again in every pass. */
#ifndef HOST_LISTENER_H
#define HOST_LISTENER_H

#include "lib/addr.h"
#include "loop/loop.h"

enum { LISTENERS_MAX = 8 };

struct listener_address {
	struct addr addr;
	char name[64]; /* ADDR:PORT, for messages */
};

/* Parses ADDR[:PORT], an IPv6 address in brackets. Returns false if text is not of that form. */
bool listener_parse(struct listener_address *address, const char *text);

struct listener {
	struct loop_source source; /* fd is -1: it does not listen */
	struct loop *loop;
	struct listener_address address;
	/*
	 * A connection from that address (IPv4: a mapped one). The callee owns fd, which does not
	 * block.
	 */
	void (*accepted)(void *ctx, int fd, const struct in6_addr *from);
	void *ctx;
	int error; /* for the caller: the last result; at first one that cannot be */
};

/* Copies the address. Opens nothing yet. */
void listener_init(struct listener *listener, struct loop *loop,
		   const struct listener_address *address,
		   void (*accepted)(void *ctx, int fd, const struct in6_addr *from), void *ctx);
/*
 * Called in every pass: listens if it does not yet. 0 or -errno: -EADDRINUSE where another program
 * listens, -EAFNOSUPPORT if the kernel has no IPv6.
 */
int listener_pass(struct listener *listener);
/* In host byte order. */
uint16_t listener_port(const struct listener *listener);
void listener_close(struct listener *listener);

#endif
