/* SPDX-License-Identifier: MIT */
/* The network side of the server: listens, and has a place for each connection. */
#include "host/server.h"

#include "lib/addr.h"
#include "lib/log.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	FDS_RESERVED = 24, /* for sysfs and children, or a quarter of what is allowed */
	FDS_FEW = 24,	   /* a server has no use for less */
	FDS_WANTED = CONNS_MAX + EXPORTS_MAX + FDS_RESERVED + 64,
	SAY_AGAIN_MS = 60000, /* until the same trouble is said again */
};

bool host_server_complain(struct host_server *server, uint64_t *said,
			  const struct in6_addr *address, const char *what)
{
	uint64_t now = server->loop->now;
	char text[ADDR_TEXT_SIZE];

	if (*said && now - *said < SAY_AGAIN_MS)
		return false;
	*said = now;
	addr_text(address, text);
	log_warning("refused a connection of %s: %s", text, what);
	return true;
}

/* A place for a connection from there; NULL when it, or all, has too many. */
static struct conn *find_place(struct host_server *server, const struct in6_addr *address)
{
	struct conn *place = NULL;
	unsigned same = 0, i;

	for (i = 0; i < server->conns; i++) {
		struct conn *conn = &server->conn[i];

		if (conn->state == CONN_FREE)
			place = place ? place : conn;
		else if (IN6_ARE_ADDR_EQUAL(&conn->who.address, address))
			same++;
	}
	if (same >= CONNS_PER_ADDRESS_MAX || (!place && i == CONNS_MAX))
		return NULL;
	if (!place)
		place = &server->conn[server->conns++];
	return place;
}

/* Somebody who may not connect: said once, and not of so many that it fills the log. */
static void refuse_stranger(struct host_server *server, const struct in6_addr *address)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < STRANGERS_MAX; i++) {
		if (server->stranger_said[i] &&
		    IN6_ARE_ADDR_EQUAL(&server->stranger[i], address))
			return;
		if (server->stranger_said[i] < server->stranger_said[oldest])
			oldest = i;
	}
	if (host_server_complain(server, &server->stranger_said[oldest], address,
			      "--allow does not name it"))
		server->stranger[oldest] = *address;
}

static void accepted(void *ctx, int fd, const struct in6_addr *address)
{
	struct host_server *server = ctx;
	struct conn *place;

	if (server->networks && !cidr_list_contains(server->networks, address)) {
		refuse_stranger(server, address);
		close(fd);
		return;
	}
	place = fd < server->fds_max ? find_place(server, address) : NULL;
	if (place) {
		conn_open(place, server, fd, address);
		return;
	}
	host_server_complain(server, &server->full_said, address, "there are too many");
	close(fd);
}

/* Where somebody else listens, that is said once, be it with IPv4, IPv6 or both. */
static void say_listener(struct host_server *server, const struct listener *listener)
{
	const char *name = listener->address.name;

	if (listener->error == -EADDRINUSE && !server->taken) {
		log_warning("%s is in use: who listens there serves the clients until it goes, "
			  "whatever --allow, --psk and 'to' in rules say",
			  name);
		server->taken = true;
	} else if (!listener->error) {
		log_info("listening on %s", name);
		server->taken = false;
	} else if (listener->error != -EADDRINUSE &&
		   listener->error != -EAFNOSUPPORT) { /* a kernel without IPv6 */
		log_warning_errno(listener->error, "cannot listen on %s", name);
	}
}

static void try_listener(struct host_server *server, struct listener *listener)
{
	int error = listener_pass(listener);

	if (error == listener->error)
		return;
	listener->error = error;
	say_listener(server, listener);
}

void host_server_pass(struct host_server *server)
{
	for (unsigned i = 0; i < server->listeners; i++)
		try_listener(server, &server->listener[i]);
	for (unsigned i = 0; i < server->conns; i++)
		if (server->conn[i].state != CONN_FREE)
			conn_pass(&server->conn[i]);
	while (server->conns && server->conn[server->conns - 1].state == CONN_FREE)
		server->conns--;
}

bool host_server_allows(const struct host_server *server, const struct export *export,
		     const struct peer_id *who)
{
	struct rule_facts facts = export->facts;
	const struct rule *rule;

	facts.to = who;
	if (!server->rules)
		return true;
	return export->wanted && rules_judge(server->rules, &facts, &rule) == RULE_ALLOW;
}

bool host_server_trusts(const struct host_server *server, const struct peer_id *who)
{
	if (!server->keys)
		return true;
	if (who->key) {
		const struct psk *key = keys_find(server->keys, who->key);

		return key && key->print == who->print;
	}
	return addr_is_v4(&who->address) ? who->address.s6_addr[12] == 127
					    : IN6_IS_ADDR_LOOPBACK(&who->address);
}

bool host_server_has_aes(struct host_server *server)
{
	const struct loop *loop = server->loop;

	if (loop->now >= server->aes_again) {
		server->aes = ktls_has_aes();
		server->aes_again = loop->now + loop->interval;
	}
	return server->aes;
}

void host_server_announce(struct host_server *server)
{
	for (unsigned i = 0; i < server->conns; i++)
		conn_announce(&server->conn[i]);
}

void host_server_keys_changed(struct host_server *server)
{
	for (unsigned i = 0; i < server->conns; i++)
		if (server->conn[i].who.key || server->conn[i].state == CONN_HANDSHAKE)
			conn_drop(&server->conn[i]);
}

void host_server_close(struct host_server *server)
{
	for (unsigned i = 0; i < server->listeners; i++)
		loop_drop(server->loop, &server->listener[i].source);
	for (unsigned i = 0; i < server->conns; i++)
		if (server->conn[i].state != CONN_FREE)
			conn_drop(&server->conn[i]);
	server->listeners = server->conns = 0;
}

/* As many descriptors as there may be connections, as far as that is allowed. */
static int raise_limit(void)
{
	struct rlimit limit;

	/* setrlimit() is for threads, too */
	if (prlimit(0, RLIMIT_NOFILE, NULL, &limit))
		return FDS_RESERVED;
	if (limit.rlim_cur >= FDS_WANTED)
		return FDS_WANTED;
	limit.rlim_cur = limit.rlim_max < FDS_WANTED ? limit.rlim_max : FDS_WANTED;
	prlimit(0, RLIMIT_NOFILE, &limit, NULL);
	return (int)limit.rlim_cur;
}

static void listen_on(struct host_server *server, const struct listener_address *address)
{
	struct listener *listener = &server->listener[server->listeners++];

	listener->address = *address;
	listener->accepted = accepted;
	listener->ctx = server;
	listener_init(listener, server->loop);
}

void host_server_init(struct host_server *server, struct loop *loop, struct exports *exports,
		   uint32_t dead_after, const struct listener_address *address, unsigned addresses)
{
	int limit;

	server->loop = loop;
	server->exports = exports;
	server->dead_after = dead_after;
	limit = raise_limit();
	if (limit < FDS_FEW)
		log_warning("only %u open files are allowed (ulimit -n)", (unsigned)limit);
	server->fds_max = limit - (limit / 4 < FDS_RESERVED ? limit / 4 : FDS_RESERVED);
	for (unsigned i = 0; i < addresses; i++)
		listen_on(server, &address[i]);
	devlist_clear(&server->devlist);
}
