/* SPDX-License-Identifier: MIT */
/* Names to addresses. libc's resolver blocks, so it runs in a child. */
#include "client/resolve.h"
#include "lib/util.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* In the child; what getaddrinfo() allocates ends with it. */
static void lookup(const void *arg, void *result)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	const struct endpoint *endpoint = arg;
	struct addresses *addresses = result;
	struct addrinfo *list = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	addresses->error = getaddrinfo(endpoint->host, endpoint->port, &hints, &list);
	addresses->errnum = errno;
	if (addresses->error)
		return;
	for (struct addrinfo *i = list; i && addresses->count < ADDRESSES_MAX; i = i->ai_next) {
		struct addr *address = &addresses->address[addresses->count];

		if (i->ai_addrlen > sizeof(address->sa))
			continue;
		address->len = i->ai_addrlen;
		memcpy(&address->sa, i->ai_addr, i->ai_addrlen);
		addresses->count++;
	}
	if (!addresses->count)
		addresses->error = EAI_NONAME;
}

static void ended(struct child *child, bool whole)
{
	struct resolver *resolver = container_of(child, struct resolver, child);

	if (!whole) {
		resolver->addresses.count = 0;
		resolver->addresses.error = EAI_FAIL;
	}
	resolver->done(resolver);
}

int resolve_start(struct resolver *resolver, struct loop *loop, const struct endpoint *endpoint,
		  void (*done)(struct resolver *resolver))
{
	resolver->done = done;
	return child_start(loop, &resolver->child, lookup, endpoint, &resolver->addresses,
			   sizeof(resolver->addresses), ended);
}

const char *resolve_strerror(const struct addresses *addresses)
{
	if (addresses->error == EAI_SYSTEM)
		return strerror(addresses->errnum);
	return gai_strerror(addresses->error);
}
