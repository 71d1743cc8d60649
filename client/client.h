/* SPDX-License-Identifier: MIT */
/*
 * The client role: every device that a server publishes is attached to this machine, and kept so;
 * what was attached is detached at the end.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "lib/endpoint.h"
#include "loop/daemon.h"
#include "proto/op.h"

enum { CLIENT_SERVERS_MAX = 64 };

/*
 * Runs until told to stop. Returns the exit status: 0, or 1 when it could not do its work.
 * The stock tools' records are in the directory vhci_hcd beside the run directory.
 */
int client_run(const struct daemon_options *options, const struct endpoint *server,
	       unsigned servers);

typedef void client_show(void *ctx, const struct op_device *device,
			 const struct op_interface *interface);

/*
 * Shows the devices a server publishes, each as it comes; key is NULL for one that has none.
 * Returns the exit status: 0, or 1 when it has no answer, after one line that says why.
 */
int client_list(const struct endpoint *server, const struct psk *key, client_show *show, void *ctx);

#endif
