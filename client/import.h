/* SPDX-License-Identifier: MIT */
/* One device of a server: attached to a port of this machine, or to be. */
#ifndef CLIENT_IMPORT_H
#define CLIENT_IMPORT_H

#include "client/decide.h"
#include "client/descriptor_query.h"
#include "lib/endpoint.h"
#include "loop/backoff.h"
#include "loop/child.h"
#include "loop/hook_runner.h"
#include "loop/loop.h"
#include "loop/session.h"
#include "policy/policy.h"
#include "proto/op.h"

/* What all imports of this machine share. */
struct importer {
	struct loop *loop;
	const struct sysfs *sysfs;
	const char *record_dir; /* the stock tools' records */
	const char *own_dir;	/* the same for what we attached: so we know what to give back */
	uint32_t dead_after;
	uint32_t last_turn;	/* see line */
	bool watch;		/* servers are asked to push their lists */
	struct rules rules;
	struct holds held;
	struct hook_runner *runner;
	uint32_t last[VHCI_PORTS_MAX]; /* who had each port last, as a hash; 0: nobody */
	struct vhci vhci; /* the port table, read in each pass, and when an attach finds it old */
	/*
	 * The kernel asks the devices of a controller one after the other, so a server that does
	 * not answer keeps those that were attached later waiting: only the first in line is to
	 * blame.
	 */
	struct import_line {
		uint32_t turn;	   /* the first in line, by import.turn */
		uint64_t progress; /* when the line moved last */
	} line[VHCI_CONTROLLERS_MAX];
};

struct import {
	const struct endpoint *endpoint; /* its server; NULL: not in use */
	struct importer *importer;
	int port;	 /* -1: not attached */
	uint32_t turn;	 /* its place in the line of those the kernel has yet to ask */
	uint16_t bcd_device;
	bool identified; /* by a list, or by what is attached; not so yet when adopted */
	bool listed;	 /* in the latest list */
	bool fresh;	 /* in the list that is being read */
	bool asking;	 /* its import is under way */
	bool usable;	 /* it has answered */
	bool detaching;
	bool refused;	 /* the server said no; that it lists it again is news */
	uint32_t speed;
	uint32_t listed_devid; /* another one after each plug */
	uint32_t devid;	       /* of what is attached; 0: not known yet */
	unsigned quick;	       /* so many sessions in a row were short, or refused */
	struct backoff backoff;
	uint64_t attached; /* when */
	struct session_watch session;
	uint64_t remember;     /* its failures, until then, though it is not listed */
	const char *said;      /* the failure that was logged, so that it is said once */
	char busid[BUSID_SIZE];
	uint64_t read_by;      /* strings must have come */
	struct child child;	/* reads the strings of one that is attached */
	struct rule_facts facts; /* 0000:0000 until it was seen in a list */
	struct reason why;		 /* it is left alone, as was said; empty: it is not */
	struct device_strings strings;
};

/* What a list says about it: another device in the same place begins anew. */
void import_see(struct import *import, const struct op_device *device,
		const struct op_interface *interface);
/* The list is whole: it is listed, or not. */
void import_list_whole(struct import *import);
/* Not listed, not attached, and nothing to be held against it. */
bool import_forgettable(const struct import *import);

/* Another one may be in its place when its server is next heard of: numbers begin anew there. */
void import_doubt(struct import *import);
/* The same, asked of the device itself. */
void import_learn(struct import *import, const struct descriptor_query *query);

/* Whether a person wants it: why not is said once; RULE_UNKNOWN: the device must be asked. */
enum rule_verdict import_choose(struct import *import);
/* Whether it is to be attached now; says why not, where a person could do something about it. */
bool import_wanted(struct import *import);

/*
 * In every pass, after import_check(): detaches what is attached and not wanted any more.
 */
void import_obey(struct import *import);
/*
 * Hands the connection fd to the kernel; it is closed when that fails, which is said. device is the
 * reply to the import.
 */
void import_attach(struct import *import, int fd, const struct op_device *device);

/* An attempt that failed: said once, tried again after a growing delay. reason is constant. */
void import_failed(struct import *import, const char *reason);

/* It was found attached to that port: by an earlier daemon. */
void import_adopt(struct import *import, unsigned port);

/* In every pass, before import_check() of any: begins to find out whose turn it is, and goes on. */
void import_line_begin(struct importer *importer);
void import_line_up(const struct import *import);

/* In every pass: compares with the port table. True when the device went away just now. */
bool import_check(struct import *import);

/* Ends it; the port is free in a later pass. */
void import_detach(struct import *import);

#endif
