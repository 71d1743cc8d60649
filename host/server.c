/* SPDX-License-Identifier: MIT */
/* The network side of the server role: listeners, and a fixed table of connections. */
#include "host/server.h"

#include "lib/log.h"

#include <assert.h>
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	FDS_RESERVED = 24, /* for sysfs and children; a quarter of the limit if that is less */
	FDS_FEW = 24,	   /* a server can hardly work with less */
	FDS_WANTED = CONNS_MAX + EXPORTS_MAX + FDS_RESERVED + 64,
};

/* A free place. NULL if there is none, or the address has as many connections as it may have. */
static struct conn *find_free_conn(struct host_server *server, const struct in6_addr *address)
{
	struct conn *free = NULL;
	unsigned same = 0, i;

	for (i = 0; i < server->conns; i++) {
		struct conn *conn = &server->conn[i];

		if (conn->state == CONN_FREE)
			free = free ? free : conn;
		else if (IN6_ARE_ADDR_EQUAL(&conn->peer.address, address))
			same++;
	}
	if (same >= CONNS_PER_ADDRESS_MAX)
		return NULL;
	if (!free && i < CONNS_MAX)
		free = &server->conn[i];
	return free;
}

static void open_conn(struct host_server *server, struct conn *conn, int fd,
		      const struct in6_addr *address)
{
	unsigned place = (unsigned)(conn - server->conn);

	assert(place <= server->conns && place < CONNS_MAX);
	if (place == server->conns)
		server->conns++;
	conn_open(conn, &server->shared, fd, address);
}

static void log_refused(struct host_server *server, const struct in6_addr *address, bool allowed,
			bool has_place)
{
	struct access *access = server->shared.access;
	uint64_t now = server->shared.loop->now;

	if (!allowed)
		access_log_stranger(access, now, address);
	else if (has_place)
		access_log_refusal(access, ACCESS_TOO_MANY, now, address,
				   "connection refused: too many open files; allow %u (ulimit -n)",
				   (unsigned)FDS_WANTED);
	else
		access_log_refusal(access, ACCESS_TOO_MANY, now, address,
				   "connection refused: too many connections; there may be %u of "
				   "one address and %u in all",
				   (unsigned)CONNS_PER_ADDRESS_MAX, (unsigned)CONNS_MAX);
}

/* A listener has accepted fd, a connection from that address. */
static void server_accept(void *ctx, int fd, const struct in6_addr *address)
{
	struct host_server *server = ctx;
	bool allowed = access_allows_address(server->shared.access, address);
	struct conn *conn = allowed ? find_free_conn(server, address) : NULL;

	if (conn && fd < server->fds_max) {
		open_conn(server, conn, fd, address);
		return;
	}
	log_refused(server, address, allowed, conn != NULL);
	close(fd);
}

/* A port in use is one line, though there are listeners for IPv4 and IPv6. */
static void log_listener(struct host_server *server, const struct listener *listener)
{
	const char *name = listener->address.name;

	if (listener->error == -EADDRINUSE) {
		log_once(&server->port_in_use, LOG_LEVEL_WARNING, 0,
			 "port %u is in use: the program that listens there serves the clients "
			 "until it ends, without --allow, --psk and 'to' in rules",
			 (unsigned)listener_port(listener));
	} else if (!listener->error) {
		log_once_clear(&server->port_in_use);
		log_info("listening on %s", name);
	} else if (listener->error != -EAFNOSUPPORT) { /* a kernel without IPv6 */
		log_warning_errno(listener->error, "cannot listen on %s", name);
	}
}

static void pass_listener(struct host_server *server, struct listener *listener)
{
	int error = listener_pass(listener);

	if (error == listener->error)
		return;
	listener->error = error;
	log_listener(server, listener);
}

void host_server_pass(struct host_server *server)
{
	for (unsigned i = 0; i < server->listeners; i++)
		pass_listener(server, &server->listener[i]);
	for (unsigned i = 0; i < server->conns; i++)
		if (server->conn[i].state != CONN_FREE)
			conn_pass(&server->conn[i]);
	while (server->conns && server->conn[server->conns - 1].state == CONN_FREE)
		server->conns--;
}

void host_server_announce(struct host_server *server)
{
	for (unsigned i = 0; i < server->conns; i++)
		conn_announce(&server->conn[i]);
}

void host_server_keys_changed(struct host_server *server)
{
	for (unsigned i = 0; i < server->conns; i++)
		if (server->conn[i].state == CONN_HANDSHAKE ||
		    (server->conn[i].state != CONN_FREE && server->conn[i].peer.key))
			conn_drop(&server->conn[i]);
}

void host_server_close(struct host_server *server)
{
	for (unsigned i = 0; i < server->listeners; i++)
		listener_close(&server->listener[i]);
	for (unsigned i = 0; i < server->conns; i++)
		if (server->conn[i].state != CONN_FREE)
			conn_drop(&server->conn[i]);
	server->listeners = server->conns = 0;
}

/* The limit of open files, raised to FDS_WANTED as far as the hard limit allows. */
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

static int fds_for_connections(int limit)
{
	return limit - (limit / 4 < FDS_RESERVED ? limit / 4 : FDS_RESERVED);
}

static void add_listener(struct host_server *server, const struct listener_address *address)
{
	assert(server->listeners < LISTENERS_MAX);
	listener_init(&server->listener[server->listeners++], server->shared.loop, address,
		      server_accept, server);
}

void host_server_init(struct host_server *server, struct loop *loop, struct exports *exports,
		      struct access *access, uint32_t dead_after,
		      const struct listener_address *address, unsigned addresses)
{
	int limit = raise_fd_limit();

	if (limit < FDS_FEW)
		log_warning("only %u open files are allowed (ulimit -n)", (unsigned)limit);
	server->fds_max = fds_for_connections(limit);
	server->shared = (struct conn_shared){
		.loop = loop,
		.exports = exports,
		.access = access,
		.devlist = &server->devlist,
		.filtered = &server->filtered,
		.dead_after = dead_after,
	};
	for (unsigned i = 0; i < addresses; i++)
		add_listener(server, &address[i]);
	devlist_clear(&server->devlist);
}
