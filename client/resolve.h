/* SPDX-License-Identifier: MIT */
/* The addresses of a server: from its host's text, or by libc's resolver in a child process. */
#ifndef CLIENT_RESOLVE_H
#define CLIENT_RESOLVE_H

#include "lib/addr.h"
#include "lib/endpoint.h"

enum { ADDRESSES_MAX = 8, RESOLVE_MS = 20000 /* for one name */ };

struct addresses {
	int error; /* EAI_* of getaddrinfo(3), all negative, or an errno; 0: count is at least 1 */
	unsigned count;
	struct addr address[ADDRESSES_MAX];
};

/*
 * An address needs no look-up: if the host is one ("10.0.0.7", "fe80::1%eth0"), returns true and
 * fills in addresses, with that one or with an error, as its interface may not exist. Returns false
 * if the host is a name, which may be one that begins like an address. Works inside the sandbox.
 */
bool resolve_address(const struct endpoint *endpoint, struct addresses *addresses);
/*
 * Looks the name of an endpoint up. getaddrinfo(3) blocks: this is work for child_start(), whose
 * result is a struct addresses.
 */
void resolve_name(const void *endpoint, void *addresses);
/* Why there are no addresses. */
const char *resolve_strerror(int error);

#endif
