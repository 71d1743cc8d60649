/* SPDX-License-Identifier: MIT */
/* The sockets on which clients connect. One that cannot listen tries again in every pass. */
#ifndef HOST_LISTENER_H
#define HOST_LISTENER_H

#include "lib/addr.h"
#include "loop/loop.h"

enum { LISTENERS_MAX = 8 };

/* Where to listen. */
struct listener_address {
	struct addr at;
	char name[64]; /* for messages */
};

/* Reads ADDR[:PORT], an IPv6 address in brackets: false when it is none. */
bool listener_parse(struct listener_address *address, const char *text);

struct listener {
	struct loop_source source;
	struct loop *loop;
	struct listener_address address;
	/* A connection from there (IPv4 addresses are mapped ones); fd is the callee's. */
	void (*accepted)(void *ctx, int fd, const struct in6_addr *from);
	void *ctx;
	int error; /* what came of the last try, said */
};

/* address and accepted with its ctx are set. Nothing is opened yet. */
void listener_init(struct listener *listener, struct loop *loop);
/* In every pass: listens, if it does not yet. 0 or -errno: -EADDRINUSE where somebody else does. */
int listener_pass(struct listener *listener);

#endif
