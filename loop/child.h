/* SPDX-License-Identifier: MIT */
/*
 * A short-lived child process for one piece of work that may block: its result comes back through a
 * pipe that the loop watches. It finishes even if the daemon dies or is told to stop: signals that
 * would stop it stay blocked, so a device is not left half way.
 */
#ifndef LOOP_CHILD_H
#define LOOP_CHILD_H

#include "loop/loop.h"

#include <stddef.h>
#include <sys/types.h>

struct child {
	struct loop_source pipe; /* fd -1: not running */
	struct loop *loop;
	pid_t pid;
	void *result; /* where the child's result goes: size bytes */
	size_t size;
	size_t len;
	/* Called when it has ended; whole = all size bytes arrived. */
	void (*done)(struct child *child, bool whole);
};

/*
 * Runs work(arg, result) in a child and brings result back. child and result must live until done.
 * -errno when there can be no child.
 */
int child_start(struct loop *loop, struct child *child, void (*work)(const void *arg, void *result),
		const void *arg, void *result, size_t size,
		void (*done)(struct child *child, bool whole));
bool child_running(const struct child *child);
/* Kills it, if it runs; done is not called. Only for work that leaves nothing half done. */
void child_kill(struct child *child);

#endif
