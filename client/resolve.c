/* SPDX-License-Identifier: MIT */
/* The addresses of a server: from its host's text, or by libc's resolver in a child process. */
#include "client/request.h"

#include "lib/str.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

static_assert(EAI_SYSTEM < 0 && EAI_NONAME < 0, "told from an errno by the sign");

bool resolve_address(const struct endpoint *endpoint, struct addresses *addresses)
{
	struct addr *address = &addresses->address[0];
	uint32_t port = 0;
	int error = 0;

	str_decimal(endpoint->port, UINT16_MAX, &port); /* it is one: endpoint_parse() */
	memset(addresses, 0, sizeof(*addresses));
	if (strchr(endpoint->host, ':')) { /* which is in no name */
		address->len = sizeof(address->sa.v6);
		address->sa.v6.sin6_port = htons((uint16_t)port);
		error = addr_parse_scoped(endpoint->host, &address->sa.v6);
	} else if (inet_pton(AF_INET, endpoint->host, &address->sa.v4.sin_addr) == 1) {
		address->len = sizeof(address->sa.v4);
		address->sa.v4.sin_family = AF_INET;
		address->sa.v4.sin_port = htons((uint16_t)port);
	} else {
		return false;
	}
	addresses->error = -error;
	addresses->count = error ? 0 : 1;
	return true;
}

static void resolve_copy(struct addresses *addresses, const struct addrinfo *info)
{
	for (; info && addresses->count < ADDRESSES_MAX; info = info->ai_next) {
		struct addr *address = &addresses->address[addresses->count];

		if (info->ai_addrlen > sizeof(address->sa))
			continue;
		address->len = info->ai_addrlen;
		memcpy(&address->sa, info->ai_addr, info->ai_addrlen);
		addresses->count++;
	}
	if (!addresses->count)
		addresses->error = EAI_NONAME;
}

/* The end of the child frees the list of getaddrinfo(). */
void resolve_name(const void *arg, void *result)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	const struct endpoint *endpoint = arg;
	struct addresses *addresses = result;
	struct addrinfo *list = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it changes nothing that would be left half done */
	addresses->error = getaddrinfo(endpoint->host, endpoint->port, &hints, &list);
	if (addresses->error == EAI_SYSTEM)
		addresses->error = errno ? errno : EAI_FAIL;
	else if (!addresses->error)
		resolve_copy(addresses, list);
}

const char *resolve_strerror(int error)
{
	return error > 0 ? strerror(error) : gai_strerror(error);
}
