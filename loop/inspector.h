/* SPDX-License-Identifier: MIT */
/*
 * The inspector: a process that finds out which devices this host needs (sysfs/protect.h), which
 * may block. It keeps the rights that this takes and that the daemon drops (sandbox_enter()): to
 * look at the processes of other users and to open disks for reading. It does no more than to
 * answer for bus ids, and to have everything written to the disks. The daemon starts it before the
 * sandbox, asks one question at a time, and never waits.
 */
#ifndef LOOP_INSPECTOR_H
#define LOOP_INSPECTOR_H

#include "lib/log.h"
#include "loop/loop.h"
#include "sysfs/protect.h"

#include <sys/types.h>

/*
 *	IDLE <--> ASKED --> LATE --> IDLE, any --> ENDED
 */
enum inspector_state {
	INSPECTOR_IDLE = 0,
	INSPECTOR_ASKED, /* a question is open */
	INSPECTOR_LATE,	 /* its answer did not come in time, and may still come, to be dropped */
	INSPECTOR_ENDED, /* there is no process */
};

struct inspector {
	enum inspector_state state;
	struct loop_source source;
	struct loop *loop;
	pid_t pid;
	uint64_t deadline; /* for the answer */
	struct log_once fault;
	struct protect_survey survey; /* the question, then its answer */
	/* Called when the answer is in survey. Without one in time, or without a process, all
	 * devices are needed, as that cannot be found out. */
	void (*answered)(struct inspector *inspector);
};

/* Starts the process, with the rights that the caller has now, and then its own sandbox. name: the
 * daemon's argv[0], see child_start_helper(). 0 or -errno. */
int inspector_start(struct inspector *inspector, struct loop *loop, const struct sysfs *sysfs,
		    char *name);
/* Sends inspector->survey as the question; none must be open. answered follows within limit_ms,
 * maybe before this returns; some milliseconds are usual. survey.sync: instead of a survey, the
 * process has everything written to the disks, sync(2), and then answers. */
void inspector_ask(struct inspector *inspector, unsigned limit_ms);
/* In every pass: gives up at the time limit. */
void inspector_pass(struct inspector *inspector);
/* Ends the process, if there is one. */
void inspector_stop(struct inspector *inspector);

#endif
