/* SPDX-License-Identifier: MIT */
/* One-shot questions by multicast DNS. */
#include "loop/multicast.h"

#include "lib/file.h"
#include "lib/str.h"
#include "loop/loop.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { V4, V6, FAMILIES };

struct link {
	unsigned interface;
	in_addr_t own, mask; /* INADDR_NONE: it has no IPv4 address */
};

struct links {
	unsigned count;
	struct link link[MULTICAST_LINKS_MAX];
	struct pollfd fds[FAMILIES];
};

static in_addr_t request_address(const struct links *links, uint16_t code, struct ifreq *request)
{
	const struct sockaddr_in *v4 = (const void *)&request->ifr_addr;

	return ioctl(links->fds[V4].fd, code, request) ? INADDR_NONE : v4->sin_addr.s_addr;
}

/* A line of /proc/net/dev: "  eth0: 1234 5 ...". */
static bool links_add(void *ctx, char *line)
{
	struct links *links = ctx;
	struct link *link = &links->link[links->count];
	const short wanted = IFF_UP | IFF_MULTICAST;
	char *name = line + strspn(line, " "), *colon = strchr(name, ':');
	int fd = links->fds[V4].fd;
	struct ifreq request = { 0 };

	if (!colon)
		return false;
	*colon = '\0';
	str_copy(request.ifr_name, sizeof(request.ifr_name), name);
	if (ioctl(fd, SIOCGIFFLAGS, &request) || (request.ifr_flags & wanted) != wanted ||
	    ioctl(fd, SIOCGIFINDEX, &request))
		return false;
	link->interface = (unsigned)request.ifr_ifindex;
	link->own = request_address(links, SIOCGIFADDR, &request);
	link->mask = request_address(links, SIOCGIFNETMASK, &request);
	return ++links->count == MULTICAST_LINKS_MAX;
}

static void links_open(struct links *links)
{
	static const int family[FAMILIES] = { AF_INET, AF_INET6 };

	for (unsigned i = 0; i < FAMILIES; i++)
		links->fds[i] = (struct pollfd){
			socket(family[i], SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), POLLIN, 0
		};
	links->count = 0;
	file_each_line(AT_FDCWD, "/proc/net/dev", links_add, links);
}

/* By every interface, from ports that the kernel chooses. */
static void links_send(const struct links *links, const struct mdns_query *query)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(MDNS_PORT),
				  .sin_addr.s_addr = htonl(MDNS_GROUP_V4) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(MDNS_PORT),
				   .sin6_addr = MDNS_GROUP_V6 };
	struct ip_mreqn by = { 0 };

	for (unsigned i = 0; i < links->count; i++) {
		v6.sin6_scope_id = links->link[i].interface;
		by.imr_ifindex = (int)links->link[i].interface;
		setsockopt(links->fds[V4].fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by));
		sendto(links->fds[V4].fd, query->bytes, query->len, 0, (const void *)&v4,
		       sizeof(v4));
		sendto(links->fds[V6].fd, query->bytes, query->len, 0, (const void *)&v6,
		       sizeof(v6));
	}
}

/* The interface on whose link a responder has that address; 0: none. */
static unsigned links_find(const struct links *links, const struct addr *from)
{
	if (from->sa.v4.sin_port != htons(MDNS_PORT)) /* in IPv6 it is in the same place */
		return 0;
	if (from->sa.any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LINKLOCAL(&from->sa.v6.sin6_addr) ? from->sa.v6.sin6_scope_id :
								       0;
	for (unsigned i = 0; i < links->count; i++) {
		const struct link *link = &links->link[i];

		if (!((from->sa.v4.sin_addr.s_addr ^ link->own) & link->mask))
			return link->interface;
	}
	return 0;
}

/* Receives one message. Returns whether there are answers enough. */
static bool links_receive(const struct links *links, int fd, const struct multicast *multicast)
{
	static uint8_t message[MDNS_MESSAGE_MAX];
	struct addr from = { .len = sizeof(from.sa) };
	ssize_t n = recvfrom(fd, message, sizeof(message), 0, &from.sa.any, &from.len);
	unsigned interface = n < 0 ? 0 : links_find(links, &from);
	struct mdns_record record;
	struct mdns_answer answer;
	bool enough = false;

	if (!interface || !mdns_answer_begin(&answer, message, (size_t)n))
		return false;
	while (mdns_answer_next(&answer, &record))
		enough = multicast->take(multicast->ctx, &record, interface);
	return enough;
}

/* Returns whether there are answers enough, after time for some more; else after a whole try. */
static bool links_listen(struct links *links, const struct multicast *multicast)
{
	uint64_t now = loop_clock(), end = now + multicast->try_ms;
	bool enough = false;

	for (; now < end; now = loop_clock()) {
		poll(links->fds, FAMILIES, (int)(end - now));
		for (unsigned i = 0; i < FAMILIES; i++) {
			if (!links->fds[i].revents ||
			    !links_receive(links, links->fds[i].fd, multicast) || enough)
				continue;
			enough = true;
			end = loop_clock() + MULTICAST_GATHER_MS;
		}
	}
	return enough;
}

void multicast_ask(const struct multicast *multicast)
{
	static struct mdns_query query;
	static struct links links;

	links_open(&links);
	for (unsigned i = 0; links.count && i < multicast->tries; i++) {
		mdns_query_begin(&query);
		multicast->ask(multicast->ctx, &query);
		if (query.bytes[5]) /* questions */
			links_send(&links, &query);
		if (links_listen(&links, multicast))
			break;
	}
	for (unsigned i = 0; i < FAMILIES; i++)
		close(links.fds[i].fd);
}

void multicast_add_address(struct addresses *addresses, const struct mdns_record *record,
			   unsigned interface, uint16_t port)
{
	struct addr address = { 0 };

	address.sa.v4.sin_port = htons(port); /* in IPv6 it is in the same place */
	if (record->type == MDNS_A) {
		address.len = sizeof(address.sa.v4);
		address.sa.v4.sin_family = AF_INET;
		memcpy(&address.sa.v4.sin_addr, record->address, 4);
	} else {
		address.len = sizeof(address.sa.v6);
		address.sa.v6.sin6_family = AF_INET6;
		memcpy(&address.sa.v6.sin6_addr, record->address, 16);
		if (IN6_IS_ADDR_LINKLOCAL(&address.sa.v6.sin6_addr))
			address.sa.v6.sin6_scope_id = interface;
	}
	for (unsigned i = 0; i < addresses->count; i++) /* what IPv4 does not fill is zero */
		if (!memcmp(&addresses->address[i].sa.v6, &address.sa.v6, sizeof(address.sa.v6)))
			return;
	if (addresses->count < ADDRESSES_MAX)
		addresses->address[addresses->count++] = address;
}
