/* SPDX-License-Identifier: MIT */
/* Tests of loop/liveness: the options a socket has before the kernel gets it. */
#include "loop/liveness.h"

#include "tests/check.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int get(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	must(!getsockopt(fd, level, option, &value, &len), "get a socket option");
	return value;
}

static void row(uint32_t dead_after, int seconds)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int idle, every, count;

	must(fd >= 0, "make a socket");
	CHECK_INT(liveness_set(fd, dead_after), 0);
	CHECK_INT(get(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	CHECK_INT(get(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_INT(get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), seconds * 1000);
	idle = get(fd, IPPROTO_TCP, TCP_KEEPIDLE);
	every = get(fd, IPPROTO_TCP, TCP_KEEPINTVL);
	count = get(fd, IPPROTO_TCP, TCP_KEEPCNT);
	if (seconds) {
		/* an idle peer is gone at about the same time as a busy one */
		CHECK(idle + every * count <= seconds);
		CHECK(idle + every * count > seconds - every);
		CHECK(count >= 3);
	} else {
		CHECK(idle > 3600);
	}
	close(fd);
}

int main(void)
{
	static const struct {
		uint32_t dead_after;
		int seconds;
	} table[] = {
		{ 0, 0 },   { 1, 10 },	{ 9, 10 },     { 10, 10 },	 { 11, 11 },
		{ 12, 12 }, { 15, 15 }, { 16, 16 },    { 17, 17 },	 { 30, 30 },
		{ 60, 60 }, { 61, 61 }, { 3599, 3599 }, { LIVENESS_MOST, LIVENESS_MOST },
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		check_begin("t_liveness: dead after %u s", table[i].dead_after);
		row(table[i].dead_after, table[i].seconds);
		check_end();
	}
	check_begin("t_liveness: no socket");
	CHECK_INT(liveness_set(-1, 15), -EBADF);
	check_end();
	return check_status();
}
