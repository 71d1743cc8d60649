/* SPDX-License-Identifier: MIT */
/*
 * One request to one server and its reply, or the replies without end to a watch: resolve, connect,
 * send, decode. Non-blocking, with a deadline for every state.
 */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/descriptor_query.h"
#include "client/reply.h"
#include "client/resolve.h"
#include "client/ssh.h"
#include "lib/log.h"
#include "tls/ktls.h"

enum {
	REQUEST_CONNECT_MS = 5000, /* for each address */
	REQUEST_SSH_MS = 20000,    /* from the start of ssh to the first byte */
	REQUEST_REPLY_MS = 5000,   /* from the connection to the last byte of the reply */
	REQUEST_WATCH_MS = 2000,   /* from the connection to the first byte of a watch */
	REQUEST_SILENT_MS = 25000, /* from one list of a watch to the next; usual are 10 s */
	REQUEST_REASON_SIZE = SSH_TUNNEL_TEXT_SIZE,
};

enum request_outcome {
	REQUEST_OK,
	REQUEST_UNRESOLVED,  /* the host has no address */
	REQUEST_UNREACHABLE, /* no address could be connected to; error: from the last one */
	REQUEST_BROKEN,	     /* the connection failed later, or could not be started: error */
	REQUEST_SILENT,	     /* no complete reply in time */
	REQUEST_CLOSED,	     /* the server closed before its reply was complete */
	REQUEST_MALFORMED,   /* no reply to this request; error: for op_strerror() */
	REQUEST_REFUSED,     /* an import was refused: status */
	REQUEST_TLS_FAILED,  /* the handshake failed; error: for ktls_strerror() */
	REQUEST_SSH_FAILED,  /* ssh did not connect */
};

struct request_result {
	enum request_outcome outcome;
	int error;			  /* -errno, 0: none */
	uint32_t status;		  /* enum op_status of a refusal */
	char reason[REQUEST_REASON_SIZE]; /* why it failed, for a message; empty if it did not */
};

/*
 * Every state may go back to IDLE: the request is done, or has failed.
 *
 *	IDLE --> RESOLVING --> CONNECTING --> HANDSHAKE --> READING --> DEVICE_QUERY
 *	  |                     ^  |  ^ |                    ^  ^
 *	  |   an address        |  |  '-' the next address   |  |
 *	  '---------------------'  '------ without a key ----'  |
 *	  '---------------------------- ssh:// -----------------'
 */
enum request_state {
	REQUEST_IDLE,
	REQUEST_RESOLVING,
	REQUEST_CONNECTING,
	REQUEST_HANDSHAKE,    /* of TLS, before anything is sent */
	REQUEST_READING,      /* the request is sent */
	REQUEST_DEVICE_QUERY, /* an import is granted: its device is asked for descriptors */
};

/* A server and its addresses, shared by all requests to it. */
struct request_target {
	const struct endpoint *endpoint;
	const struct psk *key; /* authenticates both ends; NULL: no TLS */
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
	/* A list of a watch is complete. */
	void (*whole)(struct request *request);
	/*
	 * The end. After an import that is REQUEST_OK, fd is the connection and now the callback's,
	 * which has to close it; its next byte is for the kernel. Else fd is -1. The callback may
	 * start the next request.
	 */
	void (*done)(struct request *request, const struct request_result *result, int fd,
		     const struct op_device *device);

	enum request_state state;
	bool answered;	   /* a watch: at least one list is complete */
	bool query_device; /* set before an import is started: fill in descriptors, too */
	unsigned address;  /* the index of the one in use, modulo their number */
	unsigned tried;	   /* how many of them failed in this request */
	uint64_t deadline; /* of the state */
	struct loop_source socket;
	struct op_request op;
	struct descriptor_query descriptors;
	struct resolver resolver;
	struct ssh_tunnel tunnel;
	struct op_device device; /* of an import, while its descriptors are queried */
	struct tls tls;
	struct reply reply;
};

/* record, whole and done are set, nothing is running. */
void request_init(struct request *request, struct loop *loop, struct request_target *target,
		  void *ctx);
bool request_running(const struct request *request);
/* busid is that of an import, else NULL. done may be called before this returns. */
void request_start(struct request *request, enum op_code code, const char *busid);
/* In every pass: ends the request if it is past its deadline, else asks for a pass by then. */
void request_pass(struct request *request);
/* Ends it without done. */
void request_cancel(struct request *request);

/* The reason of a failure. */
const char *request_reason(const struct request *request, const struct request_result *result);
/*
 * Logs that a list failed: "cannot reach pi.lan:3240: Connection refused". Not logged if it is the
 * last line of that condition.
 */
void request_log_failure(const struct request *request, const struct request_result *result,
			 struct log_once *once);

#endif
