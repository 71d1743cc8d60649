/* SPDX-License-Identifier: MIT */
/*
 * One device of a server: attached to a port of this machine, or a candidate.
 *
 *	UNUSED --- IDLE ---- DUE ---> REQUESTING ---> ENUMERATING ---> ATTACHED
 *	            |         |            |                |              |
 *	            +-- FAILED, REFUSED <--+                +-> CLOSING <--+
 *	                                                    |      |       |
 *	                                                    +-> DETACHING <+
 *
 * When the port is free, the states that have one return to IDLE, or to FAILED if the latest
 * attempt failed. A device that an earlier daemon attached starts as ENUMERATING or ATTACHED.
 * import.c has the table of transitions.
 */
#ifndef CLIENT_IMPORT_H
#define CLIENT_IMPORT_H

#include "client/descriptor_query.h"
#include "client/enum_queue.h"
#include "lib/endpoint.h"
#include "lib/log.h"
#include "loop/backoff.h"
#include "loop/hook_runner.h"
#include "loop/loop.h"
#include "loop/session.h"
#include "loop/strings_reader.h"
#include "policy/policy.h"
#include "proto/op.h"
#include "sysfs/vhci.h"

enum { IDENTITY_READERS = 4 /* child processes at a time */ };

/* What all imports of this machine share. */
struct import_context {
	struct loop *loop;
	const struct sysfs *sysfs;
	const char *record_dir; /* of the stock tools */
	const char *own_dir;	/* records of the devices that this daemon attached */
	uint32_t dead_after;	/* seconds, as of session_set_timeouts() */
	bool watch_lists;	/* servers are asked to push their lists */
	struct rules rules;
	struct holds holds;
	struct hook_runner *hooks;
	struct vhci vhci; /* the port table, read in each pass and when it is outdated */
	uint32_t port_owner[VHCI_PORTS_MAX]; /* the last import of the port, as a hash; 0: none */
	struct enum_queue queue;
	/* These read the strings of attached devices. */
	struct identity_reader {
		struct strings_reader reader;
		struct import *import; /* NULL: idle */
	} identity_reader[IDENTITY_READERS];
};

enum import_state {
	IMPORT_UNUSED,	    /* this place of the table is free */
	IMPORT_IDLE,	    /* known, and nothing to do */
	IMPORT_FAILED,	    /* the latest attempt to attach it failed */
	IMPORT_REFUSED,	    /* the same, by the server: it may list the device again later */
	IMPORT_DUE,	    /* to be requested in this pass */
	IMPORT_REQUESTING,  /* a request is under way */
	IMPORT_ENUMERATING, /* the kernel has the connection, the device has not answered yet */
	IMPORT_ATTACHED,    /* the device is in use */
	IMPORT_CLOSING,	    /* the connection was closed, the kernel is to free the port */
	IMPORT_DETACHING,   /* the kernel was told to free the port */
};

struct import {
	enum import_state state;
	struct import_context *context;
	const struct endpoint *endpoint; /* of its server */
	char busid[BUSID_SIZE];		 /* at the server */

	/* From lists, and with facts from the device itself. */
	bool listed;	  /* in the latest complete list */
	bool listed_next; /* in the list that is being read */
	bool identified;  /* facts has its vendor and product; not yet of an adopted one */
	uint16_t bcd_device;
	uint32_t speed;
	uint32_t listed_devid; /* another one after each plug */
	struct rule_facts facts;
	char product[DEVICE_STRING_SIZE], serial[DEVICE_STRING_SIZE];
	uint64_t identify_after; /* no attempt to read its identity before */

	/* Attempts to attach it. */
	struct flaps flaps; /* of failures, short sessions and refusals; while its past counts it is
			     * not forgotten, listed or not */
	struct log_once failure; /* why it cannot be attached, until it is */
	struct log_once denial;	 /* why it is left alone, until it is not */

	/* While it has a port. */
	int port;	      /* -1: none */
	uint32_t devid;	      /* of the attached device; 0: not known yet */
	uint32_t ticket;      /* in context->queue */
	uint64_t attached_at;
	uint64_t answered_at; /* when the kernel had the device; 0: it has not yet */
	struct session_watch session;
};

/* In every pass, before import_check() of any import. */
void import_context_begin_pass(struct import_context *context);

/* The import of a device of that server, IMPORT_IDLE. The context must stay in its place. */
void import_init(struct import *import, struct import_context *context,
		 const struct endpoint *server, const char *busid);
/* The only way to change the state. An import in a state with a port must have one, else none. */
void import_set_state(struct import *import, enum import_state state);
const char *import_state_text(enum import_state state);
/* Whether it is or may be attached to a port: ENUMERATING, ATTACHED, CLOSING or DETACHING. */
bool import_has_port(const struct import *import);
/* Whether nothing is under way: IDLE, FAILED, REFUSED or DUE. */
bool import_is_resting(const struct import *import);
/* Whether it is due, being requested, or the kernel waits for the device. */
bool import_is_pending(const struct import *import);
/* Whether the latest attempt failed, and it was not attached since. */
bool import_is_failing(const struct import *import);
/* Whether it is not listed, not attached, and its failures no longer count. */
bool import_is_forgettable(const struct import *import);
struct import_name {
	char text[BUSID_SIZE + ENDPOINT_NAME_SIZE + 20];
};
/* For messages: "1-1.4 (0951:1666) at pi.lan". */
struct import_name import_name(const struct import *import);
void import_run_hooks(const struct import *import, const char *event, const char *device,
		      const char *reason);

/* One entry of a list. Another device at the same busid starts without a past. */
void import_list_entry(struct import *import, const struct op_device *device,
		       const struct op_interface *interface);
/* The list is complete, with or without this import. */
void import_list_complete(struct import *import);
/* The list did not become complete: its entries do not count. */
void import_list_abandon(struct import *import);

/*
 * When the server answers again, another device may be at this busid, because the server may have
 * counted devid from the start: classes and strings are unknown again.
 */
void import_forget_identity(struct import *import);
void import_set_classes(struct import *import, const struct op_device *device,
			const struct op_interface *interface);
/* The device itself has told its classes and strings, over the connection of its request. */
void import_set_descriptors(struct import *import, const struct descriptor_query *query);
/* In a pass, for an attached device: starts to read ids, classes and strings here, in sysfs. */
void import_read_identity(struct import *import);
/* Stops that. */
void import_cancel_identity(struct import *import);

/* By holds and rules, logged once; RULE_UNKNOWN: the device itself must be asked first. */
enum rule_verdict import_check_policy(struct import *import);
/* In a pass, for an import that is resting: decides whether it is due. */
void import_review(struct import *import);
/* In every pass, after import_check(): detaches it if it is not allowed any more. */
void import_enforce_policy(struct import *import);

/*
 * An attempt failed: logged once, and tried again after a delay that grows. import_fail() also sets
 * the state, to IMPORT_FAILED or IMPORT_REFUSED; the other leaves it, for a device that still has a
 * port.
 */
void import_fail(struct import *import, enum import_state state, const char *reason);
void import_record_failure(struct import *import, const char *reason);

/*
 * The server has accepted the request: device is its reply. Hands the connection fd to the kernel,
 * or closes it after a failure.
 */
void import_attach(struct import *import, int fd, const struct op_device *device);
/* An earlier daemon attached it to that port. */
void import_adopt(struct import *import, unsigned port);
extern const char import_no_port[]; /* the reason when no port is free */

/* In every pass, before import_check() of any: takes its place in the queue of the kernel. */
void import_queue(const struct import *import);
/* In every pass: compares it with the port table, and lets go of a port that is free. */
void import_check(struct import *import);
/* Ends it; the port is free in a later pass. */
void import_detach(struct import *import);

#endif
