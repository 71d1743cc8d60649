/* SPDX-License-Identifier: MIT */
/*
 * Where CONFIG/hooks.d is there when the daemon starts, a process of its own runs the hooks
 * (loop/hooks.h): it has the rights that the daemon gives up (loop/sandbox.h), and hears nobody but
 * the daemon. Both talk over a socket that keeps the bounds of messages: an event's facts one way,
 * a byte for each event that was told to all hooks the other way. It ends when the daemon does, by
 * itself; what it runs then has HOOKS_MS left.
 */
#ifndef LOOP_HOOK_RUNNER_H
#define LOOP_HOOK_RUNNER_H

#include "loop/hooks.h"

#include <sys/types.h>

struct hook_runner {
	struct loop_source source;
	struct loop *loop;
	const char *config;
	pid_t pid;
	unsigned waiting; /* events that are not yet told */
	bool said;	  /* that hooks are not run */
};

/*
 * Begins that process, with what its parent has: nothing may be open yet that must not stay so.
 * name: the daemon's argv[0], which is another one there, so that it is not taken for the daemon.
 * 0 or -errno.
 */
int hook_runner_start(struct hook_runner *runner, const char *config, char *name);
/* From now on its answers are heard: 0 or -errno. */
int hook_runner_watch(struct hook_runner *runner, struct loop *loop);
/* Never blocks, and facts are copied. Hooks that are new since the start are not run, said once. */
void hook_runner_tell(struct hook_runner *runner, const struct hook_facts *facts);
/* Whether events wait, or one is being told. */
bool hook_runner_busy(const struct hook_runner *runner);
/* HOOKS_MS after this no hook runs any more, and events that still wait are lost, said. */
void hook_runner_stop(const struct hook_runner *runner);
/* Ends it, when it has nothing more to do. */
void hook_runner_close(struct hook_runner *runner);

#endif
