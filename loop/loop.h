/* SPDX-License-Identifier: MIT */
/*
 * The common loop of both roles: one thread, one epoll. A role's pass observes the world, decides
 * and acts. It runs every interval, and sooner when something asks for it. Times are milliseconds
 * of CLOCK_MONOTONIC, which stands still while the machine sleeps, as the kernel's timers of its
 * connections do (jiffies): after it has slept, nothing is late.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "lib/addr.h"

#include <stdbool.h>
#include <stdint.h>

enum { LOOP_PAUSE_MS = 1000 };

/* A descriptor that the loop watches; embedded in the object it belongs to. fd -1: not watched. */
struct loop_source {
	int fd;
	/* Called with the epoll events. May close and free any source, its own too. */
	void (*ready)(struct loop_source *source, uint32_t events);
};

struct loop_role {
	void (*pass)(void *ctx);
	/* Called for the first SIGTERM or SIGINT: begin to give everything back. */
	void (*stop)(void *ctx);
	/* Asked after every event and pass; true ends the loop. Changes nothing. */
	bool (*done)(void *ctx);
};

/* Messages to a supervisor such as systemd, if NOTIFY_SOCKET in the environment names its socket
 * (sd_notify(3)). Nothing here blocks; a message that cannot be sent does no harm. */
struct loop_notify {
	int fd;		/* -1: no supervisor */
	bool ready;	/* READY=1 was sent */
	uint64_t every; /* between WATCHDOG=1: a third of WATCHDOG_USEC, if it is set for us */
	uint64_t next;	/* time of the next message; far away if there will be none */
};

struct loop {
	int epoll;
	uint64_t now;  /* time of the latest wake-up */
	uint64_t next; /* time of the next pass */
	uint32_t interval;
	bool stopping;
	bool hup; /* SIGHUP came; cleared by the code that reloads */
	const struct loop_role *role;
	void *ctx;
	/* Called at tick_next, for small questions that are no reason for a pass. NULL: a pass
	 * comes instead. */
	void (*tick)(void *ctx);
	void *tick_ctx;
	uint64_t tick_next; /* far away if none was asked for */
	struct loop_source signal_source;
	struct loop_notify notify; /* to no supervisor, until loop_notify_open() */
};

/*
 * Blocks the signals that it handles: SIGTERM and SIGINT stop the role, SIGHUP sets hup and asks
 * for a pass, SIGCHLD reaps children. SIGPIPE stays blocked, so that a write returns EPIPE. The
 * interval is at most INT_MAX. 0 or -errno.
 */
int loop_open(struct loop *loop, uint32_t interval_ms, const struct loop_role *role, void *ctx);
void loop_close(struct loop *loop);
/* Runs until the role is done. The first pass comes at once; after it the daemon is ready. */
void loop_run(struct loop *loop);

/* Reads the environment, and leaves it as it is. loop_close() closes the descriptor. */
void loop_notify_open(struct loop_notify *notify);
/* Sends READY=1 at once, then WATCHDOG=1 whenever it is due; tries again after a second. */
void loop_notify_alive(struct loop_notify *notify, uint64_t now);
/* Sends a message such as "STOPPING=1". Returns whether it was sent. */
bool loop_notify_send(const struct loop_notify *notify, const char *message);

/* Asks for a pass at that time or sooner. One pass serves all requests that are due. */
void loop_pass_by(struct loop *loop, uint64_t when);
void loop_pass_now(struct loop *loop);
/* Asks for one call of tick at that time or sooner. */
void loop_tick_by(struct loop *loop, uint64_t when);

/* Watches a source, or changes its events: as in epoll(7), level-triggered. 0 or -errno. */
int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events);
/* Stops watching. Returns the descriptor, which the caller owns from then on. */
int loop_unwatch(struct loop *loop, struct loop_source *source);
/* Stops watching and closes; does nothing if the source is not watched. */
void loop_drop(struct loop *loop, struct loop_source *source);

/* Takes a connection from a source that listens and is ready: returns its socket, which does not
 * block, and sets the address of the other end. -1: there is none. If that is for want of
 * resources, the source is not watched for LOOP_PAUSE_MS; the pass that comes then has to watch it
 * again. */
int loop_accept(struct loop *loop, struct loop_source *listener, struct in6_addr *from);

/* The time now, later than loop->now: for deadlines that begin in the middle of a pass. */
uint64_t loop_clock(void);

#endif
