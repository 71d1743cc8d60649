/* SPDX-License-Identifier: MIT */
/*
 * A clock for the loop that only the test moves, and rounds of the loop until something is so.
 * Its test says LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait
 */
#ifndef TESTS_CLOCK_H
#define TESTS_CLOCK_H

#include "loop/loop.h"
#include "tests/check.h"

#include <sys/epoll.h>
#include <time.h>

/* In real milliseconds: a look at what is ready. So many looks in a row without anything: it is
 * quiet, it is so even on a machine that has much to do, or nothing will ever come. */
enum { CLOCK_LOOK_MS = 1, CLOCK_QUIET = 3, CLOCK_LONG_QUIET = 100, CLOCK_PATIENCE = 8000 };

/* Far ahead of the real one, so that no timer of the loop ever comes by itself. */
static uint64_t clock_now = 1000000000000;
static unsigned clock_quiet; /* so many looks in a row found nothing */
static unsigned clock_enough = CLOCK_QUIET;
static bool (*clock_until)(void);

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap___clock_gettime64(clockid_t id, struct timespec *t);
int __real_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id;
	t->tv_sec = (time_t)(clock_now / 1000);
	t->tv_nsec = (long)(clock_now % 1000) * 1000000;
	return 0;
}

/* What musl calls it where a long has 32 bits. */
int __wrap___clock_gettime64(clockid_t id, struct timespec *t)
{
	return __wrap_clock_gettime(id, t);
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
	int n = __real_epoll_wait(epoll, events, max, timeout ? CLOCK_LOOK_MS : 0);

	clock_quiet = n || !timeout ? 0 : clock_quiet + 1;
	return n;
}

/* For the role of the loop. */
static inline bool clock_done(void *ctx)
{
	(void)ctx;
	if (clock_until)
		return clock_until() || clock_quiet > CLOCK_PATIENCE;
	return clock_quiet >= clock_enough;
}

/* Rounds until that is so, which is a fault if it does not come. */
static inline void run_until(struct loop *loop, bool (*until)(void), const char *file, int line)
{
	clock_until = until;
	clock_quiet = 0;
	if (!until())
		loop_run(loop);
	if (!until())
		check_fault(file, line, "it never came");
}

#define UNTIL(loop, condition) run_until(loop, condition, __FILE__, __LINE__)

/* Rounds until nothing is ready and no pass is due. */
static inline void run_quiet(struct loop *loop)
{
	clock_until = NULL;
	clock_quiet = 0;
	loop_run(loop);
}

/* The same, for what takes its time in the kernel. */
static inline void run_long_quiet(struct loop *loop)
{
	clock_enough = CLOCK_LONG_QUIET;
	run_quiet(loop);
	clock_enough = CLOCK_QUIET;
}

/* The clock is set ahead, and what is due then is done. */
static inline void run_after(struct loop *loop, uint64_t ms)
{
	clock_now += ms;
	run_quiet(loop);
}

#endif
