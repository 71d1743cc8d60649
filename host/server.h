/* SPDX-License-Identifier: MIT */
/*
 * The network side of the server role: listeners, and a fixed table of connections. Peers are not
 * trusted: every step of a connection has a deadline, connections are limited in all and for each
 * address, the newest is refused first, and no memory is allocated.
 */
#ifndef HOST_SERVER_H
#define HOST_SERVER_H

#include "host/conn.h"
#include "lib/log.h"

enum {
	LISTENERS_MAX = 8,
	CONNS_MAX = 512,
	CONNS_PER_ADDRESS_MAX = 256, /* half of them, so that other addresses find a place */
};

struct listener_address {
	struct addr addr;
	char name[64]; /* ADDR:PORT, for messages */
};

/* Parses ADDR[:PORT], an IPv6 address in brackets. Returns false if text is not of that form. */
bool listener_parse(struct listener_address *address, const char *text);

/* A socket on which clients connect. One that cannot listen tries again in every pass. */
struct listener {
	struct loop_source source; /* fd is -1: it does not listen */
	struct host_server *server;
	struct listener_address address;
	int error; /* of the last try, 0 or -errno; -EINPROGRESS: there was none */
};

struct host_server {
	struct conn_shared shared;
	int fds_max; /* file descriptors from here on are not for connections */
	struct log_once port_in_use;
	unsigned listeners;
	struct listener listener[LISTENERS_MAX];
	unsigned conns; /* 1 + the highest place in conn[] that is not FREE, or was in this pass */
	struct conn conn[CONNS_MAX];
};

/*
 * server is all zeros. exports and access must stay valid; at most LISTENERS_MAX addresses, which
 * are copied. dead_after: seconds, see session_set_timeouts(). Listens from the first pass on.
 */
void host_server_init(struct host_server *server, struct loop *loop, struct exports *exports,
		      struct access *access, uint32_t dead_after,
		      const struct listener_address *address, unsigned addresses);
/* Called in every pass. Tries again to listen where another program did. */
void host_server_pass(struct host_server *server);
/* The keys were read again: drops the connections that depend on one. */
void host_server_keys_changed(struct host_server *server);
/* The list of devices has changed: sends it to the watches. */
void host_server_announce(struct host_server *server);
/* Closes the listeners and all connections. Sessions go on: they belong to the exports. */
void host_server_close(struct host_server *server);

#endif
