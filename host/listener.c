/* SPDX-License-Identifier: MIT */
/* A socket on which clients connect. */
#include "host/listener.h"

#include "lib/endpoint.h"
#include "lib/socket.h"
#include "lib/str.h"
#include "lib/util.h"
#include "proto/op.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PAUSE_MS = 1000, /* after accept4() failed for want of resources */
	/* Connections that the kernel keeps until they are accepted, as far as net.core.somaxconn
	 * allows. With more at once it drops them, and their clients notice late. musl's SOMAXCONN
	 * is 128. */
	BACKLOG = 1024,
};

bool listener_parse(struct listener_address *address, const char *text)
{
	struct endpoint endpoint;
	uint32_t port;

	memset(address, 0, sizeof(*address));
	if (endpoint_parse(&endpoint, text, OP_PORT) || str_decimal(endpoint.port, 65535, &port) ||
	    strlen(endpoint.name) >= sizeof(address->name))
		return false;
	str_format(address->name, sizeof(address->name), "%s", endpoint.name);
	address->addr.sa.v4.sin_port = htons((uint16_t)port); /* in IPv6 it is in the same place */
	if (strchr(endpoint.host, ':')) {
		address->addr.len = sizeof(address->addr.sa.v6);
		return !addr_parse_scoped(endpoint.host, &address->addr.sa.v6);
	}
	address->addr.len = sizeof(address->addr.sa.v4);
	address->addr.sa.v4.sin_family = AF_INET;
	return inet_pton(AF_INET, endpoint.host, &address->addr.sa.v4.sin_addr) == 1;
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	struct listener *listener = container_of(source, struct listener, source);
	struct addr from;
	struct in6_addr address;
	int fd;

	(void)events;
	from.len = sizeof(from.sa);
	fd = accept4(source->fd, &from.sa.any, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		addr_split(&from, &address);
		listener->accepted(listener->ctx, fd, &address);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		/* the socket stays ready: without a pause the loop would spin */
		loop_rewatch(listener->loop, source, 0);
		loop_pass_by(listener->loop, listener->loop->now + PAUSE_MS);
	}
}

static int listener_open(struct listener *listener)
{
	const struct addr *address = &listener->address.addr;
	int fd = socket(address->sa.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0)
		return -errno;
	socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (address->sa.any.sa_family == AF_INET6)
		socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	listener->source.fd = fd;
	if (bind(fd, &address->sa.any, address->len) || listen(fd, BACKLOG))
		error = -errno;
	if (!error)
		error = loop_watch(listener->loop, &listener->source, EPOLLIN);
	if (error) {
		close(fd);
		listener->source.fd = -1;
	}
	return error;
}

void listener_init(struct listener *listener, struct loop *loop,
		   const struct listener_address *address,
		   void (*accepted)(void *ctx, int fd, const struct in6_addr *from), void *ctx)
{
	listener->loop = loop;
	listener->address = *address;
	listener->accepted = accepted;
	listener->ctx = ctx;
	listener->source.fd = -1;
	listener->source.ready = listener_ready;
	listener->error = -EINPROGRESS;
}

int listener_pass(struct listener *listener)
{
	if (listener->source.fd < 0)
		return listener_open(listener);
	loop_rewatch(listener->loop, &listener->source, EPOLLIN); /* ends a pause */
	return 0;
}

uint16_t listener_port(const struct listener *listener)
{
	struct in6_addr address;

	return addr_split(&listener->address.addr, &address);
}

void listener_close(struct listener *listener)
{
	loop_drop(listener->loop, &listener->source);
}
