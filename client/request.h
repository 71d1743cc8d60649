/* SPDX-License-Identifier: MIT */
/*
 * One request to one server and its reply, or the replies without end to a watch: resolve, connect,
 * send, decode. Non-blocking, with a deadline for every state.
 */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/reply.h"
#include "lib/log.h"
#include "loop/child.h"
#include "loop/resolve.h"
#include "tls/handshake.h"

enum {
	REQUEST_CONNECT_MS = 5000,  /* for each address */
	REQUEST_SSH_MS = 20000,     /* from the start of ssh to the first byte */
	REQUEST_REPLY_MS = 5000,    /* from the connection to the last byte */
	REQUEST_IMPORT_MS = 30000,  /* the same: the server may change drivers, or ask its owner */
	REQUEST_MARK_MS = 1000,	    /* from a list without devices to each byte of a mark */
	REQUEST_SILENT_MS = 25000,  /* from one list of a watch to the next; usual are 10 s */
};

enum request_outcome {
	REQUEST_OK,
	REQUEST_UNRESOLVED,  /* the host has no address */
	REQUEST_UNREACHABLE, /* no address could be connected to */
	REQUEST_SSH_FAILED,  /* ssh did not connect */
	REQUEST_CLOSED,	     /* the server closed before its reply was complete */
	REQUEST_SILENT,	     /* no complete reply in time */
	REQUEST_REFUSED,     /* an import was refused */
	REQUEST_FAILED,	     /* the handshake, the connection, or a reply that is malformed */
};

/*
 * Every state may go back to IDLE: the request is done, or has failed.
 *
 *	IDLE --> RESOLVING --> CONNECTING --> HANDSHAKE --> READING --> DEVICE_QUERY
 *	  | an address, or ssh  ^  |  ^ |                    ^
 *	  '---------------------'  |  '-' the next address   |
 *	                           '--- ssh, no key, or it --'
 *	                                is who connects
 */
enum request_state {
	REQUEST_IDLE,
	REQUEST_RESOLVING,
	REQUEST_CONNECTING,   /* or waiting until the server connects */
	REQUEST_HANDSHAKE,    /* of TLS, before anything is sent */
	REQUEST_READING,      /* the request is sent */
	REQUEST_DEVICE_QUERY, /* an import is granted: its device is asked for descriptors */
};

/* A connection through the system's ssh, OpenSSH's or dropbear's: one end of a pair of sockets is
 * its stdin and stdout, the other one is ours, and later the kernel's. */
struct ssh_tunnel {
	int pipe;	 /* the stderr of ssh, -1: not open */
	uint32_t number; /* 0: ssh is to go on when the tunnel is closed */
	char text[200];	 /* the end of what ssh wrote there, as one line */
};

/* The client's way to the process that starts ssh. */
struct ssh {
	int fd; /* -1: there is none */
	const struct endpoint *server;
	uint32_t tunnels; /* the number of the latest */
	struct log_once ended;
};

struct callers;

/* Shared by all requests to a server. */
struct request_target {
	const struct endpoint *endpoint;
	const struct psk *key; /* authenticates both ends; NULL: no TLS */
	struct ssh *ssh;       /* for an endpoint behind ssh */
	struct callers *callers; /* it is the one that connects: client/callers.h. NULL: we do */
	struct addresses addresses; /* kept while they work */
	unsigned good;		    /* the one that worked last */
	struct log_once nameless;   /* it lists a device with an invalid bus id */
};

struct request {
	struct loop *loop;
	struct request_target *target;
	void *ctx; /* for the callbacks */
	/* For each device of a list with a valid bus id, before whole or done; and for that of an
	 * import that is granted: then it may set query_device. */
	void (*record)(struct request *request, const struct reply_item *item);
	/* A list of a watch is complete. */
	void (*whole)(struct request *request);
	/* The end: outcome and reason are set. The callback may start the next request. */
	void (*done)(struct request *request);

	enum request_outcome outcome;
	const char *reason; /* of a failure, valid until the next start */
	/* An import that is REQUEST_OK: the socket whose next byte is for the kernel, the
	 * connection, which may be the same, and the device. The callback has to close both. */
	int fd, connection;
	struct op_device device;

	enum request_state state;
	bool query_device; /* before an import is done, fill in descriptors, too */
	unsigned address;  /* the index of the one in use, modulo their number */
	unsigned tried;	   /* how many of them failed in this request */
	uint64_t deadline; /* of the state */
	struct loop_source socket;
	int encrypted; /* the connection, if socket is that of a relay; else -1 */
	struct op_request op;
	struct ssh_tunnel tunnel;
	union {
		struct child resolver;		     /* RESOLVING */
		struct tls tls;			     /* HANDSHAKE */
		struct reply reply;		     /* READING, and in done after it */
		struct descriptor_query descriptors; /* DEVICE_QUERY, and in done after it */
	};
};

/* record, whole and done are set, nothing is running. */
void request_init(struct request *request, struct loop *loop, struct request_target *target,
		  void *ctx);
/* busid is that of an import, else NULL. done may be called before this returns. */
void request_start(struct request *request, enum op_code code, const char *busid);
/* In every pass: ends the request if it is past its deadline, else asks for a pass by then. */
void request_pass(struct request *request);
/* Ends it without done. */
void request_cancel(struct request *request);
/* Closes fd, and connection if that is another one. */
void request_close(const struct request *request);
/* Logs that a list failed: "cannot reach pi.lan:3240: Connection refused". */
void request_log_failure(const struct request *request, struct log_once *once);

/*
 * ssh.c: starts the process "usbiphp-ssh" if any of the servers is behind ssh. It runs ssh in the
 * place of the client, which gives up the right to run programs (sandbox_enter()), and only for
 * these servers. It has the sandbox sandbox_enter_ssh(), takes orders from the client only, reads
 * nothing that a peer sends, and ends with the client. The servers must live as long as
 * ssh. 0 or -errno.
 */
int ssh_start(struct ssh *ssh, const struct endpoint *server, unsigned servers);
/*
 * Connects to the port endpoint->through on the loopback of the other machine; the endpoint is one
 * of the servers of ssh_start(). Returns a socket that does not block, or -errno. ssh has no
 * terminal; it ends 15 to 20 s after the last sign of life from the other machine, or when the
 * socket is closed.
 */
int ssh_tunnel_open(struct ssh *ssh, struct ssh_tunnel *tunnel, const struct endpoint *endpoint);
/* Ends ssh, unless number is 0, and sets text. Does nothing if the tunnel is not open. */
void ssh_tunnel_close(const struct ssh *ssh, struct ssh_tunnel *tunnel);

/* A request that a command waits for, doing nothing else meanwhile. */
struct query {
	struct loop loop; /* stopping: a signal came. The signals stay blocked. */
	struct request_target target; /* its addresses are kept for the next query */
	struct request request;	      /* ctx and record are the caller's */
};

/* query.c: before the first query of these servers, drops what it does not need to hear a stranger,
 * for good: the client's sandbox without a place to write to. key: one of theirs, or NULL. ssh:
 * see ssh_start(). If that fails, so do the queries through ssh. */
void query_confine(struct ssh *ssh, const struct psk *key, const struct endpoint *server,
		   unsigned servers);
/*
 * Requests the list. The caller has set query->target.endpoint and key. record is called for each
 * device, with ctx as request->ctx. Returns false if there is no list: then query->request has the
 * outcome and the reason, unless a signal came; else it has the reply.
 */
bool query_list(struct query *query,
		void (*record)(struct request *request, const struct reply_item *item), void *ctx);
/* The same, but counts the devices. */
bool query_count(struct query *query, unsigned *devices);

#endif
