/* SPDX-License-Identifier: MIT */
/* An event of hooks, as the daemon sends it. */
#ifndef TESTS_HOOK_EVENT_H
#define TESTS_HOOK_EVENT_H

#include "loop/hooks.h"

#include "tests/check.h"

#include <sys/socket.h>
#include <unistd.h>

/* Returns its length; text has HOOK_EVENT_SIZE bytes. */
static inline size_t event_make(char *text, const struct hook_facts *facts)
{
	struct hook_runner runner = { .config = "." };
	ssize_t n;
	int pair[2];

	must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "make a socket");
	runner.source.fd = pair[0];
	hook_runner_tell(&runner, facts);
	CHECK_INT(runner.waiting, 1);
	n = recv(pair[1], text, HOOK_EVENT_SIZE, MSG_TRUNC);
	must(n > 0 && n <= HOOK_EVENT_SIZE, "receive the event");
	close(pair[0]);
	close(pair[1]);
	return (size_t)n;
}

#endif
