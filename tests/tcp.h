/* SPDX-License-Identifier: MIT */
/* Two ends of a connection over loopback. */
#ifndef TESTS_TCP_H
#define TESTS_TCP_H

#include "tests/check.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static inline void tcp_pair(int *accepted, int *connected)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(!bind(listener, (struct sockaddr *)&sa, len) && !listen(listener, 1) &&
		     !getsockname(listener, (struct sockaddr *)&sa, &len),
	     "listen");
	*connected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(!connect(*connected, (struct sockaddr *)&sa, len), "connect");
	*accepted = accept(listener, NULL, NULL);
	must(*accepted >= 0, "accept");
	setsockopt(*connected, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	close(listener);
}

#endif
