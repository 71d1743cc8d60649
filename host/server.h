/* SPDX-License-Identifier: MIT */
/*
 * The network side of the server: listens, and answers the requests of clients. It trusts nobody:
 * a request has a deadline, connections are counted in all and for each address, newcomers are
 * refused first, and nothing is allocated.
 */
#ifndef HOST_SERVER_H
#define HOST_SERVER_H

#include "host/conn.h"
#include "host/devlist.h"
#include "host/export.h"
#include "host/listener.h"
#include "tls/keyfile.h"

enum {
	CONNS_MAX = 512,
	CONNS_PER_ADDRESS_MAX = 256, /* of one address: half, so that others find a place */
	STRANGERS_MAX = 32,   /* so many are said, a minute */
};

struct host_server {
	struct loop *loop;
	struct exports *exports;
	const struct rules *rules; /* who may have what; NULL: everybody everything */
	const struct cidr_list *networks; /* who may connect; NULL: everybody */
	const struct keys *keys;	 /* one of which is asked for; NULL: none is */
	uint32_t dead_after;
	unsigned listeners;
	unsigned conns;	    /* one more than the highest place that was in use */
	bool taken;	    /* said that somebody else listens */
	int fds_max;	    /* descriptors from here on are for other uses */
	uint64_t full_said; /* when it was said that there are too many connections */
	uint64_t bad_said;  /* when it was said that a request was bad */
	uint64_t denied_said; /* when it was said that somebody may not have a device */
	uint64_t tls_said;    /* when it was said that a handshake failed */
	uint64_t aes_again;   /* when ktls_has_aes() is asked again */
	bool aes;	      /* what it said last */
	uint64_t stranger_said[STRANGERS_MAX];
	struct in6_addr stranger[STRANGERS_MAX]; /* refused, and that was said */
	struct listener listener[LISTENERS_MAX];
	struct conn conn[CONNS_MAX];
	struct devlist devlist; /* what clients get; host_server_announce() after a change */
	struct devlist part;	/* of it, for one of them */
};

/* server is all zeros. At most LISTENERS_MAX addresses, which are copied. */
void host_server_init(struct host_server *server, struct loop *loop, struct exports *exports,
		   uint32_t dead_after, const struct listener_address *address, unsigned addresses);
/* In every pass. Listens where it does not yet: somebody else may have gone. */
void host_server_pass(struct host_server *server);
/* Whether who is there may have, and see, the device. */
bool host_server_allows(const struct host_server *server, const struct export *export,
		     const struct peer_id *who);
/* Whether who is there may go on: its key is one of those, if there are some, or it is here. */
bool host_server_trusts(const struct host_server *server, const struct peer_id *who);
/* ktls_has_aes(), asked once an interval. */
bool host_server_has_aes(struct host_server *server);
/* The keys are others now: who has used one proves himself anew. */
void host_server_keys_changed(struct host_server *server);
/* The list has changed. */
void host_server_announce(struct host_server *server);
/*
 * Says what was wrong with a connection from there, once in a while; *said is when it was last.
 * False: it was not said.
 */
bool host_server_complain(struct host_server *server, uint64_t *said,
			  const struct in6_addr *address, const char *what);
/* Closes everything but sessions. */
void host_server_close(struct host_server *server);

#endif
