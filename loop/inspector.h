/* SPDX-License-Identifier: MIT */
/*
 * The inspector: a process of its own, usbiphp-inspect, that makes the surveys of sysfs/protect.h,
 * as these may block: protect_serve(). The daemon starts it before its sandbox, asks one question
 * at a time, and never waits for the answer.
 *
 * It keeps two capabilities that the daemon drops, as the open files of other users' programs
 * cannot be seen without them: CAP_DAC_READ_SEARCH to list /proc/PID/fd, CAP_SYS_PTRACE to follow
 * its links (proc_pid_fd(5)). It only answers questions about bus ids, and calls sync(2):
 * sandbox_enter_inspector().
 */
#ifndef LOOP_INSPECTOR_H
#define LOOP_INSPECTOR_H

#include "lib/log.h"
#include "loop/loop.h"
#include "sysfs/protect.h"

#include <sys/types.h>

/*
 *	IDLE <--> ASKED, any --> ENDED
 */
enum inspector_state {
	INSPECTOR_IDLE = 0,
	INSPECTOR_ASKED, /* it has a question, and the time for its answer is not over */
	INSPECTOR_ENDED, /* there is no process */
};

struct inspector {
	enum inspector_state state;
	struct loop_source source;
	struct loop *loop;
	pid_t pid;
	uint32_t number;   /* of the latest question */
	uint64_t deadline; /* for the answer */
	struct log_once fault;
	struct protect_survey survey; /* the question, then its answer */
	/* Called when the answer is in survey. If none comes in time, or if there is no process,
	 * all devices count as needed: unknown is set. */
	void (*answered)(struct inspector *inspector);
};

/* Starts the process, with the rights that the caller has now, and then its own sandbox. 0 or
 * -errno. */
int inspector_start(struct inspector *inspector, struct loop *loop, const struct sysfs *sysfs);
/* Sends inspector->survey as the question, in any state but INSPECTOR_ASKED. answered is called
 * within limit_ms, maybe before this returns; some milliseconds are usual. If survey.sync is set,
 * the worker makes no survey, but calls sync(2) and then answers. */
void inspector_ask(struct inspector *inspector, unsigned limit_ms);
/* In every pass: after the time limit, answers in the place of the process. */
void inspector_pass(struct inspector *inspector);
/* Ends the process, if there is one. */
void inspector_stop(struct inspector *inspector);

#endif
