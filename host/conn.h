/* SPDX-License-Identifier: MIT */
/* One connection of a client: its request and the answer, or the lists of a watch. */
#ifndef HOST_CONN_H
#define HOST_CONN_H

#include "loop/loop.h"
#include "policy/rules.h"
#include "proto/op.h"
#include "tls/ktls.h"

enum {
	PEER_REQUEST_MS = 5000, /* from the connection to the last byte of a request or handshake */
	PEER_IMPORT_MS = 2000,	/* for a device to be free after its last session */
	PEER_ALIVE_MS = 10000,	/* between lists of a watch that say the same */
	PEER_DEAD_MS = 25000,	/* for a watcher to take a list */
};

enum peer_state {
	PEER_FREE = 0, /* the place is not in use */
	PEER_SHAKING,  /* hands, before anything else */
	PEER_READING,  /* the request */
	PEER_WAITING,  /* for the device to be free */
	PEER_CLOSING,  /* all is said: until the other end has it and closes */
	PEER_WATCHING,
};

struct exporter;

struct peer {
	struct loop_source source;
	struct exporter *exporter;
	struct peer_id who;
	uint64_t deadline;	 /* when watching: to take the list that is due, 0: none is */
	uint64_t sent;		 /* when watching: the last list */
	uint8_t state;		 /* enum peer_state */
	uint8_t len;		 /* of request */
	uint8_t request[OP_REQ_IMPORT_SIZE];
	struct tls tls; /* when shaking hands */
};

/* A new connection, in a free place; it may be free again after any call. */
void peer_open(struct peer *peer, struct exporter *exporter, int fd,
	       const struct in6_addr *address);
/* In every pass. */
void peer_pass(struct peer *peer);
/* The list has changed. */
void peer_announce(struct peer *peer);
void peer_drop(struct peer *peer);

#endif
