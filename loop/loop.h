/* SPDX-License-Identifier: MIT */
/*
 * The common loop of both roles: one thread, one epoll. A role's pass looks at the world, decides
 * and acts; it runs every interval, and sooner when something asks for it. Times are milliseconds
 * of CLOCK_MONOTONIC.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "loop/sd_notify.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A descriptor the loop watches; embedded in what it belongs to. fd is -1: not watched. */
struct loop_source {
	int fd;
	/* Called with the epoll events. It may close and free any source, also its own. */
	void (*ready)(struct loop_source *source, uint32_t events);
};

/* A child process whose end somebody waits for, in loop.wait; embedded in what it belongs to. */
struct loop_wait {
	pid_t pid; /* 0: none */
	/* Called with the status as of waitpid(2), when it is buried. It may wait for another. */
	void (*ended)(struct loop_wait *wait, int status);
};

struct loop_role {
	/* Runs the pass. */
	void (*pass)(void *ctx);
	/* SIGTERM or SIGINT came, for the first time: begin to give everything back. */
	void (*stop)(void *ctx);
	/* Asked after every event and pass: whether the loop is to end. */
	bool (*done)(void *ctx);
};

struct loop {
	int epoll;
	uint64_t now;	  /* of the latest wake-up */
	uint64_t next;	  /* when the next pass is due */
	uint32_t interval;
	bool passed; /* at least once */
	bool stopping;
	bool hup; /* SIGHUP came; whoever obeys clears it */
	const struct loop_role *role;
	void *ctx;
	struct loop_source signal_source;
	struct loop_wait *wait; /* NULL: children are only buried */
	struct sd_notify notify;
};

/*
 * Blocks the signals it handles: SIGTERM and SIGINT stop, SIGHUP sets hup and asks for a pass,
 * SIGCHLD reaps; SIGPIPE stays blocked. The interval is at most INT_MAX. 0 or -errno.
 */
int loop_open(struct loop *loop, uint32_t interval_ms, const struct loop_role *role, void *ctx);
void loop_close(struct loop *loop);
/*
 * The first pass comes at once. Ends when the role is done. After sd_notify_open() a supervisor is
 * told that the daemon is ready after the first pass, and then that it is alive, in every round
 * that is due.
 */
void loop_run(struct loop *loop);

/* Asks for a pass no later than that. However many ask, one pass answers. */
void loop_pass_by(struct loop *loop, uint64_t when);
void loop_pass_now(struct loop *loop);

/* events as of epoll(7), level-triggered. 0 or -errno. */
int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events);
int loop_rewatch(struct loop *loop, struct loop_source *source, uint32_t events);
/* Stops watching; returns the descriptor, which is the caller's now. */
int loop_unwatch(struct loop *loop, struct loop_source *source);
/* Stops watching and closes; nothing if it was not open. */
void loop_drop(struct loop *loop, struct loop_source *source);

/* Current time, for deadlines that begin now. */
uint64_t loop_clock(void);

#endif
