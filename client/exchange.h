/* SPDX-License-Identifier: MIT */
/*
 * One request to one server and its reply: find the address, connect, ask, decode. Non-blocking,
 * with a deadline on every step. One exchange of a kind runs at a time, as some servers take only
 * one connection.
 */
#ifndef CLIENT_EXCHANGE_H
#define CLIENT_EXCHANGE_H

#include "client/resolve.h"
#include "proto/op.h"

#include <assert.h>

enum {
	EXCHANGE_CONNECT_MS = 5000, /* for each address */
	EXCHANGE_REPLY_MS = 5000,   /* from the connection to the last byte of the reply */
};

enum exchange_outcome {
	EXCHANGE_OK,
	EXCHANGE_UNRESOLVED,  /* addresses.error */
	EXCHANGE_UNREACHABLE, /* error: of the last address */
	EXCHANGE_BROKEN,      /* error: the connection failed in mid-exchange */
	EXCHANGE_SILENT,      /* no whole reply in time */
	EXCHANGE_CLOSED,      /* closed before the reply was whole */
	EXCHANGE_MALFORMED,   /* error: for op_strerror() */
	EXCHANGE_REFUSED,     /* an import's status */
};

struct exchange_result {
	enum exchange_outcome outcome;
	int error;	 /* -errno */
	uint32_t status; /* enum op_status */
};

enum exchange_state {
	EXCHANGE_IDLE,
	EXCHANGE_RESOLVING,
	EXCHANGE_CONNECTING,
	EXCHANGE_ASKING,
	EXCHANGE_READING_HEAD,
	EXCHANGE_READING_RECORDS,
	EXCHANGE_READING_IMPORT,
};

struct exchange {
	struct loop *loop;
	const struct endpoint *endpoint;
	/* For each device of a list, before done. */
	void (*record)(struct exchange *exchange, const struct op_device *device,
		       const struct op_interface *interface);
	/*
	 * The end. After an import that is EXCHANGE_OK, fd is the connection, the callee's to
	 * close; its next byte belongs to the kernel. Else fd is -1. It may start the next one.
	 */
	void (*done)(struct exchange *exchange, const struct exchange_result *result, int fd,
		     const struct op_device *device);

	enum exchange_state state;
	struct op_request request;
	struct resolver resolver;
	struct addresses addresses; /* kept while they work */
	unsigned address;	    /* the one in use */
	unsigned tried;		    /* so many have failed in this exchange */
	struct loop_source socket;
	uint64_t deadline;
	uint32_t records; /* still to come */
	size_t len;	  /* bytes in buf */
	uint8_t buf[2048];
};

static_assert(sizeof(((struct exchange *)0)->buf) >= OP_RECORD_MAX, "room for every record");

/* endpoint, record and done as above; nothing is started. */
void exchange_init(struct exchange *exchange, struct loop *loop, const struct endpoint *endpoint);
bool exchange_running(const struct exchange *exchange);
/* busid NULL: asks for the list. done may come before this returns. */
void exchange_start(struct exchange *exchange, const char *busid);
/* In every pass: ends what is past its deadline, and asks for a pass at the next. */
void exchange_pass(struct exchange *exchange);
/* Ends it without done. */
void exchange_cancel(struct exchange *exchange);

/* Why it failed, in a few constant words. */
const char *exchange_reason(const struct exchange *exchange, const struct exchange_result *result);
/* The line about a list that failed: "cannot reach pi.lan:3240: Connection refused". */
void exchange_complain(const struct exchange *exchange, const struct exchange_result *result);

#endif
