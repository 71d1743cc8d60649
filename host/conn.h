/* SPDX-License-Identifier: MIT */
/* One connection of a client: its request and the answer, or the lists of a watch. */
#ifndef HOST_CONN_H
#define HOST_CONN_H

#include "loop/loop.h"
#include "policy/rules.h"
#include "proto/op.h"
#include "tls/ktls.h"

enum {
	CONN_REQUEST_MS = 5000, /* from the connection to the last byte of a request or handshake */
	CONN_IMPORT_MS = 2000,	/* for a device to be free after its last session */
	CONN_LIST_EVERY_MS = 10000,	/* between lists of a watch that say the same */
	CONN_SEND_LIST_MS = 25000,	/* for a watcher to take a list */
};

enum conn_state {
	CONN_FREE = 0, /* the place is not in use */
	CONN_HANDSHAKE,  /* hands, before anything else */
	CONN_READING,  /* the request */
	CONN_WAITING,  /* for the device to be free */
	CONN_CLOSING,  /* all is said: until the other end has it and closes */
	CONN_WATCHING,
};

struct host_server;

struct conn {
	struct loop_source source;
	struct host_server *server;
	struct peer_id who;
	uint64_t deadline;	 /* when watching: to take the list that is due, 0: none is */
	uint64_t sent;		 /* when watching: the last list */
	uint8_t state;		 /* enum conn_state */
	uint8_t len;		 /* of request */
	uint8_t request[OP_REQ_IMPORT_SIZE];
	struct tls tls; /* when shaking hands */
};

/* A new connection, in a free place; it may be free again after any call. */
void conn_open(struct conn *conn, struct host_server *server, int fd,
	       const struct in6_addr *address);
/* In every pass. */
void conn_pass(struct conn *conn);
/* The list has changed. */
void conn_announce(struct conn *conn);
void conn_drop(struct conn *conn);

#endif
