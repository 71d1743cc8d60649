/* SPDX-License-Identifier: MIT */
/* The common loop of both roles: one thread, one epoll, a pass every interval or sooner. */
#include "loop/loop.h"

#include "lib/str.h"
#include "lib/util.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NEVER (UINT64_MAX / 2) /* may be added to a time */

enum {
	EVENTS_BEFORE_PASS = 64, /* a storm of events must not starve a pass that is due */
	NOTIFY_RETRY_MS = 1000,
};

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

void loop_tick_by(struct loop *loop, uint64_t when)
{
	if (!loop->tick)
		loop_pass_by(loop, when);
	else if (when < loop->tick_next)
		loop->tick_next = when;
}

int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };
	int error = epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event);

	if (error && errno == EEXIST)
		error = epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
	return error ? -errno : 0;
}

int loop_unwatch(struct loop *loop, struct loop_source *source)
{
	int fd = source->fd;

	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
	source->fd = -1;
	return fd;
}

/* A child or the kernel may share the open file, so closing alone would not end the watch. */
void loop_drop(struct loop *loop, struct loop_source *source)
{
	if (source->fd >= 0)
		close(loop_unwatch(loop, source));
}

int loop_accept(struct loop *loop, struct loop_source *listener, struct in6_addr *from)
{
	struct addr peer = { .len = sizeof(peer.sa) };
	int fd = accept4(listener->fd, &peer.sa.any, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		addr_split(&peer, from);
	} else if (errno != EAGAIN && errno != ECONNABORTED) {
		/* the socket stays ready: without a pause the loop would spin */
		loop_watch(loop, listener, 0);
		loop_pass_by(loop, loop->now + LOOP_PAUSE_MS);
	}
	return fd;
}

/* A variable of the environment: 0 if it is no number; a larger number is cut down. */
static uint32_t environment_number(const char *name, uint32_t when_unset)
{
	const char *value = getenv(name);
	uint32_t n = UINT32_MAX;

	if (!value)
		return when_unset;
	return str_decimal(value, UINT32_MAX, &n) == -EINVAL ? 0 : n;
}

void loop_notify_open(struct loop_notify *notify)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint32_t pid = (uint32_t)getpid();
	uint32_t ms = environment_number("WATCHDOG_USEC", 0) / 3000; /* a third of it */
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len = name ? strlen(name) : 0;

	*notify = (struct loop_notify){ .fd = -1, .next = NEVER };
	notify->every = ms && environment_number("WATCHDOG_PID", pid) == pid ? ms : NEVER;
	if (!len || len > sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0'; /* an abstract address, unix(7) */
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!connect(notify->fd, (struct sockaddr *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)))
		notify->next = 0;
}

bool loop_notify_send(const struct loop_notify *notify, const char *message)
{
	return write(notify->fd, message, strlen(message)) >= 0;
}

void loop_notify_alive(struct loop_notify *notify, uint64_t now)
{
	if (now < notify->next)
		return;
	notify->next = now + NOTIFY_RETRY_MS;
	if (loop_notify_send(notify, notify->ready ? "WATCHDOG=1" : "READY=1")) {
		notify->ready = true;
		notify->next = now + notify->every;
	}
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
		loop_notify_send(&loop->notify, "STOPPING=1");
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

	*loop = (struct loop){ .interval = interval_ms, .role = role, .ctx = ctx,
			       .tick_next = NEVER, .signal_source.fd = -1,
			       .notify = { .fd = -1, .next = NEVER } };
	loop->now = loop->next = loop_clock();
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

static uint64_t loop_next(const struct loop *loop)
{
	uint64_t next = loop->next < loop->tick_next ? loop->next : loop->tick_next;

	return next < loop->notify.next ? next : loop->notify.next;
}

/* Waits for an event until something is due, and handles one. */
static bool loop_handle_event(struct loop *loop)
{
	uint64_t until = loop_next(loop);
	struct epoll_event event;
	struct loop_source *source;
	int n;

	loop->now = loop_clock();
	n = epoll_wait(loop->epoll, &event, 1, until > loop->now ? (int)(until - loop->now) : 0);
	loop->now = loop_clock();
	if (n <= 0)
		return false;
	source = event.data.ptr;
	source->ready(source, event.events);
	return true;
}

/* One event at a time: a callback may close and free any source, as no other event of the same
 * batch can refer to it. A pass waits until no event is ready, so that a burst costs one pass. */
void loop_run(struct loop *loop)
{
	bool passed = false;
	int burst = 0;

	do {
		bool handled = loop_handle_event(loop);

		if (loop->tick_next <= loop->now) {
			loop->tick_next = NEVER;
			loop->tick(loop->tick_ctx);
		}
		if (loop->next <= loop->now && (!handled || ++burst >= EVENTS_BEFORE_PASS)) {
			burst = 0;
			loop->next = loop->now + loop->interval;
			loop->role->pass(loop->ctx);
			passed = true;
		}
		if (passed)
			loop_notify_alive(&loop->notify, loop->now);
	} while (!loop->role->done(loop->ctx));
}
