/* SPDX-License-Identifier: MIT */
/* The addresses of a host: of its text, or by multicast DNS or libc's resolver. */
#ifndef LOOP_RESOLVE_H
#define LOOP_RESOLVE_H

#include "lib/addr.h"

enum {
	ADDRESSES_MAX = 8,
	RESOLVE_MS = 20000, /* for a name: then whoever asked ends the process that looks it up */
};

struct addresses {
	int error; /* EAI_* of getaddrinfo(3), all negative, or an errno; 0: count is at least 1 */
	unsigned count;
	struct addr address[ADDRESSES_MAX];
};

/*
 * An address needs no look-up. If the host is one ("10.0.0.7", "fe80::1%eth0"), returns
 * true and fills in addresses, with that one or with an error, as its interface may not exist.
 * Returns false if the host is a name, which may begin like an address. Works inside the sandbox.
 */
bool resolve_address(const struct endpoint *endpoint, struct addresses *addresses);
/* Looks up the name of an endpoint: blocking work for a process of its own, which ends with its
 * parent from then on. addresses is a struct addresses of zeros. A name in .local is asked for by
 * multicast DNS, unless /etc/hosts has it; if nobody answers, libc looks it up as any other. */
void resolve_name(const void *endpoint, void *addresses);
/* Why there are no addresses. */
const char *resolve_strerror(int error);

#endif
