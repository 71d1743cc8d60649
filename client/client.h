/* SPDX-License-Identifier: MIT */
/*
 * The client role: every device that a server exports is attached to this machine, and attached
 * again when it comes back; at the end, all of them are detached.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "lib/endpoint.h"
#include "loop/daemon.h"
#include "proto/op.h"

enum { CLIENT_SERVERS_MAX = 64 };

/*
 * Runs until it is told to stop. Returns the exit status: 0, or 1 if it could not do its work, or 2
 * if the rules are wrong. The records for the stock tools are in record_stock_dir().
 */
int client_run(const struct daemon_options *options, const struct endpoint *server,
	       unsigned servers);

typedef void client_show(void *ctx, const struct op_device *device,
			 const struct op_interface *interface);

/*
 * Calls show for each device that a server exports. key is NULL if there is none. Returns the exit
 * status: 0, or 1 after one line in the log that says why there is no list.
 */
int client_list(const struct endpoint *server, const struct psk *key, client_show *show, void *ctx);

#endif
