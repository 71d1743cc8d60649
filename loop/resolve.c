/* SPDX-License-Identifier: MIT */
/* The addresses of a host: of its text, or by multicast DNS or libc's resolver. */
#include "loop/resolve.h"

#include "lib/file.h"
#include "lib/str.h"
#include "loop/multicast.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
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

enum { LOCAL_TRIES = 3, LOCAL_TRY_MS = 1000 };

static_assert(2 * LOCAL_TRIES * LOCAL_TRY_MS < RESOLVE_MS, "libc has time, too");

/* A name in .local. */
struct local_name {
	struct mdns_name name;
	uint16_t port;
	struct addresses *addresses;
};

static void local_name_ask(void *ctx, struct mdns_query *query)
{
	const struct local_name *local = ctx;

	mdns_query_add(query, &local->name, MDNS_A);
	mdns_query_add(query, &local->name, MDNS_AAAA);
}

static bool local_name_take(void *ctx, const struct mdns_record *record, unsigned interface)
{
	const struct local_name *local = ctx;

	if ((record->type == MDNS_A || record->type == MDNS_AAAA) &&
	    mdns_name_equal(&record->name, &local->name))
		multicast_add_address(local->addresses, record, interface, local->port);
	return local->addresses->count;
}

/* A line of hosts(5): an address, then names. */
static bool hosts_line_names(void *ctx, char *line)
{
	char *word;

	line[strcspn(line, "#")] = '\0';
	while ((word = str_word(&line)))
		if (!strcasecmp(word, ctx))
			return true;
	return false;
}

/* Asks for a host that ends in ".local". What /etc/hosts says comes first, from libc. */
static void resolve_local(const struct endpoint *endpoint, struct addresses *addresses)
{
	static const char domain[] = ".local";
	struct local_name local = { .addresses = addresses };
	char host[ENDPOINT_HOST_SIZE];
	size_t len = str_copy(host, sizeof(host), endpoint->host);
	uint32_t port = 0;

	if (host[len - 1] == '.')
		host[--len] = '\0';
	if (len < sizeof(domain) || strcasecmp(host + len + 1 - sizeof(domain), domain) != 0 ||
	    !mdns_name_parse(&local.name, host) ||
	    file_each_line(AT_FDCWD, "/etc/hosts", hosts_line_names, host) > 0)
		return;
	str_decimal(endpoint->port, UINT16_MAX, &port);
	local.port = (uint16_t)port;
	multicast_ask(&(struct multicast){ &local, LOCAL_TRIES, LOCAL_TRY_MS, local_name_ask,
					   local_name_take });
}

/* The end of the child frees the list of getaddrinfo(). */
void resolve_name(const void *arg, void *result)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	const struct endpoint *endpoint = arg;
	struct addresses *addresses = result;
	struct addrinfo *list = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it changes nothing that would be left half done */
	resolve_local(endpoint, addresses);
	if (addresses->count)
		return;
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
