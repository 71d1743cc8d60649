/* SPDX-License-Identifier: MIT */
/*
 * One connection of a client: its request and the reply, or the device lists of a watch.
 *
 *	FREE ---> READING <--> HANDSHAKE
 *		     |
 *		     +---> WATCHING		(until the peer leaves)
 *		     |
 *		     +---> WAITING ---+
 *		     |		      v
 *		     +------------> CLOSING
 *
 * Every state may be followed by FREE: the connection was dropped, or after READING or WAITING it
 * was handed over to the kernel as the session of a device.
 */
#ifndef HOST_CONN_H
#define HOST_CONN_H

#include "host/access.h"
#include "host/devlist.h"
#include "host/export.h"
#include "loop/loop.h"
#include "proto/op.h"
#include "tls/ktls.h"

enum {
	CONN_REQUEST_MS = 5000,	    /* from accept to the last byte of the request */
	CONN_IMPORT_MS = 2000,	    /* for a device to become free after its last session */
	CONN_CLOSE_MS = 5000,	    /* from the reply to the end of the connection */
	CONN_LIST_EVERY_MS = 10000, /* from one list of a watch to the next if nothing changes */
	CONN_SEND_LIST_MS = 25000,  /* for a watcher to make room for a list that is due */
};

enum conn_state {
	CONN_FREE = 0,	/* the place is not in use */
	CONN_READING,	/* the request is not complete */
	CONN_HANDSHAKE, /* TLS, before the request */
	CONN_WAITING,	/* an import, for the device to become free */
	CONN_CLOSING,	/* replied: until the peer has read it and closes */
	CONN_WATCHING,	/* a list is sent whenever the devices change */
};

/* Shared by all connections of a server. */
struct conn_shared {
	struct loop *loop;
	struct exports *exports;
	struct access *access;
	struct devlist *devlist;  /* all devices that can be imported */
	struct devlist *filtered; /* for those of them that one peer may see */
	uint32_t dead_after;	  /* seconds; see session_set_timeouts() */
	bool aes;		  /* the latest result of ktls_has_aes() */
	uint64_t aes_until;	  /* when that is looked up again */
};

/* Times are ms of the loop's clock. A state uses one deadline. */
struct conn {
	struct loop_source source; /* owns the socket */
	struct conn_shared *shared;
	struct peer_id peer; /* its key: proved in HANDSHAKE, else NULL */
	enum conn_state state;
	uint64_t request_by; /* READING, HANDSHAKE: the request is complete, or the peer dropped */
	uint64_t free_by;    /* WAITING: the device is free, or the import refused */
	uint64_t close_by;   /* CLOSING: the peer has closed, or is dropped */
	uint64_t send_by;    /* WATCHING, list_due: the list is sent, or the peer dropped */
	uint64_t sent;	     /* WATCHING: when the last list was */
	bool list_due;	     /* WATCHING: a list goes out as soon as the one before it has */
	uint8_t len;	     /* of bytes */
	uint8_t bytes[OP_REQ_IMPORT_SIZE]; /* of the request, as received */
	struct op_request request;	   /* the same, decoded; valid after READING */
	struct tls tls;			   /* HANDSHAKE; all zeros but for the key after it */
};

/*
 * Takes over fd, a new connection from that address, in a place that is FREE. The place may be FREE
 * again after any call.
 */
void conn_open(struct conn *conn, struct conn_shared *shared, int fd,
	       const struct in6_addr *address);
/* Called in every pass, unless the place is FREE: deadlines, waiting imports, lists of a watch. */
void conn_pass(struct conn *conn);
/* The devices have changed: if this is a watch, a list is due. */
void conn_announce(struct conn *conn);
/* Ends the connection at once; the place is FREE. */
void conn_drop(struct conn *conn);

#endif
