/* SPDX-License-Identifier: MIT */
/* The network side of the server role: listeners, and a fixed table of connections. */
#include "host/server.h"

#include "lib/socket.h"
#include "lib/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	FDS_RESERVED = 24, /* for sysfs and children; a quarter of the limit if that is less */
	FDS_FEW = 32,	   /* a server can hardly work with less */
	/* for a device its session, and the holder that it may have */
	FDS_WANTED = CONNS_MAX + 2 * EXPORTS_MAX + FDS_RESERVED + 64,
	/* Connections that the kernel keeps until they are accepted, as far as net.core.somaxconn
	 * allows. With more at once it drops them, and their clients notice late. musl's SOMAXCONN
	 * is 128. */
	BACKLOG = 1024,
};

bool listener_parse(struct listener_address *address, const char *text)
{
	struct addr *addr = &address->addr;
	struct endpoint endpoint;
	uint32_t port;

	memset(address, 0, sizeof(*address));
	if (endpoint_parse(&endpoint, text, OP_PORT) || str_decimal(endpoint.port, 65535, &port) ||
	    strlen(endpoint.name) >= sizeof(address->name))
		return false;
	str_copy(address->name, sizeof(address->name), endpoint.name);
	addr->sa.v4.sin_port = htons((uint16_t)port); /* in IPv6 it is in the same place */
	if (strchr(endpoint.host, ':')) {
		int error = addr_parse_scoped(endpoint.host, &addr->sa.v6);

		addr->len = error ? 0 : sizeof(addr->sa.v6);
		return !error || error == -ENODEV;
	}
	addr->len = sizeof(addr->sa.v4);
	addr->sa.v4.sin_family = AF_INET;
	return inet_pton(AF_INET, endpoint.host, &addr->sa.v4.sin_addr) == 1;
}

bool host_server_take(struct host_server *server, int fd, const struct in6_addr *address,
		      struct dialer *dialer)
{
	struct conn *conn = NULL;
	uint64_t now = server->loop->now;

	if (!dialer && !access_allows_address(server->access, address))
		access_log_stranger(server->access, now, address);
	else if (fd >= server->fds_max)
		access_log_refusal(server->access, ACCESS_TOO_MANY, now, address,
				   "connection refused: too many open files; allow %u (ulimit -n)",
				   (unsigned)FDS_WANTED);
	else
		conn = conn_make_room(server, address);
	if (conn)
		conn_open(conn, server, fd, address, dialer);
	else
		close(fd);
	return conn;
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	struct listener *listener = container_of(source, struct listener, source);
	struct in6_addr address;
	int fd = loop_accept(listener->server->loop, source, &address);

	(void)events;
	if (fd >= 0)
		host_server_take(listener->server, fd, &address, NULL);
}

static bool is_wildcard(const struct addr *address)
{
	return address->len && (address->sa.any.sa_family == AF_INET ?
					!address->sa.v4.sin_addr.s_addr :
					!memcmp(&address->sa.v6.sin6_addr, &in6addr_any,
						sizeof(in6addr_any)));
}

/* Another one gets its connections as well. */
static bool listener_is_covered(const struct host_server *server, const struct listener *listener)
{
	const struct addr *mine = &listener->address.addr;

	for (unsigned i = 0; i < server->listeners; i++) {
		const struct addr *other = &server->listener[i].address.addr;

		if (&server->listener[i] != listener && server->listener[i].source.fd >= 0 &&
		    is_wildcard(other) && other->sa.any.sa_family == mine->sa.any.sa_family &&
		    other->sa.v4.sin_port == mine->sa.v4.sin_port)
			return true;
	}
	return false;
}

/* 0 or -errno. */
static int open_listener(struct listener *listener)
{
	const struct addr *address = &listener->address.addr;
	struct listener_address again;
	int fd, error;

	if (!address->len && listener_parse(&again, listener->address.name))
		listener->address = again;
	if (!address->len)
		return -ENODEV;
	fd = socket(address->sa.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (address->sa.any.sa_family == AF_INET6)
		socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	listener->source.fd = fd;
	if (bind(fd, &address->sa.any, address->len) || listen(fd, BACKLOG))
		error = -errno;
	else
		error = loop_watch(listener->server->loop, &listener->source, EPOLLIN);
	if (error)
		loop_drop(listener->server->loop, &listener->source);
	return error;
}

/* A port in use is one line, though there are listeners for IPv4 and IPv6. */
static void log_listener(struct host_server *server, const struct listener *listener)
{
	const struct listener_address *address = &listener->address;
	struct in6_addr unused;

	if (listener->error == -EADDRINUSE) {
		log_once(&server->port_in_use, LOG_LEVEL_WARNING, 0,
			 "port %u is in use by a program without --allow, --psk, --on-demand and "
			 "'to' in rules: until it ends, %s",
			 (unsigned)addr_split(&address->addr, &unused),
			 server->alone ? "no device is exported" : "it serves the clients");
	} else if (!listener->error) {
		log_once_clear(&server->port_in_use);
		log_info("listening on %s", address->name);
	} else if (listener->error != -EAFNOSUPPORT) { /* a kernel without IPv6 */
		log_warning_errno(listener->error, "cannot listen on %s", address->name);
	}
}

/* Returns whether clients reach the address, or never will. */
static bool pass_listener(struct host_server *server, struct listener *listener)
{
	int error = 0;

	if (listener->source.fd < 0 && listener_is_covered(server, listener))
		return true;
	if (listener->source.fd < 0)
		error = open_listener(listener);
	else
		loop_watch(server->loop, &listener->source, EPOLLIN); /* ends a pause */
	if (error != listener->error) {
		listener->error = error;
		log_listener(server, listener);
	}
	return !error || error == -EAFNOSUPPORT;
}

bool host_server_listen(struct host_server *server)
{
	bool all = true;

	for (unsigned i = 0; i < server->listeners; i++)
		all &= pass_listener(server, &server->listener[i]);
	return all;
}

void host_server_pass(struct host_server *server, bool list_changed)
{
	for (unsigned i = 0; i < server->conns; i++) {
		if (list_changed)
			conn_announce(&server->conn[i]);
		if (server->conn[i].state != CONN_FREE)
			conn_pass(&server->conn[i]);
	}
	while (server->conns && server->conn[server->conns - 1].state == CONN_FREE)
		server->conns--;
}

void host_server_tick(struct host_server *server)
{
	for (unsigned i = 0; i < server->conns; i++)
		if (server->conn[i].state == CONN_WAITING)
			conn_pass(&server->conn[i]);
}

bool host_server_has_waiting(const struct host_server *server, const char *busid)
{
	for (unsigned i = 0; i < server->conns; i++)
		if (server->conn[i].state == CONN_WAITING &&
		    !strcmp(server->conn[i].request.busid, busid))
			return true;
	return false;
}

void host_server_keys_changed(struct host_server *server)
{
	for (unsigned i = 0; i < server->conns; i++)
		if (server->conn[i].state == CONN_HANDSHAKE ||
		    (server->conn[i].state != CONN_FREE && server->conn[i].peer.key))
			conn_drop(&server->conn[i]);
}

int host_server_dial(struct host_server *server, const struct endpoint *client, unsigned clients)
{
	int error = 0;

	for (unsigned i = 0; !error && i < clients; i++)
		error = dialer_start(&server->dialer[i], server, &client[i]);
	return error;
}

void host_server_close(struct host_server *server)
{
	for (unsigned i = 0; i < DIALERS_MAX; i++)
		dialer_close(&server->dialer[i]);
	for (unsigned i = 0; i < server->listeners; i++)
		loop_drop(server->loop, &server->listener[i].source);
	for (unsigned i = 0; i < server->conns; i++)
		if (server->conn[i].state != CONN_FREE)
			conn_drop(&server->conn[i]);
	server->listeners = server->conns = 0;
}

/* Raises the limit of open files to FDS_WANTED, as far as the hard limit allows, and returns it. */
static int raise_fd_limit(void)
{
	struct rlimit limit;

	if (prlimit(0, RLIMIT_NOFILE, NULL, &limit))
		return FDS_RESERVED;
	if (limit.rlim_cur >= FDS_WANTED)
		return FDS_WANTED;
	limit.rlim_cur = limit.rlim_max < FDS_WANTED ? limit.rlim_max : FDS_WANTED;
	prlimit(0, RLIMIT_NOFILE, &limit, NULL);
	return (int)limit.rlim_cur;
}

/* Those of a wildcard first, as they cover others. */
static void add_listeners(struct host_server *server, const struct listener_address *address,
			  unsigned addresses, bool wildcards)
{
	for (unsigned i = 0; i < addresses; i++) {
		if (is_wildcard(&address[i].addr) != wildcards)
			continue;
		server->listener[server->listeners++] = (struct listener){
			.source = { -1, listener_ready },
			.server = server,
			.address = address[i],
			.error = -EINPROGRESS,
		};
	}
}

void host_server_init(struct host_server *server, struct loop *loop, struct exports *exports,
		      struct access *access, uint32_t dead_after,
		      const struct listener_address *address, unsigned addresses)
{
	int limit = raise_fd_limit();

	if (limit < FDS_FEW)
		log_warning("only %u open files are allowed (ulimit -n)", (unsigned)limit);
	if (getrandom(&server->identity, sizeof(server->identity), GRND_NONBLOCK) < 0)
		server->identity = 0;
	server->fds_max = limit - (limit / 4 < FDS_RESERVED ? limit / 4 : FDS_RESERVED);
	server->loop = loop;
	server->exports = exports;
	server->access = access;
	server->dead_after = dead_after;
	add_listeners(server, address, addresses, true);
	add_listeners(server, address, addresses, false);
}
