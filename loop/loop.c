/* SPDX-License-Identifier: MIT */
/* The common loop of both roles: one thread, one epoll, a pass every interval or sooner. */
#include "lib/util.h"
#include "loop/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* So many events in a row may go before a pass that is due: a storm must not starve it. */
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

static int control(struct loop *loop, int op, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(loop->epoll, op, source->fd, &event) ? -errno : 0;
}

int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, source, events);
}

int loop_rewatch(struct loop *loop, struct loop_source *source, uint32_t events)
{
	return control(loop, EPOLL_CTL_MOD, source, events);
}

int loop_unwatch(struct loop *loop, struct loop_source *source)
{
	int fd = source->fd;

	control(loop, EPOLL_CTL_DEL, source, 0);
	source->fd = -1;
	return fd;
}

/* A child or the kernel may share the open file, so closing alone would not end the watch. */
void loop_drop(struct loop *loop, struct loop_source *source)
{
	if (source->fd >= 0)
		close(loop_unwatch(loop, source));
}

/* What child.h starts says what it did through its pipe. */
static void bury(struct loop *loop)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (loop->wait && loop->wait->pid == pid)
			loop->wait->ended(loop->wait, status);
}

static void signal_ready(struct loop_source *source, uint32_t events)
{
	struct loop *loop = container_of(source, struct loop, signal_source);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) {
		bury(loop);
		return;
	}
	loop->hup = loop->hup || info.ssi_signo == SIGHUP;
	if (info.ssi_signo != SIGHUP && !loop->stopping) {
		loop->stopping = true;
		sd_notify_stopping(&loop->notify);
		loop->role->stop(loop->ctx);
	}
	loop_pass_now(loop);
}

static int open_signals(struct loop *loop)
{
	static const uint8_t heard[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(heard); i++)
		sigaddset(&set, heard[i]);
	loop->signal_source.ready = signal_ready;
	loop->signal_source.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	sigaddset(&set, SIGPIPE); /* only blocked: a write says -EPIPE then */
	if (loop->signal_source.fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	return loop_watch(loop, &loop->signal_source, EPOLLIN);
}

int loop_open(struct loop *loop, uint32_t interval_ms, const struct loop_role *role, void *ctx)
{
	int error;

	memset(loop, 0, sizeof(*loop));
	loop->interval = interval_ms;
	loop->role = role;
	loop->ctx = ctx;
	loop->signal_source.fd = -1;
	loop->now = loop->next = loop_clock();
	sd_notify_init(&loop->notify);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	error = loop->epoll < 0 ? -errno : open_signals(loop);
	if (error)
		loop_close(loop);
	return error;
}

void loop_close(struct loop *loop)
{
	loop_drop(loop, &loop->signal_source);
	sd_notify_close(&loop->notify);
	close(loop->epoll);
}

/*
 * One event at a time: a callback may close and free anything, as no other event of the same batch
 * can refer to it. A pass waits until nothing else is ready, so that a burst costs one.
 */
void loop_run(struct loop *loop)
{
	int burst = 0;

	do {
		struct epoll_event event;
		struct loop_source *source;
		uint64_t until = loop->next;
		int n;

		if (loop->notify.next < until)
			until = loop->notify.next;
		loop->now = loop_clock();
		n = epoll_wait(loop->epoll, &event, 1,
			       until > loop->now ? (int)(until - loop->now) : 0);
		loop->now = loop_clock();
		if (n > 0) {
			source = event.data.ptr;
			source->ready(source, event.events);
		}
		if (loop->next <= loop->now && (n <= 0 || ++burst >= EVENTS_BEFORE_PASS)) {
			burst = 0;
			loop->next = loop->now + loop->interval;
			loop->role->pass(loop->ctx);
			loop->passed = true;
		}
		if (loop->passed)
			sd_notify_alive(&loop->notify, loop->now);
	} while (!loop->role->done(loop->ctx));
}
