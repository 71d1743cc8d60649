/* SPDX-License-Identifier: MIT */
/*
 * The network side of the server role: listeners, and a fixed table of connections. Peers are not
 * trusted: every step of a connection has a deadline, connections are limited in all and for each
 * peer, and no memory is allocated. Where a limit is reached, the oldest connection that has proved
 * nothing leaves for a new one, then one of a peer that has more; else the new one is refused.
 *
 * A connection of a client is its request and the reply, or the device lists of a watch:
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
#ifndef HOST_SERVER_H
#define HOST_SERVER_H

#include "host/access.h"
#include "host/dialer.h"
#include "host/export.h"
#include "tls/handshake.h"

enum {
	LISTENERS_MAX = 8,
	DIALERS_MAX = 8,
	CONNS_MAX = 512,
	CONNS_PER_PEER_MAX = 256, /* half of them; a peer is as addr_is_same_peer() */

	CONN_REQUEST_MS = 5000,	    /* from accept to the last byte of the request */
	CONN_IMPORT_MS = 2000,	    /* for a device to become free after its last session */
	CONN_TAKE_MS = 10000,	    /* for a device to be taken on demand */
	CONN_CLOSE_MS = 5000,	    /* from the reply to the end of the connection */
	CONN_LIST_EVERY_MS = 10000, /* from one list of a watch to the next if nothing changes */
	CONN_SEND_LIST_MS = 25000,  /* for a watcher to make room for a list that is due */
	/* Room for all devices with four interfaces each. The whole list goes out in one send(2):
	 * a new connection with segments of 1448 bytes takes up to 46336. */
	CONN_LIST_SIZE = OP_DEVLIST_HEAD_SIZE +
			 EXPORTS_MAX * (OP_DEVICE_SIZE + 4 * OP_INTERFACE_SIZE),
};

enum conn_state {
	CONN_FREE = 0,	/* the place is not in use */
	CONN_READING,	/* the request is not complete */
	CONN_HANDSHAKE, /* TLS, before the request */
	CONN_WAITING,	/* an import, for the device to be taken or to become free */
	CONN_CLOSING,	/* replied: until the peer has read it and closes */
	CONN_WATCHING,	/* a list is sent whenever the devices change */
};

struct conn {
	struct loop_source source; /* owns the socket */
	struct host_server *server;
	int encrypted; /* the connection, if the socket is that of a relay; else -1 */
	struct dialer *dialer; /* this is its spare connection; NULL: of none */
	struct peer_id peer; /* its key: proved in HANDSHAKE, else NULL */
	uint16_t of_peer;    /* how many connections this peer has; invalid in FREE */
	enum conn_state state;
	/* The end of the state, in ms of the loop's clock. WAITING: the import is refused then.
	 * WATCHING: a list is due, or was for too long. All others: the connection is dropped. */
	uint64_t deadline;
	bool list_due; /* WATCHING: a list goes out as soon as the one before it has */
	uint8_t len;   /* of bytes */
	union {
		uint8_t bytes[OP_REQ_IMPORT_SIZE]; /* READING: the request, as received */
		struct op_request request;	   /* after it: decoded */
	};
};

struct listener_address {
	struct addr addr; /* its len is 0 while its interface is not there */
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
	struct loop *loop;
	struct exports *exports; /* clients see those that are listed */
	struct access *access;
	uint32_t dead_after; /* seconds; see session_set_timeouts() */
	uint64_t identity;   /* of this run, for the mark of lists; 0: not known */
	bool alone;	     /* no other program may serve the devices */
	int fds_max;	     /* file descriptors from here on are not for connections */
	bool aes;	     /* the latest result of ktls_has_aes() */
	uint64_t aes_until;  /* when that is looked up again */
	struct log_once port_in_use, list_full;
	struct dialer dialer[DIALERS_MAX];
	unsigned listeners;
	struct listener listener[LISTENERS_MAX];
	unsigned conns; /* 1 + the highest place in conn[] that is not FREE, or was in this pass */
	struct conn conn[CONNS_MAX];
	/* Of each in HANDSHAKE; all zeros but for the key after it. Apart, as most connections have
	 * none, and so no memory for it. */
	struct tls tls[CONNS_MAX];
	uint8_t list[CONN_LIST_SIZE]; /* that is being sent */
};

/* server is all zeros. exports and access must stay valid; at most LISTENERS_MAX addresses, which
 * are copied. Listens from the first pass on. */
void host_server_init(struct host_server *server, struct loop *loop, struct exports *exports,
		      struct access *access, uint32_t dead_after,
		      const struct listener_address *address, unsigned addresses);
/* Connects to these clients, at most DIALERS_MAX. To be called before the sandbox is entered. 0 or
 * -errno. */
int host_server_dial(struct host_server *server, const struct endpoint *client, unsigned clients);
/* Takes over fd, a new connection from that address, or for dialer to it. Returns false if it was
 * closed at once. */
bool host_server_take(struct host_server *server, int fd, const struct in6_addr *address,
		      struct dialer *dialer);
/* Called at the begin of every pass. Tries again to listen where another program did. Returns
 * whether all addresses are listened on. */
bool host_server_listen(struct host_server *server);
/* Called at the end of every pass. A changed list of devices is sent to the watches. */
void host_server_pass(struct host_server *server, bool list_changed);
/* In a tick: looks at the devices that imports wait for. */
void host_server_tick(struct host_server *server);
/* Whether a client waits for that device. */
bool host_server_has_waiting(const struct host_server *server, const char *busid);
/* The keys were read again: drops the connections that depend on one. */
void host_server_keys_changed(struct host_server *server);
/* Closes the listeners and all connections. Sessions go on: they belong to the exports. */
void host_server_close(struct host_server *server);

/* A place that is FREE, for a new connection from that address; another connection may have been
 * dropped. NULL: there is none. */
struct conn *conn_make_room(struct host_server *server, const struct in6_addr *address);
/* Takes over fd, a new connection from that address, in a place that is FREE. The place may be FREE
 * again after this and each of the following calls. dialer: see struct conn. */
void conn_open(struct conn *conn, struct host_server *server, int fd,
	       const struct in6_addr *address, struct dialer *dialer);
/* Called in every pass, unless the place is FREE: deadlines, waiting imports, lists of a watch. */
void conn_pass(struct conn *conn);
/* The devices have changed: if this is a watch, a list is due. */
void conn_announce(struct conn *conn);
/* Ends the connection at once; the place is FREE. */
void conn_drop(struct conn *conn);

/* Returns how many connections that peer has, and adds more to of_peer in each of them. All are
 * looked at once only: a flood of new connections must stay cheap where all places are in use. */
unsigned conn_adjust_count(struct host_server *server, const struct in6_addr *address, int more);

/* Between conn.c and conn_reply.c. Every change of state, by a transition that is drawn above. */
void conn_set_state(struct conn *conn, enum conn_state state);
/* The deadline is ms from now, or a little later. */
void conn_set_deadline(struct conn *conn, uint32_t ms);
/* In READING with a whole request: replies, begins a watch, or does as conn_import(). */
void conn_answer(struct conn *conn);
/* With the request for an import: hands the connection over to the kernel, refuses, or waits. */
void conn_import(struct conn *conn);
/* In WATCHING, when the socket has room for the list that is due. */
void conn_send_due_list(struct conn *conn);

#endif
