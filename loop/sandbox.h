/* SPDX-License-Identifier: MIT */
/*
 * What a daemon gives up before it hears a peer, for good: one that found a hole in a parser finds
 * little behind it.
 *	- all capabilities, and to get any by a program (capabilities(7), PR_SET_NO_NEW_PRIVS):
 *	  root without them is no more than the owner of root's files
 *	- to write, make and remove files, and to run programs (landlock(7), Linux 5.13): but for
 *	  the USB part of sysfs and the directories of notes
 *	- system calls that it does not need and that have been the way to more (seccomp(2)): above
 *	  all sockets of other families than IP's and netlink's, as whoever may speak to dbus or a
 *	  container's daemon as root needs nothing more
 * Where the kernel has not one of these, the others remain; --verbose says what is missing.
 */
#ifndef LOOP_SANDBOX_H
#define LOOP_SANDBOX_H

#include "sysfs/sysfs.h"

/*
 * notes, records: directories where files are written; records may be NULL.
 * programs: some must be run, ssh, which inherits all this: then files and local sockets stay as
 * they are.
 */
void sandbox_enter(const struct sysfs *sysfs, const char *notes, const char *records, bool programs);

#endif
