/* SPDX-License-Identifier: MIT */
/* What makes the kernel notice that the other end of a session is gone. */
#include "loop/liveness.h"

#include "loop/socket.h"

#include <netinet/tcp.h>

enum { KERNEL_SECONDS = 1 /* so much longer: the kernel's own way is the better one */ };

/* Probes begin after a third of the time; five or a few more fit into the rest. */
static int set_timeouts(int fd, int seconds)
{
	int idle = seconds / 3, every = (seconds - idle) / 5, count = (seconds - idle) / every;
	int error = socket_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);

	if (!error)
		error = socket_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, every);
	if (!error)
		error = socket_set(fd, IPPROTO_TCP, TCP_KEEPCNT, count);
	if (!error)
		error = socket_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, seconds * 1000);
	return error;
}

static uint32_t seconds(uint32_t dead_after)
{
	return dead_after < LIVENESS_LEAST ? LIVENESS_LEAST : dead_after;
}

int liveness_set(int fd, uint32_t dead_after)
{
	int error = socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);

	if (!error)
		error = socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (!error && dead_after)
		error = set_timeouts(fd, (int)seconds(dead_after));
	return error;
}

void liveness_check(struct loop *loop, const struct loop_source *session, uint32_t dead_after)
{
	/* an idle peer's last sign of life is as old as the time between two of them */
	uint32_t busy = LIVENESS_LEAST + seconds(dead_after) / 3, silent = 0;
	uint32_t limit = (seconds(dead_after) > busy ? seconds(dead_after) : busy) + KERNEL_SECONDS;
	struct tcp_info info;
	socklen_t len = sizeof(info);

	limit *= 1000;
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
