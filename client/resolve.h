/* SPDX-License-Identifier: MIT */
/* The addresses of a server: from its host's text, or by libc's resolver in a child process. */
#ifndef CLIENT_RESOLVE_H
#define CLIENT_RESOLVE_H

#include "lib/addr.h"
#include "lib/endpoint.h"
#include "loop/child.h"

enum { ADDRESSES_MAX = 8, RESOLVE_MS = 20000 /* for one name */ };

struct addresses {
	int error;  /* EAI_* of getaddrinfo(3), 0: count is at least 1 */
	int errnum; /* an errno, if error is EAI_SYSTEM */
	unsigned count;
	struct addr address[ADDRESSES_MAX];
};

/* One look-up of a name. All zeros: none runs. */
struct resolver {
	struct child child;
	struct addresses addresses; /* the result */
	void (*done)(struct resolver *resolver);
};

/*
 * An address needs no look-up: if the host is one ("10.0.0.7", "fe80::1%eth0"), returns true and
 * fills in addresses, with that one or with an error, as its interface may not exist. Returns false
 * if the host is a name, which may be one that begins like an address. Works inside the sandbox.
 */
bool resolve_address(const struct endpoint *endpoint, struct addresses *addresses);
/* The same host may have other addresses later: it is a name, or the address has an interface. */
bool resolve_is_temporary(const struct endpoint *endpoint);

/*
 * Looks a name up: getaddrinfo(3) blocks, so a child calls it. Returns 0, or -errno if there can be
 * no child; done comes later, from the loop, with the result in resolver->addresses. endpoint must
 * stay valid until then.
 */
int resolve_start(struct resolver *resolver, struct loop *loop, const struct endpoint *endpoint,
		  void (*done)(struct resolver *resolver));
/* Ends a look-up, if one runs, without done. */
void resolve_cancel(struct resolver *resolver);

/* Why there are no addresses. */
const char *resolve_strerror(const struct addresses *addresses);

#endif
