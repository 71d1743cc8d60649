/* SPDX-License-Identifier: MIT */
/* The process of a guard. */
#include "client/guard.h"

#include "client/flow.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/socket.h"
#include "lib/str.h"
#include "lib/util.h"
#include "loop/child.h"
#include "loop/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* systemd does not end a process with such a name before the last file system is unmounted: a disk
 * may have been kept (systemd-shutdown(8); systemd.io/ROOT_STORAGE_DAEMONS). */
#define GUARD_NAME "@usbiphp-guard"
#define PAGE_NAME "guard.%u"

/* One direction: from a socket to the other. */
struct way {
	int from, to;
	bool blocked; /* the other socket takes no more */
	struct flow *flow;
};

struct guard {
	const char *name;
	uint32_t patience; /* ms */
	uint32_t heard;	   /* the server, by guard_clock() */
	struct way up, down; /* from the kernel, from the server */
	struct flows flows;
};

static uint32_t guard_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)t.tv_sec * 1000000 + (uint32_t)t.tv_nsec / 1000;
}

/* Ends the session and the process. The client has a descriptor of the connection, too. First the
 * kernel gets rid of all that it has to send: it lets go only of what it has sent. */
static void __attribute__((noreturn)) guard_exit(struct guard *guard)
{
	shutdown(guard->up.to, SHUT_RDWR);
	socket_drain(guard->up.from);
	_exit(0);
}

static void __attribute__((noreturn)) guard_refuse(struct guard *guard, const char *why)
{
	log_warning("%s: the guard ends the session: %s", guard->name, why);
	guard_exit(guard);
}

/* Returns how much of it was sent. The end of the other connection is that of the session. */
static size_t guard_send(struct guard *guard, struct way *way, const uint8_t *bytes, size_t len)
{
	ssize_t n = send(way->to, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		guard_exit(guard);
	way->blocked = n < (ssize_t)len;
	return n < 0 ? 0 : (size_t)n;
}

static void guard_send_checked(struct guard *guard, struct way *way)
{
	struct flow *flow = way->flow;
	size_t len = flow_passable(flow);

	if (len)
		flow->begin += guard_send(guard, way, flow->bytes + flow->begin, len);
}

/* Checks and sends what was received, as far as the other socket takes it. */
static void guard_pass(struct guard *guard, struct way *way)
{
	struct flows *flows = &guard->flows;
	size_t none = 0, *left = way == &guard->up ? &flows->unlink_left : &none;

	if (way->blocked) /* it was not the server that was waited for */
		guard->heard = flows->now;
	way->blocked = false;
	do {
		if (!*left)
			flow_check(flows, way->flow);
		guard_send_checked(guard, way);
		if (flows->wrong)
			guard_refuse(guard, flows->wrong);
		if (!*left || way->blocked)
			return;
		*left -= guard_send(guard, way, flows->unlink + URB_SIZE - *left, *left);
	} while (!way->blocked);
}

static void guard_receive(struct guard *guard, struct way *way)
{
	struct flow *flow = way->flow;
	ssize_t n;

	flow->end -= flow->begin;
	flow->checked -= flow->begin;
	memmove(flow->bytes, flow->bytes + flow->begin, flow->end);
	flow->begin = 0;
	n = recv(way->from, flow->bytes + flow->end, FLOW_WINDOW - flow->end, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		guard_exit(guard);
	if (n < 0)
		return;
	flow->end += (size_t)n;
	if (way == &guard->down)
		guard->heard = guard->flows.now;
	guard_pass(guard, way);
}

/* What is waited for at the socket that one way comes from, and the other one goes to. With nothing
 * to wait for, only its end is. */
static struct pollfd guard_wanted(const struct way *from, const struct way *to)
{
	int events = (from->blocked || from->flow->stalled ? 0 : POLLIN) |
		     (to->blocked ? POLLOUT : 0);

	return (struct pollfd){ from->from, (short)events, 0 };
}

static void guard_ready(struct guard *guard, const struct pollfd *ready, struct way *from,
			struct way *to)
{
	if (ready->revents & POLLOUT)
		guard_pass(guard, to);
	if (ready->revents & POLLIN)
		guard_receive(guard, from);
	else if (ready->revents & ~POLLOUT)
		guard_exit(guard); /* it has ended, and what is left fits nowhere */
}

/* While the kernel takes what comes. A link that is cut ends sooner, by its timeouts. */
static void guard_check_silence(struct guard *guard)
{
	uint32_t limit = guard->patience * 1000;

	if (limit && !guard->down.blocked && guard->flows.now - guard->heard >= limit &&
	    flows_wait(&guard->flows, limit))
		guard_refuse(guard, "the server began an answer, has to unlink, or has all "
				    "requests that fit, and is silent");
}

static void __attribute__((noreturn)) guard_serve(struct guard *guard)
{
	struct way *up = &guard->up, *down = &guard->down;
	int patience = guard->patience ? (int)guard->patience : -1;

	sandbox_enter_guard();
	for (;;) {
		struct pollfd socket[] = { guard_wanted(up, down), guard_wanted(down, up) };

		if (poll(socket, ARRAY_SIZE(socket), patience) < 0)
			continue;
		guard->flows.now = guard_clock();
		guard_ready(guard, &socket[0], up, down);
		if (!down->blocked) /* what up was answered */
			guard_send_checked(guard, down);
		guard_ready(guard, &socket[1], down, up);
		if (up->flow->stalled && !up->blocked)
			guard_pass(guard, up);
		guard_check_silence(guard);
	}
}

static void page_path(char path[PATH_MAX], const char *run, unsigned port)
{
	str_format(path, PATH_MAX, "%s/" PAGE_NAME, run, port);
}

/* Opens its file, whose lock goes with *fd. NULL: then only status does not show the guard. */
static struct guard_page *page_open(const char *run, unsigned port, int *fd)
{
	char path[PATH_MAX];
	void *page = NULL;

	guard_forget(run, port);
	page_path(path, run, port);
	*fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (*fd < 0 || flock(*fd, LOCK_EX | LOCK_NB) ||
	    rundir_map_page(*fd, sizeof(struct guard_page), &page))
		return NULL;
	return page;
}

int guard_start(const char *run, unsigned port, int connection, int kernel, const char *name,
		uint32_t patience)
{
	static struct guard guard;
	static struct guard_page own;
	int lock;
	struct guard_page *page = page_open(run, port, &lock);
	const struct child_files files = { { connection, kernel } };
	pid_t pid = fork();
	int error = pid < 0 ? -errno : 0;

	if (!pid) {
		child_become(GUARD_NAME, &files, lock);
		guard.name = name;
		guard.patience = patience;
		guard.flows.page = page ? page : &own;
		guard.flows.page->version = GUARD_VERSION;
		guard.up = (struct way){ kernel, connection, false, &guard.flows.up };
		guard.down = (struct way){ connection, kernel, false, &guard.flows.down };
		guard_serve(&guard);
	}
	if (page)
		munmap(page, sizeof(*page));
	close(lock);
	return error;
}

void guard_forget(const char *run, unsigned port)
{
	char path[PATH_MAX];

	page_path(path, run, port);
	unlink(path);
}

bool guard_read(const char *run, unsigned port, struct guard_page *page)
{
	char name[32];

	str_format(name, sizeof(name), PAGE_NAME, port);
	return rundir_read_page(run, name, page, sizeof(*page)) && page->version == GUARD_VERSION;
}
