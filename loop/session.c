/* SPDX-License-Identifier: MIT */
/* A session: the timeouts of its socket, and the watch for its end. */
#include "loop/session.h"

#include "lib/str.h"
#include "lib/util.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { KERNEL_FIRST_SECONDS = 1 /* the kernel gets so much longer to notice by itself */ };

bool session_describe(int fd, char *text)
{
	size_t len = str_format(text, SESSION_TEXT_SIZE, "%ju ", (uintmax_t)loop_clock() / 1000);

	return socket_pair_text(fd, text + len) != 0;
}

static uint32_t session_limit(uint32_t dead_after)
{
	return dead_after < DEAD_AFTER_MIN ? DEAD_AFTER_MIN : dead_after;
}

/* Probes begin after a third of the time; five or a few more fit into the rest. */
int session_set_timeouts(int fd, uint32_t dead_after)
{
	int silent = (int)session_limit(dead_after), idle = silent / 3, rest = silent - idle;
	const int tcp[][2] = {
		{ TCP_NODELAY, 1 },
		{ TCP_KEEPIDLE, idle },
		{ TCP_KEEPINTVL, rest / 5 },
		{ TCP_KEEPCNT, rest / (rest / 5) },
		{ TCP_USER_TIMEOUT, silent * 1000 },
	};
	int error = socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);

	for (size_t i = 0; !error && i < (dead_after ? ARRAY_SIZE(tcp) : 1); i++)
		error = socket_set(fd, IPPROTO_TCP, tcp[i][0], tcp[i][1]);
	/* a socketpair to ssh, which has timeouts of its own */
	return error == -EOPNOTSUPP ? 0 : error;
}

static void session_closed(struct loop_source *source, uint32_t events)
{
	struct session_watch *watch = container_of(source, struct session_watch, socket);

	(void)events;
	loop_drop(watch->loop, source);
	watch->ended = watch->loop->now;
	loop_pass_now(watch->loop);
}

void session_watch_init(struct session_watch *watch, struct loop *loop)
{
	*watch = (struct session_watch){ loop, { -1, session_closed }, 0 };
}

void session_watch_start(struct session_watch *watch, int fd)
{
	session_watch_drop(watch);
	watch->socket.fd = fd;
	loop_watch(watch->loop, &watch->socket, EPOLLRDHUP);
}

void session_watch_check(struct session_watch *watch, uint32_t dead_after)
{
	uint32_t limit = session_limit(dead_after), silent = 0;
	/* the peer of an idle session was last heard at its latest keepalive probe */
	uint32_t busy = DEAD_AFTER_MIN + limit / 3;
	struct tcp_info info = { 0 }; /* emulators fill in less */
	socklen_t len = sizeof(info);
	int fd = watch->socket.fd;

	if (!dead_after || fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return;
	if (info.tcpi_unacked) /* the peer owes an acknowledgement: for how long was it silent? */
		silent = info.tcpi_last_ack_recv < info.tcpi_last_data_recv
				 ? info.tcpi_last_ack_recv : info.tcpi_last_data_recv;
	limit = ((limit > busy ? limit : busy) + KERNEL_FIRST_SECONDS) * 1000;
	if (silent < limit)
		loop_pass_by(watch->loop, watch->loop->now + limit - silent);
	else
		shutdown(fd, SHUT_RDWR);
}

void session_watch_drop(struct session_watch *watch)
{
	loop_drop(watch->loop, &watch->socket);
	watch->ended = 0;
}
