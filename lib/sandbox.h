/* SPDX-License-Identifier: MIT */
/* The sandboxes of our processes. */
#ifndef LIB_SANDBOX_H
#define LIB_SANDBOX_H

#include "lib/addr.h"

#include <stdbool.h>

/*
 * The sandbox that a daemon enters for good before it accepts a peer, so that an exploited parser
 * gains little:
 *	- no capabilities, and no way to get any by running a program (capabilities(7),
 *	  PR_SET_NO_NEW_PRIVS): root without them is no more than the owner of root's files
 *	- Landlock (landlock(7), Linux 5.13): no program is run, no directory made or renamed, and
 *	  files are written, made and removed only in the run directory and the directory of
 *	  records, and written in sysfs: a client's port table; a server's USB drivers, and the
 *	  devices of the USB buses that are there now. Since Linux 6.7 a client opens no TCP
 *	  connection but to the ports of its servers, and to that of the DNS
 *	- seccomp filter (seccomp(2)): no system calls that are not needed and have been ways to
 *	  exploit the kernel or other processes; no sockets of other families than IP and netlink,
 *	  as root needs no more than a local socket of D-Bus or of a container's daemon to become
 *	  all again
 * A layer that the kernel lacks is left out; --verbose logs it, and the doctor tells whether it is
 * Landlock.
 *
 * sysfs: open root of the kernel's attribute files.
 * run_dir, records: directories in which files are replaced; records is NULL for the server, which
 * may not connect to anybody.
 * server: those of a client.
 */
void sandbox_enter(int sysfs, const char *run_dir, const char *records,
		   const struct endpoint *server, unsigned servers);

/* Whether this kernel has Landlock, and it is on. */
bool sandbox_has_landlock(void);

/* The sandbox of the inspector. It keeps the capabilities to look at other users' processes and to
 * read files that only they may read. It cannot write to files, run programs, open sockets, or
 * trace other processes. */
void sandbox_enter_inspector(void);

/* The sandbox of a holder (host/holder.h): it may only use what it has open, by the calls that need
 * no more than that. */
void sandbox_enter_holder(void);

/* The sandbox of the process that starts ssh, which inherits it: files, programs and local sockets
 * are not restricted, but there are no capabilities, and no system calls that nobody needs. */
void sandbox_enter_ssh(void);

/* The sandbox of a guard (client/guard.h) and of a relay (loop/relay.h): it may receive, send and
 * wait, and write to its log. */
void sandbox_enter_guard(void);

/* For the process that runs the hooks: gives up the capabilities that only the inspector needs. If
 * systemd runs the daemon, that leaves none. */
void sandbox_enter_hooks(void);

#endif
