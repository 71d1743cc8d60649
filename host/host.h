/* SPDX-License-Identifier: MIT */
/*
 * The server role: every device that may be exported is bound to an engine, kept so, and served to
 * clients. At the end all bound devices are given back to their own drivers. A pass observes the
 * devices, decides about each of them, and acts.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include "host/server.h"
#include "loop/daemon.h"

struct host_options {
	unsigned clients;
	struct endpoint client[DIALERS_MAX]; /* that the server connects to; it needs keys */
	unsigned listeners;
	struct listener_address listen[LISTENERS_MAX];
	struct cidr_list networks;   /* only clients in them may connect */
	bool alone;		     /* they were asked for: other servers serve other clients */
	bool take_all, on_demand;    /* of struct policy */
	const struct engine *engine; /* that takes devices; NULL: auto */
};

/* Runs until it is told to stop. Returns the exit status: 0, 1 if it could not do its work, 2 if
 * the rules are malformed. */
int host_run(const struct daemon_options *options, const struct host_options *host_options);

/* The rest is only for host/host*.c. */
struct host {
	bool list_changed; /* the list that clients get */
	bool passed;	   /* at least one pass has observed the devices */
	bool alone;	   /* options or rules that no other server knows tell who gets what */
	bool unserved;	   /* so that no client gets a device, as it does not listen */
	bool held_back;	   /* when stopping: a device cannot be released yet */
	uint64_t stopped;  /* when stopping: since when */
	struct daemon daemon;
	struct engines engines;	     /* for devices that none has yet */
	struct engine_choice choice; /* for the next one, as the latest pass has found */
	struct log_once full_log, save_log, unseen_log, engine_log;
	struct exports exports;
	struct access access;
	struct host_server server;
	uint64_t settled;   /* until then a network may still come; 0: no pass yet */
	uint64_t link_next; /* when to ask again whether this host has a network link */
	uint64_t link_lost; /* when it was first seen without one; 0: it was not */
	/* of these files, 0: not known; status_files_update() */
	uint32_t left_hash, offered_hash, engine_hash;
	struct policy policy;
};

/* Observes the devices and their states. False: they could not be observed. */
bool host_observe(struct host *host);
/* At the start: devices that an earlier run has bound are ours, if the first pass finds them. */
void host_adopt_bound(struct host *host);
/* Whether the device is to be given back at the end; kept in the run directory. */
void host_set_ours(struct host *host, struct export *export, bool ours);

/* Sets the facts about the need for a device, if they are known, and asks for a pass at the time
 * when they have to be asked for again. */
void host_need_facts(struct host *host, struct export *export, struct device_facts *facts);
/* Lets the inspector be asked in this pass, or in a later one. */
void host_want_need(struct export *export);
/* Whether it is still unknown if the device is needed, and an answer is to come. */
bool host_need_is_open(const struct export *export);
/* In a pass, after host_act() of all devices: asks the inspector about those that want it. */
void host_ask_needs(struct host *host);
/* For inspector.answered. */
void host_needs_answered(struct inspector *inspector);

/* Gathers the facts about a device that was observed, decides by the policy, and acts. */
void host_act(struct host *host, struct export *export);
/* In a pass, before host_act(), and when stopping: lets the ports be claimed of which
 * policy_claims_port() says so, and no others. */
void host_claim_ports(struct host *host);
/* When stopping: all devices of ours go back, after all sessions have ended: see stub_release(). */
void host_give_back(struct host *host);
/* Starts a job with its lock. If an earlier run of the server has that, the device is stuck. */
void host_start_job(struct host *host, struct export *export, enum export_state job);
/* In a pass: logs and notes a job that has become stuck, or sees that one of an earlier run has
 * ended. */
void host_check_job(struct host *host, struct export *export);
/* For export.job_ended. */
void host_job_ended(struct export *export, enum export_state job, bool logged);

/*
 * Small files in the run directory, for `usbiphp status` and for the next run of the server: facts
 * that are not in sysfs. All users may read them:
 *	session.BUSID	"LOCAL-ADDRESS PORT PEER-ADDRESS PORT[ KEY PRINT]", one line. The file's
 *			time is the begin of the session. KEY is the identity of the key that the
 *			peer has proved, PRINT (hexadecimal) tells it from others of that name.
 *	left		"BUSID REASON", one line for each device that is left alone
 *	offered		"BUSID", one line for each device that is taken on demand
 *	engine		"ENGINE REASON", the engine that the next device gets, and why
 *
 * Called in every pass: writes the files that have changed; tries again in the next if that fails.
 * stopping: for the last time; the files of sessions that go on stay.
 */
void status_files_update(struct host *host, bool stopping);
/* The device is gone: removes the file of its session, if there is one. */
void status_files_remove_session(const struct rundir *rundir, struct export *export);
/* Reads which peer uses the device, as an earlier run has written it: peer, from, key and print. */
void status_files_load_session(const struct rundir *rundir, struct export *export);

#endif
