/* SPDX-License-Identifier: MIT */
/* Which connection has to leave for a new one. */
#include "host/server.h"

#include "lib/util.h"

#include <string.h>

unsigned conn_adjust_count(struct host_server *server, const struct in6_addr *address, int more)
{
	unsigned n = 0;

	for (unsigned i = 0; i < server->conns; i++) {
		struct conn *conn = &server->conn[i];

		if (conn->state == CONN_FREE || !addr_is_same_peer(&conn->peer.address, address))
			continue;
		conn->of_peer = (uint16_t)(conn->of_peer + more);
		n++;
	}
	return n;
}

/* It has proved nothing: neither a key nor that it speaks the protocol. */
static bool conn_is_idle(const struct conn *conn)
{
	return conn->state == CONN_HANDSHAKE || (conn->state == CONN_READING && !conn->peer.key);
}

static bool leaves_before(const struct conn *a, const struct conn *b)
{
	if (conn_is_idle(a) != conn_is_idle(b))
		return conn_is_idle(a);
	if (a->of_peer != b->of_peer)
		return a->of_peer > b->of_peer;
	return a->deadline < b->deadline;
}

/* Of a peer that has no more than own, only an idle one leaves. */
static bool may_leave(const struct conn *conn, unsigned own)
{
	return conn_is_idle(conn) ? conn->of_peer >= own : conn->of_peer > own + 1;
}

/* For a peer that has own connections. peer is not NULL: only one of its. */
static struct conn *find_leaver(struct host_server *server, const struct in6_addr *peer,
				unsigned own)
{
	struct conn *best = NULL;

	for (unsigned i = 0; i < server->conns; i++) {
		struct conn *conn = &server->conn[i];

		if (conn->state == CONN_FREE || !may_leave(conn, own) ||
		    (peer && !addr_is_same_peer(&conn->peer.address, peer)))
			continue;
		if (!best || leaves_before(conn, best))
			best = conn;
	}
	return best;
}

static struct conn *find_free(struct host_server *server)
{
	for (unsigned i = 0; i < server->conns; i++)
		if (server->conn[i].state == CONN_FREE)
			return &server->conn[i];
	return server->conns < CONNS_MAX ? &server->conn[server->conns++] : NULL;
}

struct conn *conn_make_room(struct host_server *server, const struct in6_addr *address)
{
	unsigned own = conn_adjust_count(server, address, 0);
	bool most = own >= CONNS_PER_PEER_MAX;
	struct conn *conn = most ? NULL : find_free(server);

	if (conn)
		return conn;
	conn = find_leaver(server, most ? address : NULL, own);
	access_log_refusal(server->access, ACCESS_TOO_MANY, server->loop->now,
			   conn ? &conn->peer.address : address,
			   "connection %s: too many connections; there may be %u of one address "
			   "or /64 and %u in all", conn ? "dropped for a new one" : "refused",
			   (unsigned)CONNS_PER_PEER_MAX, (unsigned)CONNS_MAX);
	if (conn)
		conn_drop(conn);
	return conn;
}
