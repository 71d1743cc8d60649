/* SPDX-License-Identifier: MIT */
/* The common loop of both roles: one thread, one epoll, a pass every interval or sooner. */
#include "loop/loop.h"

#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* At most so many events are handled before a pass that is due: a storm must not starve it. */
enum { EVENTS_BEFORE_PASS = 64 };

uint64_t loop_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void loop_pass_by(struct loop *loop, uint64_t when)
{
	if (when < loop->next)
		loop->next = when;
}

void loop_pass_now(struct loop *loop)
{
	loop_pass_by(loop, loop->now);
}

static int loop_control(struct loop *loop, int op, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(loop->epoll, op, source->fd, &event) ? -errno : 0;
}

int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events)
{
	return loop_control(loop, EPOLL_CTL_ADD, source, events);
}

int loop_rewatch(struct loop *loop, struct loop_source *source, uint32_t events)
{
	return loop_control(loop, EPOLL_CTL_MOD, source, events);
}

int loop_unwatch(struct loop *loop, struct loop_source *source)
{
	int fd = source->fd;

	loop_control(loop, EPOLL_CTL_DEL, source, 0);
	source->fd = -1;
	return fd;
}

/* A child or the kernel may share the open file, so closing alone would not end the watch. */
void loop_drop(struct loop *loop, struct loop_source *source)
{
	if (source->fd >= 0)
		close(loop_unwatch(loop, source));
}

static void loop_signal_ready(struct loop_source *source, uint32_t events)
{
	struct loop *loop = container_of(source, struct loop, signal_source);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) { /* results come through pipes, see loop/child.h */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		return;
	}
	loop->hup = loop->hup || info.ssi_signo == SIGHUP;
	if (info.ssi_signo != SIGHUP && !loop->stopping) {
		loop->stopping = true;
		sd_notify_send(&loop->notify, "STOPPING=1");
		loop->role->stop(loop->ctx);
	}
	loop_pass_now(loop);
}

static int loop_open_signals(struct loop *loop)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	loop->signal_source.ready = loop_signal_ready;
	loop->signal_source.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	sigaddset(&set, SIGPIPE); /* only blocked: a write returns EPIPE */
	if (loop->signal_source.fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	return loop_watch(loop, &loop->signal_source, EPOLLIN);
}

int loop_open(struct loop *loop, uint32_t interval_ms, const struct loop_role *role, void *ctx)
{
	int error;

	assert(interval_ms <= INT_MAX && role->pass && role->stop && role->done);
	*loop = (struct loop){ .interval = interval_ms, .role = role, .ctx = ctx };
	loop->signal_source.fd = -1;
	loop->now = loop->next = loop_clock();
	sd_notify_init(&loop->notify);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	error = loop->epoll < 0 ? -errno : loop_open_signals(loop);
	if (error)
		loop_close(loop);
	return error;
}

void loop_close(struct loop *loop)
{
	loop_drop(loop, &loop->signal_source);
	close(loop->notify.fd);
	close(loop->epoll);
}

/* Waits for an event until a pass or a message to the supervisor is due, and handles one. */
static bool loop_handle_event(struct loop *loop)
{
	uint64_t until = loop->next < loop->notify.next ? loop->next : loop->notify.next;
	struct epoll_event event;
	struct loop_source *source;
	int n;

	loop->now = loop_clock();
	n = epoll_wait(loop->epoll, &event, 1, until > loop->now ? (int)(until - loop->now) : 0);
	loop->now = loop_clock();
	if (n <= 0)
		return false;
	source = event.data.ptr;
	assert(source->fd >= 0 && source->ready);
	source->ready(source, event.events);
	return true;
}

/*
 * One event at a time: a callback may close and free any source, as no other event of the same
 * batch can refer to it. A pass waits until no event is ready, so that a burst costs one pass.
 */
void loop_run(struct loop *loop)
{
	int burst = 0;

	do {
		bool handled = loop_handle_event(loop);

		if (loop->next <= loop->now && (!handled || ++burst >= EVENTS_BEFORE_PASS)) {
			burst = 0;
			loop->next = loop->now + loop->interval;
			loop->role->pass(loop->ctx);
			loop->passed = true;
		}
		if (loop->passed)
			sd_notify_alive(&loop->notify, loop->now);
	} while (!loop->role->done(loop->ctx));
}
