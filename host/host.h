/* SPDX-License-Identifier: MIT */
/*
 * The server role: every device that may be exported is bound to usbip-host, kept so, and served to
 * clients; what was bound is given back at the end.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include "host/listener.h"
#include "lib/cidr.h"
#include "loop/daemon.h"

/*
 * Runs until told to stop. Returns the exit status: 0, or 1 when it could not do its work. listen
 * are the addresses to serve on, networks those to serve.
 */
int host_run(const struct daemon_options *options, const struct listener_address *listen,
	     unsigned listeners, const struct cidr_list *networks, bool take_all);

#endif
