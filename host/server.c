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
	FDS_WANTED = EXPORTER_PEERS_MAX + EXPORTS_MAX + FDS_RESERVED + 64,
	SAY_AGAIN_MS = 60000, /* until the same trouble is said again */
};

bool exporter_complain(struct exporter *exporter, uint64_t *said, const struct in6_addr *address,
		       const char *what)
{
	uint64_t now = exporter->loop->now;
	char text[ADDR_TEXT_SIZE];

	if (*said && now - *said < SAY_AGAIN_MS)
		return false;
	*said = now;
	addr_text(address, text);
	log_warning("refused a connection of %s: %s", text, what);
	return true;
}

/* A place for a connection from there; NULL when it, or all, has too many. */
static struct peer *find_place(struct exporter *exporter, const struct in6_addr *address)
{
	struct peer *place = NULL;
	unsigned same = 0, i;

	for (i = 0; i < exporter->peers; i++) {
		struct peer *peer = &exporter->peer[i];

		if (peer->state == PEER_FREE)
			place = place ? place : peer;
		else if (IN6_ARE_ADDR_EQUAL(&peer->who.address, address))
			same++;
	}
	if (same >= EXPORTER_PEERS_EACH || (!place && i == EXPORTER_PEERS_MAX))
		return NULL;
	if (!place)
		place = &exporter->peer[exporter->peers++];
	return place;
}

/* Somebody who may not connect: said once, and not of so many that it fills the log. */
static void refuse_stranger(struct exporter *exporter, const struct in6_addr *address)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < EXPORTER_STRANGERS; i++) {
		if (exporter->stranger_said[i] &&
		    IN6_ARE_ADDR_EQUAL(&exporter->stranger[i], address))
			return;
		if (exporter->stranger_said[i] < exporter->stranger_said[oldest])
			oldest = i;
	}
	if (exporter_complain(exporter, &exporter->stranger_said[oldest], address,
			      "--allow does not name it"))
		exporter->stranger[oldest] = *address;
}

static void accepted(void *ctx, int fd, const struct in6_addr *address)
{
	struct exporter *exporter = ctx;
	struct peer *place;

	if (exporter->networks && !cidr_list_contains(exporter->networks, address)) {
		refuse_stranger(exporter, address);
		close(fd);
		return;
	}
	place = fd < exporter->fds_max ? find_place(exporter, address) : NULL;
	if (place) {
		peer_open(place, exporter, fd, address);
		return;
	}
	exporter_complain(exporter, &exporter->full_said, address, "there are too many");
	close(fd);
}

/* Where somebody else listens, that is said once, be it with IPv4, IPv6 or both. */
static void say_listener(struct exporter *exporter, const struct listener *listener)
{
	const char *name = listener->address.name;

	if (listener->error == -EADDRINUSE && !exporter->taken) {
		log_warning("%s is in use: who listens there serves the clients until it goes, "
			  "whatever --allow, --psk and 'to' in rules say",
			  name);
		exporter->taken = true;
	} else if (!listener->error) {
		log_info("listening on %s", name);
		exporter->taken = false;
	} else if (listener->error != -EADDRINUSE &&
		   listener->error != -EAFNOSUPPORT) { /* a kernel without IPv6 */
		log_warning_errno(listener->error, "cannot listen on %s", name);
	}
}

static void try_listener(struct exporter *exporter, struct listener *listener)
{
	int error = listener_pass(listener);

	if (error == listener->error)
		return;
	listener->error = error;
	say_listener(exporter, listener);
}

void exporter_pass(struct exporter *exporter)
{
	for (unsigned i = 0; i < exporter->listeners; i++)
		try_listener(exporter, &exporter->listener[i]);
	for (unsigned i = 0; i < exporter->peers; i++)
		if (exporter->peer[i].state != PEER_FREE)
			peer_pass(&exporter->peer[i]);
	while (exporter->peers && exporter->peer[exporter->peers - 1].state == PEER_FREE)
		exporter->peers--;
}

bool exporter_allows(const struct exporter *exporter, const struct export *export,
		     const struct peer_id *who)
{
	struct rule_facts facts = export->facts;
	const struct rule *rule;

	facts.to = who;
	if (!exporter->rules)
		return true;
	return export->wanted && rules_judge(exporter->rules, &facts, &rule) == RULE_ALLOW;
}

bool exporter_trusts(const struct exporter *exporter, const struct peer_id *who)
{
	if (!exporter->keys)
		return true;
	if (who->key) {
		const struct psk *key = keys_find(exporter->keys, who->key);

		return key && key->print == who->print;
	}
	return addr_is_v4(&who->address) ? who->address.s6_addr[12] == 127
					    : IN6_IS_ADDR_LOOPBACK(&who->address);
}

bool exporter_has_aes(struct exporter *exporter)
{
	const struct loop *loop = exporter->loop;

	if (loop->now >= exporter->aes_again) {
		exporter->aes = ktls_has_aes();
		exporter->aes_again = loop->now + loop->interval;
	}
	return exporter->aes;
}

void exporter_announce(struct exporter *exporter)
{
	for (unsigned i = 0; i < exporter->peers; i++)
		peer_announce(&exporter->peer[i]);
}

void exporter_new_keys(struct exporter *exporter)
{
	for (unsigned i = 0; i < exporter->peers; i++)
		if (exporter->peer[i].who.key || exporter->peer[i].state == PEER_SHAKING)
			peer_drop(&exporter->peer[i]);
}

void exporter_close(struct exporter *exporter)
{
	for (unsigned i = 0; i < exporter->listeners; i++)
		loop_drop(exporter->loop, &exporter->listener[i].source);
	for (unsigned i = 0; i < exporter->peers; i++)
		if (exporter->peer[i].state != PEER_FREE)
			peer_drop(&exporter->peer[i]);
	exporter->listeners = exporter->peers = 0;
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

static void listen_on(struct exporter *exporter, const struct listener_address *address)
{
	struct listener *listener = &exporter->listener[exporter->listeners++];

	listener->address = *address;
	listener->accepted = accepted;
	listener->ctx = exporter;
	listener_init(listener, exporter->loop);
}

void exporter_init(struct exporter *exporter, struct loop *loop, struct exports *exports,
		   uint32_t dead_after, const struct listener_address *address, unsigned addresses)
{
	int limit;

	exporter->loop = loop;
	exporter->exports = exports;
	exporter->dead_after = dead_after;
	limit = raise_limit();
	if (limit < FDS_FEW)
		log_warning("only %u open files are allowed (ulimit -n)", (unsigned)limit);
	exporter->fds_max = limit - (limit / 4 < FDS_RESERVED ? limit / 4 : FDS_RESERVED);
	for (unsigned i = 0; i < addresses; i++)
		listen_on(exporter, &address[i]);
	listing_begin(&exporter->listing);
}
