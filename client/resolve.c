/* SPDX-License-Identifier: MIT */
/* The addresses of a server. */
#include "client/resolve.h"

#include "lib/str.h"
#include "lib/util.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static in_port_t resolve_port(const struct endpoint *endpoint)
{
	uint32_t port = 0;
	int error = str_decimal(endpoint->port, UINT16_MAX, &port);

	assert(!error); /* endpoint_parse() */
	return htons((uint16_t)port);
}

bool resolve_address(const struct endpoint *endpoint, struct addresses *addresses)
{
	struct addr *address = &addresses->address[0];
	int error = 0;

	memset(addresses, 0, sizeof(*addresses));
	if (strchr(endpoint->host, ':')) { /* which is in no name */
		address->len = sizeof(address->sa.v6);
		address->sa.v6.sin6_port = resolve_port(endpoint);
		error = addr_parse_scoped(endpoint->host, &address->sa.v6);
	} else if (inet_pton(AF_INET, endpoint->host, &address->sa.v4.sin_addr) == 1) {
		address->len = sizeof(address->sa.v4);
		address->sa.v4.sin_family = AF_INET;
		address->sa.v4.sin_port = resolve_port(endpoint);
	} else {
		return false;
	}
	addresses->error = error ? EAI_SYSTEM : 0;
	addresses->errnum = -error;
	addresses->count = error ? 0 : 1;
	return true;
}

bool resolve_is_temporary(const struct endpoint *endpoint)
{
	return !endpoint_is_address(endpoint) || strchr(endpoint->host, '%');
}

static void resolve_copy(struct addresses *addresses, const struct addrinfo *list)
{
	for (const struct addrinfo *info = list; info; info = info->ai_next) {
		struct addr *address = &addresses->address[addresses->count];

		if (addresses->count == ADDRESSES_MAX)
			break;
		if (info->ai_addrlen > sizeof(address->sa))
			continue;
		address->len = info->ai_addrlen;
		memcpy(&address->sa, info->ai_addr, info->ai_addrlen);
		addresses->count++;
	}
	if (!addresses->count)
		addresses->error = EAI_NONAME;
}

/* In the child, whose end frees the list of getaddrinfo(). */
static void resolve_look_up(const void *arg, void *result)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	const struct endpoint *endpoint = arg;
	struct addresses *addresses = result;
	struct addrinfo *list = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it changes nothing that would be left half done */
	addresses->error = getaddrinfo(endpoint->host, endpoint->port, &hints, &list);
	addresses->errnum = errno;
	if (!addresses->error)
		resolve_copy(addresses, list);
}

static void resolve_ended(struct child *child, bool whole)
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
	assert(!child_running(&resolver->child));
	resolver->done = done;
	return child_start(loop, &resolver->child, resolve_look_up, endpoint, &resolver->addresses,
			   sizeof(resolver->addresses), resolve_ended);
}

void resolve_cancel(struct resolver *resolver)
{
	child_kill(&resolver->child);
}

const char *resolve_strerror(const struct addresses *addresses)
{
	if (addresses->error == EAI_SYSTEM)
		return strerror(addresses->errnum);
	return gai_strerror(addresses->error);
}
