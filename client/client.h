/* SPDX-License-Identifier: MIT */
/*
 * The client role: every device that a server exports is attached to this machine, and attached
 * again when it comes back; at the end, all of them are detached.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "client/guard.h"
#include "lib/addr.h"
#include "loop/daemon.h"

enum { CLIENT_SERVERS_MAX = 64 };

/* accept: the address at which servers connect that cannot be connected to; NULL: none. Returns the
 * exit status: 0, or 1 if it could not do its work, or 2 if the rules are wrong. */
int client_run(const struct daemon_options *options, enum guard_mode guard,
	       const struct endpoint *accept, const struct endpoint *server, unsigned servers);

#endif
