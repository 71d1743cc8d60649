/* SPDX-License-Identifier: MIT */
/* Names to addresses. libc's resolver blocks, so it runs in a child. */
#ifndef CLIENT_RESOLVE_H
#define CLIENT_RESOLVE_H

#include "lib/addr.h"
#include "lib/endpoint.h"
#include "loop/child.h"

enum { ADDRESSES_MAX = 8, RESOLVE_MS = 20000 };

struct addresses {
	int error; /* EAI_* of getaddrinfo, 0 = resolved */
	int errnum; /* errno with EAI_SYSTEM */
	unsigned count;
	struct addr address[ADDRESSES_MAX];
};

struct resolver {
	struct child child;
	struct addresses addresses; /* the result */
	void (*done)(struct resolver *resolver);
};

/* done comes when resolver->addresses is there, with its error or at least one address.
 * 0, or -errno when no child could be made. endpoint must stay valid until then. */
int resolve_start(struct resolver *resolver, struct loop *loop, const struct endpoint *endpoint,
		  void (*done)(struct resolver *resolver));

const char *resolve_strerror(const struct addresses *addresses);

#endif
