/* SPDX-License-Identifier: MIT */
/*
 * What people and programs see: which devices there are, what becomes of each, and what is in use
 * by whom. Everything is read from sysfs and from the daemons' notes, nothing is changed, and none
 * of it needs a running daemon, a module or root. Tables and JSON: man/usbiphp.1.
 *
 * Each function returns an exit status: 0; 1 when the kernel's files cannot be read, 2 when the
 * rules are wrong, either after a line that says why.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "lib/endpoint.h"
#include "loop/daemon.h"

/*
 * The devices of this machine. try: with the rules and take_all that are given, as if the daemon
 * were started so; else by what the running one has noted.
 */
int show_list(const struct daemon_options *options, bool try, bool take_all, bool json);

/* Those that a server publishes. 1 when it has no answer. */
int show_remote(const struct endpoint *server, const struct psk *key, bool json);

/* What the server would do if it were started now, a line for each device. */
int show_dry_run(const struct daemon_options *options, bool take_all);

/*
 * What is exported, imported and held. watch: again and again, until SIGINT or SIGTERM comes or
 * nobody reads it any more; those end the process with status 0.
 */
int show_status(const struct daemon_options *options, bool json, bool watch);

#endif
