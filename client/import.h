/* SPDX-License-Identifier: MIT */
/*
 * One device of a server: attached to a port of this machine, or a candidate.
 *
 *	UNUSED <--> IDLE ---> ATTACHED <--> LEAVING <--> KEPT
 *	            |  ^         |             |           |
 *	   REQUESTING  |         '------> DETACHING <------'
 *	               '--- any of these four, when its port is free
 */
#ifndef CLIENT_IMPORT_H
#define CLIENT_IMPORT_H

#include "client/guard.h"
#include "client/request.h"
#include "lib/backoff.h"
#include "loop/child.h"
#include "loop/hooks.h"
#include "loop/inspector.h"
#include "loop/session.h"
#include "policy/policy.h"
#include "sysfs/vhci.h"

enum {
	/* Of all servers. A client kernel as distributions build it has 240 ports or less. */
	IMPORTS_MAX = 2048,
	/* At a time, of all servers: one for each server that does not push its list. */
	IMPORT_REQUESTS_MAX = 64,
	IDENTITY_READERS = 4,	   /* child processes at a time */
	IMPORT_ANSWER_MS = 10000,  /* for the kernel to enumerate the device: 0.5 s is usual */
	IMPORT_AHEAD_MS = 60000,   /* the same, while devices that were attached before it have not
				    * answered, until one of them has, or is gone */
	IMPORT_NOBODY = 2,	   /* in port_owner */
	IMPORT_TEARDOWN_MS = 3000, /* for the kernel to free the port: 0.2 s is usual */
	/* At a stop, to write everything to the disks that are in use: the network may go next. */
	IMPORT_LAST_SYNC_MS = 30000,
};

#define IMPORT_NO_PORT "every port of vhci-hcd for its speed is in use"

enum import_state {
	IMPORT_UNUSED,	   /* this place of the table is free */
	IMPORT_IDLE,	   /* known, and nothing is under way */
	IMPORT_REQUESTING, /* from the start of a request to its reply */
	IMPORT_ATTACHED,   /* it has a port: the kernel has the connection */
	IMPORT_LEAVING,	   /* to be detached; it is asked whether a disk of it is in use */
	IMPORT_KEPT,	   /* to be detached, but a disk of it is in use */
	IMPORT_DETACHING,  /* it has a port, which the kernel was told to free */
};

struct import {
	enum import_state state;
	struct import_context *context;
	const struct endpoint *endpoint; /* of its server */
	char busid[BUSID_SIZE];		 /* at the server */

	/* From lists, and with facts from the device itself. */
	bool listed;	  /* in the latest complete list */
	bool listed_next; /* in the list that is being read */
	bool identified;  /* facts has its vendor and product; not yet of an adopted one, or of one
			   * that was granted in place of the one that is listed */
	bool told;	  /* facts has, or waits for, what the device itself tells: the same record
			   * in another list is no news */
	struct import_listing {
		uint16_t vendor, product, bcd_device;
		uint32_t devid; /* another one after each plug */
	} listing;	/* the latest record of a list */
	uint32_t speed; /* as far as the server knows it, else super speed */
	struct rule_facts facts;
	char product[DEVICE_STRING_SIZE], serial[DEVICE_STRING_SIZE];
	uint64_t identify_after; /* no attempt to read its identity before */

	/* Attempts to attach it. */
	bool refused;	    /* the latest one, by the server: it may list the device again later */
	struct flaps flaps; /* of failures, short sessions and refusals; while its past counts it is
			     * not forgotten, listed or not */
	struct log_once failure; /* of the latest attempt, until it is attached */
	struct log_once denial;	 /* why it is left alone, until it is not */

	/* While it has a port. */
	int port;	 /* -1: none */
	bool guarded;	 /* or was, in the session before */
	bool answered;	 /* the kernel has the device */
	struct vhci_port row; /* when it answered; before, only devid: 0: not known yet */
	uint32_t ahead;	 /* the ports of its controller that the kernel has to enumerate first */
	uint64_t attached_at;
	struct session_watch session;
	bool asked;	      /* IMPORT_LEAVING: the inspector was asked about it */
	bool stuck;	      /* the kernel was told more than once to free its port */
	struct log_once undetached; /* why it cannot be detached */
	/* IMPORT_LEAVING: until then it is asked again if a program has a disk of it open;
	 * IMPORT_KEPT: when it is LEAVING again; IMPORT_DETACHING: of the next attempt. */
	uint64_t ask_again;
	struct log_once kept; /* the reason for IMPORT_KEPT; cleared when it may stay attached */
};

/* After a device was kept, everything is written to the disks. */
enum import_sync { IMPORT_SYNC_DONE, IMPORT_SYNC_WANTED, IMPORT_SYNC_RUNNING };

/* What all imports of this machine share. */
struct import_context {
	struct loop *loop;
	struct inspector *inspector; /* it tells which disks are in use */
	enum import_sync sync;
	const struct sysfs *sysfs;
	const char *record_dir; /* of the stock tools */
	const char *own_dir;	/* records of the devices that this daemon attached */
	struct log_once unwritten; /* the latest record of either that could not be written */
	uint32_t dead_after;	/* seconds, as of session_set_timeouts() */
	/* Devices of servers that have a key, or are reached by ssh; and of others: they have a
	 * guard. */
	bool guard_proven, guard_others;
	bool watch_lists;	/* servers are asked to push their lists */
	struct rules rules;
	struct holds holds;
	struct hook_runner *hooks;
	struct vhci vhci; /* the port table, read in each pass and when it is outdated */
	/* The last import of the port, as a hash, which is odd; 0: none; NOBODY: any other is
	 * better. */
	uint32_t port_owner[VHCI_PORTS_MAX];
	/* When an attach to that controller was answered last, or one that was ahead ended. */
	uint64_t progress[VHCI_CONTROLLERS_MAX];
	unsigned imports; /* places that are or were in use */
	struct import import[IMPORTS_MAX];
	struct import_request {
		struct request request;
		struct import *import; /* that it is for; NULL: idle */
	} request[IMPORT_REQUESTS_MAX];
	/* These read the strings of attached devices. */
	struct identity_reader {
		struct strings_reader reader;
		struct import *import; /* NULL: idle */
	} identity_reader[IDENTITY_READERS];
};

/* In every pass, before import_check() of any import: the time limits of requests and readers. */
void import_context_begin_pass(struct import_context *context);
/* The import of that server, or of any server for NULL, that follows import, the first for NULL;
 * NULL: there is none. */
struct import *import_next(struct import_context *context, const struct endpoint *server,
			   struct import *import);
/* A new import, IMPORT_IDLE, of a device of that server; NULL: the table is full. */
struct import *import_add(struct import_context *context, const struct endpoint *server,
			  const char *busid);
/* The only way to change the state. An import in a state with a port must have one, else none. */
void import_set_state(struct import *import, enum import_state state);
/* Whether it is or may be attached to a port: ATTACHED, LEAVING, KEPT or DETACHING. */
bool import_has_port(const struct import *import);
struct import_name {
	char text[BUSID_SIZE + ENDPOINT_NAME_SIZE + 20];
};
/* For messages: "1-1.4 (0951:1666) at pi.lan". */
struct import_name import_name(const struct import *import);
void import_run_hooks(const struct import *import, const char *event, const char *device,
		      const char *reason);
/* It cannot be attached, for a reason that is not its own: logged once. */
void import_log_failure(struct import *import, const char *reason);
/* An attempt failed: logged once, and tried again after a delay that grows. */
void import_fail(struct import *import, const char *reason);

/* One entry of a list. Another device at the same busid starts without a delay, a few times. */
void import_list_entry(struct import *import, const struct op_device *device,
		       const struct op_interface *interface);
/* The list is complete, with or without this import, which may be forgotten then. */
void import_list_complete(struct import *import);

/* Reads ids and classes of the device at its port, if it is here, from sysfs. */
void import_describe(struct import *import);
/* Classes and strings are unknown again: another device may be at this busid, also with the same
 * devid, if the server was away and has counted from the start. */
void import_forget_identity(struct import *import);
/* The device itself has told its classes and strings, over the connection of its request. */
void import_set_descriptors(struct import *import, const struct descriptor_query *query);
/* Stops reading the strings of an attached device. */
void import_cancel_identity(struct import *import);

/* By holds and rules, logged once; RULE_UNKNOWN: the device itself must be asked first. */
enum rule_verdict import_check_policy(struct import *import);
/* In a pass: returns whether an IMPORT_IDLE one is to be requested now. If it should be but cannot
 * be attached, that has failed. */
bool import_review(struct import *import);
/* In every pass, after import_check(): lets it leave if it is not allowed any more. */
void import_enforce_policy(struct import *import);

/*
 * The server has granted device. Some servers never repeat the ids that they have listed. But it
 * may be another device as well: until the device itself has told what it is, import_check_policy()
 * is RULE_UNKNOWN if there are rules or holds.
 */
void import_granted(struct import *import, const struct op_device *device);
/* What was granted is to be attached: hands the connection to the kernel, or to a guard, or closes
 * it and fails. */
void import_attach(struct import *import, const struct request *request);
/* An earlier daemon attached it to that port. */
void import_adopt(struct import *import, unsigned port);

/* In every pass, with the port table. Returns whether its port was free: it has let go of it. */
bool import_check(struct import *import);
/* Ends it; the port is free in a later pass. In every pass until then: it is tried again each
 * second. */
void import_detach(struct import *import);

/*
 * In every pass in which it is not to be attached, if it has a port: detaches it, unless a disk of
 * it is in use. Such a device stays attached, as after a kill, and sync(2) is called. Every
 * interval the inspector is asked again, but not when the loop is stopping.
 */
void import_leave(struct import *import);
/* In every pass in which it may be attached, if it has a port. */
void import_stay(struct import *import);
/* In every pass, after import_leave() of all: asks the inspector. */
void import_context_end_pass(struct import_context *context);
/* The inspector has answered. */
void import_context_answered(struct import_context *context);
/* When the loop begins to stop: the inspector is asked once more about devices that are kept. */
void import_context_stop(struct import_context *context);

#endif
