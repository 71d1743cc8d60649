/* SPDX-License-Identifier: MIT */
/*
 * The server role: every device that may be exported is bound to an engine, kept so, and served to
 * clients. At the end all bound devices are given back to their own drivers.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include "host/listener.h"
#include "lib/addr.h"
#include "loop/daemon.h"

/*
 * Runs until it is told to stop. Returns the exit status: 0, 1 if it could not do its work, 2 if
 * the rules are malformed. Listens on the addresses of listen; only clients in networks may
 * connect. take_all: also devices that this machine itself needs.
 */
int host_run(const struct daemon_options *options, const struct listener_address *listen,
	     unsigned listeners, const struct cidr_list *networks, bool take_all);

#endif
