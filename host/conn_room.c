/* SPDX-License-Identifier: MIT */
/* Which connection has to leave for a new one. */
#include "host/server.h"

#include "lib/util.h"

#include <string.h>

/* A connection that could leave, and how many its peer has. */
struct candidate {
	struct conn *conn;
	unsigned peers;
	bool idle;
};

static unsigned count_of_peer(const struct host_server *server, const struct in6_addr *address)
{
	unsigned n = 0;

	for (unsigned i = 0; i < server->conns; i++)
		n += server->conn[i].state != CONN_FREE &&
		     addr_is_same_peer(&server->conn[i].peer.address, address);
	return n;
}

/* It has proved nothing: neither a key nor that it speaks the protocol. */
static bool conn_is_idle(const struct conn *conn)
{
	return conn->state == CONN_HANDSHAKE || (conn->state == CONN_READING && !conn->peer.key);
}

static bool leaves_before(const struct candidate *a, const struct candidate *b)
{
	if (a->idle != b->idle)
		return a->idle;
	if (a->peers != b->peers)
		return a->peers > b->peers;
	return a->conn->deadline < b->conn->deadline;
}

/* Of a peer that has no more than own, only an idle one leaves. */
static bool may_leave(const struct candidate *candidate, unsigned own)
{
	return candidate->idle ? candidate->peers >= own : candidate->peers > own + 1;
}

/* For a peer that has own connections. peer is not NULL: only one of its. */
static struct conn *find_leaver(struct host_server *server, const struct in6_addr *peer,
				unsigned own)
{
	struct candidate best = { .conn = NULL };

	for (unsigned i = 0; i < server->conns; i++) {
		struct candidate candidate = { .conn = &server->conn[i] };
		const struct in6_addr *address = &candidate.conn->peer.address;

		if (candidate.conn->state == CONN_FREE ||
		    (peer && !addr_is_same_peer(address, peer)))
			continue;
		candidate.idle = conn_is_idle(candidate.conn);
		if (best.conn && best.idle && !candidate.idle)
			continue;
		candidate.peers = peer ? own : count_of_peer(server, address);
		if (may_leave(&candidate, own) &&
		    (!best.conn || leaves_before(&candidate, &best)))
			best = candidate;
	}
	return best.conn;
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
	unsigned own = count_of_peer(server, address);
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
