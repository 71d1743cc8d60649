/* SPDX-License-Identifier: MIT */
/* What makes the kernel notice that the other end of a session is gone. */
#include "loop/session.h"

#include "lib/socket.h"

#include <errno.h>
#include <netinet/tcp.h>

enum { KERNEL_SECONDS = 1 /* so much longer: the kernel's own way is the better one */ };

static uint32_t seconds(uint32_t dead_after)
{
	return dead_after < DEAD_AFTER_MIN ? DEAD_AFTER_MIN : dead_after;
}

/* Probes begin after a third of the time; five or a few more fit into the rest. */
int session_set_timeouts(int fd, uint32_t dead_after)
{
	static const uint8_t option[] = { TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT,
					  TCP_USER_TIMEOUT };
	int silent = (int)seconds(dead_after), idle = silent / 3, rest = silent - idle;
	const int value[] = { 1, idle, rest / 5, rest / (rest / 5), silent * 1000 };
	size_t n = dead_after ? sizeof(option) : 1;
	int error = socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);

	for (size_t i = 0; !error && i < n; i++)
		error = socket_set(fd, IPPROTO_TCP, option[i], value[i]);
	/* a pair of sockets has none of it: behind it is ssh, which looks itself */
	return error == -EOPNOTSUPP ? 0 : error;
}

void session_check(struct loop *loop, const struct loop_source *session, uint32_t dead_after)
{
	/* an idle peer's last sign of life is as old as the time between two of them */
	uint32_t limit = seconds(dead_after), busy = DEAD_AFTER_MIN + limit / 3, silent = 0;
	struct tcp_info info;
	socklen_t len = sizeof(info);

	info.tcpi_unacked = 0; /* emulators tell less */
	limit = ((limit > busy ? limit : busy) + KERNEL_SECONDS) * 1000;
	if (!dead_after || session->fd < 0 ||
	    getsockopt(session->fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return;
	if (info.tcpi_unacked)
		silent = info.tcpi_last_ack_recv < info.tcpi_last_data_recv
				 ? info.tcpi_last_ack_recv
				 : info.tcpi_last_data_recv;
	if (silent < limit)
		loop_pass_by(loop, loop->now + limit - silent);
	else
		shutdown(session->fd, SHUT_RDWR);
}
