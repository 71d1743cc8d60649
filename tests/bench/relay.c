/* SPDX-License-Identifier: MIT */
/*
 * For tests/bench/relay.py: what any process between a connection and vhci-hcd costs, even one that looks at nothing.
 * `LD_PRELOAD=/lib/relay.so RELAY=WAY usbip attach ...`: connect() leaves one end of a socketpair, as with a guard.
 *	poll	one process, which waits for both and copies, as the guard does
 *	block	a process for each direction, which blocks in recv() and send(): the least number of system calls
 *	splice	likewise, by splice() through a pipe: the bytes are not copied to it
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WINDOW = 64 << 10 };

static char window[WINDOW];
static int sockets[2]; /* the kernel's, the server's */

static void end_if(int failed)
{
	if (!failed)
		return;
	for (int i = 0; i < 2; i++)
		shutdown(sockets[i], SHUT_RDWR);
	_exit(0);
}

static void copy(int from, int to)
{
	ssize_t n = recv(from, window, WINDOW, 0);

	end_if(n <= 0);
	end_if(send(to, window, (size_t)n, MSG_NOSIGNAL) != n);
}

static void move(int from, int to, const int pipe[2])
{
	ssize_t n = splice(from, NULL, pipe[1], NULL, WINDOW, SPLICE_F_MOVE);

	end_if(n <= 0);
	while (n > 0) {
		ssize_t moved = splice(pipe[0], NULL, to, NULL, (size_t)n, SPLICE_F_MOVE);

		end_if(moved <= 0);
		n -= moved;
	}
}

static void relay(const char *way)
{
	int up = sockets[0], down = sockets[1], pair[2];
	struct pollfd both[] = { { up, POLLIN, 0 }, { down, POLLIN, 0 } };

	if (!strcmp(way, "poll"))
		for (;;) {
			poll(both, 2, -1);
			if (both[0].revents)
				copy(up, down);
			if (both[1].revents)
				copy(down, up);
		}
	if (!fork()) {
		up = sockets[1];
		down = sockets[0];
	}
	end_if(pipe(pair));
	for (;;)
		if (!strcmp(way, "splice"))
			move(up, down, pair);
		else
			copy(up, down);
}

int connect(int fd, const struct sockaddr *peer, socklen_t len)
{
	int (*connect_there)(int, const struct sockaddr *, socklen_t) =
		(int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
	const char *way = getenv("RELAY");
	int failed = connect_there(fd, peer, len), ends[2];

	if (failed || !way || peer->sa_family != AF_INET || socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return failed;
	if (!fork()) {
		int null = open("/dev/null", O_RDWR);

		for (int std = 0; std < 3; std++)
			dup2(null, std);
		close(ends[0]);
		sockets[0] = ends[1];
		sockets[1] = fd;
		relay(way);
	}
	dup2(ends[0], fd);
	close(ends[0]);
	close(ends[1]);
	return 0;
}
