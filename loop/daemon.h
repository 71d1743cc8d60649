/* SPDX-License-Identifier: MIT */
/* What both daemons have: the kernel's files, driver and events, the run directory, the loop. */
#ifndef LOOP_DAEMON_H
#define LOOP_DAEMON_H

#include "loop/hook_runner.h"
#include "loop/loop.h"
#include "loop/rundir.h"
#include "policy/holds.h"
#include "policy/rules.h"
#include "sysfs/sysfs.h"
#include "tls/keyfile.h"

struct daemon_options {
	char *name;	    /* argv[0], which hook_runner_start() changes for its process */
	const char *sysfs;  /* root of the kernel's attribute files */
	const char *run;    /* run directory */
	const char *config; /* directory of what a person has set: held.h, hooks.h */
	struct rules_source rules;
	const char *psk;    /* the file of keys */
	struct keys *keys;  /* NULL: none */
	uint32_t interval;  /* seconds */
	uint32_t dead_after; /* seconds, see session_set_timeouts() */
	bool once;	    /* do what is to be done now, then leave everything as it is */
};

struct daemon {
	const struct daemon_options *options;
	struct sysfs sysfs;
	struct rundir state;
	struct loop loop;
	struct hook_runner runner;
	struct loop_source uevents;
	struct loop_source settings; /* inotify(7) of options->config */
	int holds_error;		     /* said */
	uint64_t said;	  /* when it was said that the kernel's files cannot be looked at */
	bool lost;	  /* the driver is gone: a new start tries to load it again */
	uint64_t stop_by; /* when stopping: give up then */
};

struct daemon_role {
	const char *module; /* loaded when check does not find its files */
	int (*check)(const struct sysfs *sysfs); /* stub_check() or vhci_check() */
	const char *name;   /* of its files in the run directory: "server", "client" */
	bool vhci_events;   /* events of devices that came over USB/IP matter, or of all others */
	uint32_t stop_ms;   /* for everything to be given back */
	struct loop_role loop;
};

/* All of it, or nothing after one line that says why: 0 or -errno. ctx is the loop role's. */
int daemon_open(struct daemon *daemon, const struct daemon_options *options,
		const struct daemon_role *role, void *ctx);
/* notes: there are some in the run directory, for the next one. */
void daemon_close(struct daemon *daemon, bool notes);

/*
 * In a pass, with what a look at the driver's files returned: whether the pass can go on. If not,
 * the loop looks again soon, or ends because the driver is gone.
 */
bool daemon_check_driver(struct daemon *daemon, int error);
/*
 * In a pass: reads what a person may have changed meanwhile: what is held, and after SIGHUP the
 * rules and keys; true when these are others now.
 */
bool daemon_reload(struct daemon *daemon, struct rules *rules, struct holds *held);
/* In the role's stop. */
void daemon_stop(struct daemon *daemon);
/* Whether there is no more to wait for: the driver is gone, or the time to stop is over. */
bool daemon_finished(const struct daemon *daemon);

#endif
