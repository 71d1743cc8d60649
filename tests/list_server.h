/* SPDX-License-Identifier: MIT */
/* A server without devices, which knows no other request than that for its list. */
#ifndef TESTS_LIST_SERVER_H
#define TESTS_LIST_SERVER_H

#include "proto/op.h"
#include "tests/check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIST_SERVER_PORT_SIZE = 8 };

static inline void list_server_serve(int listener)
{
	uint8_t bytes[OP_DEVLIST_HEAD_SIZE];
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (recv(fd, bytes, OP_COMMON_SIZE, MSG_WAITALL) == OP_COMMON_SIZE && bytes[3] == 5) {
			op_devlist_head_encode(bytes, sizeof(bytes), OP_REP_DEVLIST, 0);
			send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		}
		close(fd);
	}
	_exit(1);
}

/* Starts it as another process, at this port of 127.0.0.1. */
static inline pid_t list_server_start(char port[LIST_SERVER_PORT_SIZE])
{
	struct sockaddr_in there = { .sin_family = AF_INET };
	socklen_t len = sizeof(there);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(!bind(listener, (struct sockaddr *)&there, len) && !listen(listener, 8) &&
		     !getsockname(listener, (struct sockaddr *)&there, &len), "listen");
	snprintf(port, LIST_SERVER_PORT_SIZE, "%u", ntohs(there.sin_port));
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid)
		list_server_serve(listener);
	close(listener);
	return pid;
}

#endif
