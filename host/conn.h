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
#include "host/export.h"
#include "tls/ktls.h"

enum {
	CONN_REQUEST_MS = 5000,	    /* from accept to the last byte of the request */
	CONN_IMPORT_MS = 2000,	    /* for a device to become free after its last session */
	CONN_CLOSE_MS = 5000,	    /* from the reply to the end of the connection */
	CONN_LIST_EVERY_MS = 10000, /* from one list of a watch to the next if nothing changes */
	CONN_SEND_LIST_MS = 25000,  /* for a watcher to make room for a list that is due */
	/*
	 * Room for the 16 devices that usbip-host can hold, each with as many interfaces as there
	 * can be, and for some more. The whole list goes out in one send(2).
	 */
	CONN_LIST_SIZE = 32768,
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
	struct exports *exports; /* lists have those that are listed */
	struct access *access;
	uint32_t dead_after; /* seconds; see session_set_timeouts() */
	bool aes;	     /* the latest result of ktls_has_aes() */
	uint64_t aes_until;  /* when that is looked up again */
	uint8_t list[CONN_LIST_SIZE]; /* the one that is being sent */
};

struct conn {
	struct loop_source source; /* owns the socket */
	struct conn_shared *shared;
	struct peer_id peer; /* its key: proved in HANDSHAKE, else NULL */
	enum conn_state state;
	/* The end of the state, in ms of the loop's clock. WAITING: the import is refused then.
	 * WATCHING: a list is due, or was for too long. All others: the connection is dropped. */
	uint64_t deadline;
	bool list_due; /* WATCHING: a list goes out as soon as the one before it has */
	uint8_t len;   /* of bytes */
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

/* Between conn.c and conn_reply.c. The state changes only here, by a transition drawn above. */
void conn_set_state(struct conn *conn, enum conn_state state);
/* The deadline is ms from now, or a little later. */
void conn_set_deadline(struct conn *conn, uint32_t ms);
/* In READING with a whole request: replies, begins a watch, or does as conn_import(). */
void conn_answer(struct conn *conn);
/*
 * In READING with the request for an import, or in WAITING: hands the connection over to the
 * kernel, refuses the import, or waits for the device.
 */
void conn_import(struct conn *conn);
/* In WATCHING, when the socket has room for the list that is due. */
void conn_send_due_list(struct conn *conn);

#endif
