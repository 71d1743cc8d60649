/* SPDX-License-Identifier: MIT */
/* What makes the kernel notice that the other end of a session is gone. */
#include "loop/liveness.h"

#include "loop/socket.h"

#include <netinet/tcp.h>

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

int liveness_set(int fd, uint32_t dead_after)
{
	int error = socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);

	if (!error)
		error = socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (!error && dead_after)
		error = set_timeouts(fd, (int)(dead_after < LIVENESS_LEAST ? LIVENESS_LEAST
									     : dead_after));
	return error;
}
