/* SPDX-License-Identifier: MIT */
/*
 * One request to one server and its reply, or the replies without end to a watch: find the address,
 * connect, ask, decode. Non-blocking, with a deadline on every step.
 */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/descriptor_query.h"
#include "client/reply.h"
#include "client/resolve.h"
#include "client/ssh.h"
#include "tls/ktls.h"

enum {
	EXCHANGE_CONNECT_MS = 5000, /* for each address */
	EXCHANGE_TUNNEL_MS = 20000, /* from the start of ssh to the first byte */
	EXCHANGE_REPLY_MS = 5000,   /* from the connection to the last byte of the reply */
	EXCHANGE_WATCH_MS = 2000,   /* from the connection to the first byte of a watch */
	EXCHANGE_SILENT_MS = 25000, /* from one list of a watch to the next: 10 s are usual */
};

enum exchange_outcome {
	EXCHANGE_OK,
	EXCHANGE_UNRESOLVED,  /* route.addresses.error */
	EXCHANGE_UNREACHABLE, /* error: of the last address */
	EXCHANGE_BROKEN,      /* error: the connection failed in mid-exchange */
	EXCHANGE_SILENT,      /* no whole reply in time */
	EXCHANGE_CLOSED,      /* closed before the reply was whole */
	EXCHANGE_MALFORMED,   /* error: for op_strerror() */
	EXCHANGE_REFUSED,     /* an import's status */
	EXCHANGE_UNSAFE,      /* error: no handshake, as of ktls_step() */
	EXCHANGE_TUNNEL,      /* error: of those words; tunnel.words: what ssh says */
};

struct exchange_result {
	enum exchange_outcome outcome;
	int error; /* -errno, or an enum op_status */
};

enum exchange_state {
	EXCHANGE_IDLE,
	EXCHANGE_RESOLVING,
	EXCHANGE_CONNECTING,
	EXCHANGE_SHAKING, /* hands, before anything is asked */
	EXCHANGE_READING,
	EXCHANGE_PROBING, /* the device of an import is asked what it is */
};

/* A server and how it was found, shared by all exchanges with it. */
struct route {
	const struct endpoint *endpoint;
	const struct psk *key; /* to prove oneself with, and to expect of it; NULL: none */
	struct addresses addresses; /* kept while they work */
	unsigned good;		    /* the one that worked last */
};

struct exchange {
	struct loop *loop;
	struct route *route;
	void *ctx; /* for the callbacks */
	/* For each device of a list, before whole or done. */
	void (*record)(struct exchange *exchange, const struct op_device *device,
		       const struct op_interface *interface);
	/* A list of a watch is whole. */
	void (*whole)(struct exchange *exchange);
	/*
	 * The end. After an import that is EXCHANGE_OK, fd is the connection, the callee's to
	 * close; its next byte belongs to the kernel. Else fd is -1. It may start the next one.
	 */
	void (*done)(struct exchange *exchange, const struct exchange_result *result, int fd,
		     const struct op_device *device);

	enum exchange_state state;
	bool answered; /* a watch: at least one list came */
	bool ask;      /* set before an import is started: probe is to be filled in, too */
	unsigned address; /* of the route, the one in use */
	unsigned tried;	  /* so many have failed in this exchange */
	uint64_t deadline;
	struct loop_source socket;
	struct op_request request;
	struct probe probe;
	struct resolver resolver;
	struct tunnel tunnel;
	struct op_device device; /* of an import whose device is asked */
	struct tls tls;
	struct reader reader;
};

/* record, whole and done are set, nothing is started. */
void exchange_init(struct exchange *exchange, struct loop *loop, struct route *route, void *ctx);
bool exchange_running(const struct exchange *exchange);
/* busid is of an import, else NULL. done may come before this returns. */
void exchange_start(struct exchange *exchange, enum op_code code, const char *busid);
/* In every pass: ends what is past its deadline, and asks for a pass at the next. */
void exchange_pass(struct exchange *exchange);
/* Ends it without done. */
void exchange_cancel(struct exchange *exchange);

/* Why it failed, in a few constant words. */
const char *exchange_reason(const struct exchange *exchange, const struct exchange_result *result);
/* The line about a list that failed: "cannot reach pi.lan:3240: Connection refused". */
void exchange_complain(const struct exchange *exchange, const struct exchange_result *result);

#endif
