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
#include "lib/log_once.h"
#include "tls/ktls.h"

enum {
	REQUEST_CONNECT_MS = 5000, /* for each address */
	REQUEST_SSH_MS = 20000, /* from the start of ssh to the first byte */
	REQUEST_REPLY_MS = 5000,   /* from the connection to the last byte of the reply */
	REQUEST_WATCH_MS = 2000,   /* from the connection to the first byte of a watch */
	REQUEST_SILENT_MS = 25000, /* from one list of a watch to the next: 10 s are usual */
};

enum request_outcome {
	REQUEST_OK,
	REQUEST_UNRESOLVED,  /* target.addresses.error */
	REQUEST_UNREACHABLE, /* error: of the last address */
	REQUEST_BROKEN,      /* error: the connection failed in mid-request */
	REQUEST_SILENT,      /* no whole reply in time */
	REQUEST_CLOSED,      /* closed before the reply was whole */
	REQUEST_MALFORMED,   /* error: for op_strerror() */
	REQUEST_REFUSED,     /* an import's status */
	REQUEST_TLS_FAILED,      /* error: no handshake, as of ktls_step() */
	REQUEST_SSH_FAILED,      /* error: of those words; tunnel.text: what ssh says */
};

struct request_result {
	enum request_outcome outcome;
	int error; /* -errno, or an enum op_status */
};

enum request_state {
	REQUEST_IDLE,
	REQUEST_RESOLVING,
	REQUEST_CONNECTING,
	REQUEST_HANDSHAKE, /* hands, before anything is asked */
	REQUEST_READING,
	REQUEST_DEVICE_QUERY, /* the device of an import is asked what it is */
};

/* A server and how it was found, shared by all requests with it. */
struct request_target {
	const struct endpoint *endpoint;
	const struct psk *key; /* to prove oneself with, and to expect of it; NULL: none */
	struct addresses addresses; /* kept while they work */
	unsigned good;		    /* the one that worked last */
};

struct request {
	struct loop *loop;
	struct request_target *target;
	void *ctx; /* for the callbacks */
	/* For each device of a list, before whole or done. */
	void (*record)(struct request *request, const struct op_device *device,
		       const struct op_interface *interface);
	/* A list of a watch is whole. */
	void (*whole)(struct request *request);
	/*
	 * The end. After an import that is REQUEST_OK, fd is the connection, the callee's to
	 * close; its next byte belongs to the kernel. Else fd is -1. It may start the next one.
	 */
	void (*done)(struct request *request, const struct request_result *result, int fd,
		     const struct op_device *device);

	enum request_state state;
	bool answered; /* a watch: at least one list came */
	bool query_device;      /* set before an import is started: probe is to be filled in, too */
	unsigned address; /* of the target, the one in use */
	unsigned tried;	  /* so many have failed in this request */
	uint64_t deadline;
	struct loop_source socket;
	struct op_request op;
	struct descriptor_query descriptors;
	struct resolver resolver;
	struct ssh_tunnel tunnel;
	struct op_device device; /* of an import whose device is asked */
	struct tls tls;
	struct reply reply;
};

/* record, whole and done are set, nothing is started. */
void request_init(struct request *request, struct loop *loop, struct request_target *target,
		  void *ctx);
bool request_running(const struct request *request);
/* busid is of an import, else NULL. done may come before this returns. */
void request_start(struct request *request, enum op_code code, const char *busid);
/* In every pass: ends what is past its deadline, and asks for a pass at the next. */
void request_pass(struct request *request);
/* Ends it without done. */
void request_cancel(struct request *request);

/* Why it failed, in a few constant words. */
const char *request_reason(const struct request *request, const struct request_result *result);
/*
 * The line about a list that failed: "cannot reach pi.lan:3240: Connection refused". Not logged if
 * it is the last one of that condition.
 */
void request_log_failure(const struct request *request, const struct request_result *result,
			 struct log_once *once);

#endif
