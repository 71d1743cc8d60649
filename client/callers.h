/* SPDX-License-Identifier: MIT */
/*
 * Servers that connect to the client, as no connection reaches them: `usbiphp-server --to`. Each
 * connection begins with the identity of a key (OP_CALL), which proves nothing; then the client
 * proves that key, and the server as well, as if the client had connected. From then on it is kept,
 * until a request takes it: the server connects again then. A server is called by the name of its
 * key, or by what stands behind the @ in it.
 *
 *	FREE --> NAMING --> HANDSHAKE --> READY --> FREE
 *
 * Whoever reaches the port can connect: there is a fixed table, every step before READY has a
 * deadline, and when the table is full, the oldest connection leaves of those that have proved
 * nothing and come from the address that has most.
 */
#ifndef CLIENT_CALLERS_H
#define CLIENT_CALLERS_H

#include "client/request.h"
#include "proto/op.h"

enum {
	CALLERS_MAX = 160,
	CALLERS_SPARE = 2,    /* READY of one server: the latest */
	CALLER_MS = 5000,     /* for each step before READY */
	CALLERS_LOG_MS = 60000, /* between two lines about one kind of refusal */
};

enum caller_state {
	CALLER_FREE = 0,
	CALLER_NAMING,	  /* its first message is not complete */
	CALLER_HANDSHAKE, /* TLS */
	CALLER_READY,	  /* it has the key, and waits for a request */
};

enum caller_refusal {
	CALLER_NO_NAME, /* not a server that connects */
	CALLER_NO_KEY,	/* there is no such key, or it has another one */
	CALLER_TOO_MANY,
	CALLER_REFUSALS
};

struct caller {
	enum caller_state state;
	struct loop_source source; /* owns the socket */
	struct callers *callers;
	struct in6_addr address;
	uint64_t since; /* loop->now when the state began */
	int encrypted;	/* the connection, if the socket is that of a relay; else -1 */
	uint8_t len;
	uint8_t bytes[OP_CALL_SIZE];
	char identity[OP_IDENTITY_SIZE]; /* once it is named: of the key */
	const char *name;		 /* the server's, in it */
	struct tls tls;
};

struct callers {
	struct loop *loop; /* NULL: it is not open */
	const struct keys *keys;
	uint32_t dead_after; /* seconds; see session_set_timeouts() */
	/* A server has connected, and has proved that key. */
	void (*ready)(struct callers *callers, const char *name, const struct psk *key);
	struct loop_source listener;
	uint64_t logged[CALLER_REFUSALS]; /* 0: never */
	struct caller caller[CALLERS_MAX];
};

/* Listens; callers is all zeros but for keys, dead_after and ready. An address that this machine
 * does not have yet is taken, too, and [::] is that of IPv4 as well, or instead, which address says
 * then. To be called before the sandbox is entered. 0 or -errno. */
int callers_open(struct callers *callers, struct loop *loop, struct addr *address);
/* In every pass: drops those that are past their deadline. This and what follows does nothing if it
 * is not open. */
void callers_pass(struct callers *callers);
/* Whether there is a key with which a server of that name may connect. */
bool callers_expect(const struct callers *callers, const char *name);
/* Takes the latest connection of that server that is READY: returns its socket, and sets
 * *encrypted as in struct request. -EAGAIN: there is none. */
int callers_take(struct callers *callers, const char *name, int *encrypted);
/* The keys were read again: drops all. */
void callers_drop(struct callers *callers);
/* Ends it. */
void callers_close(struct callers *callers);

#endif
