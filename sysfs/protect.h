/* SPDX-License-Identifier: MIT */
/* Which USB devices this host itself depends on: exporting one would cut it off. Found without
 * opening a device or waiting for one. */
#ifndef SYSFS_PROTECT_H
#define SYSFS_PROTECT_H

#include "lib/str.h"
#include "sysfs/sysfs.h"

/*
 * Whether this host needs the device with that busid, which has no '/' in it. If so, reason says
 * why; else reason is not touched. A device is needed if
 * - it backs a mounted file system (proc(5) mountinfo) or swap, through partitions, device mapper,
 *   md or a loop device that stands on a disk (/sys/block/DISK/slaves, loop/backing_file);
 * - it carries the network interface of the default route or of a TCP connection, also through a
 *   bridge, bond or VLAN, or the only link that is up (/proc/net/route, ipv6_route, tcp, tcp6);
 * - it is a keyboard or pointer (/proc/bus/input/devices) while somebody is logged in at the
 *   console of this host: by the sessions of logind, or without logind by a process whose terminal
 *   is a virtual console.
 *
 * It fails closed: if one of these files or directories cannot be read, the device is needed, and
 * reason names the file. A file that this kernel does not have (-ENOENT: /proc/swaps without swap,
 * net/tcp6 without IPv6, no logind) is no failure, unless the whole of /proc is hidden: not
 * mounted, or mounted with subset=pid. On a test's tree (sysfs->fake) no device is needed.
 */
bool protect_check(const struct sysfs *sysfs, const char *busid, struct reason *reason);

/* One such question, as its parts share it. They return true if the device is needed, or may be as
 * something could not be found out; then there is a reason. */
struct protect_query {
	const struct sysfs *sysfs;
	const char *busid;
	struct reason reason; /* empty: none is found yet */
	unsigned depth;	      /* of disks that stand on each other */
	bool on_device;	      /* the lines that follow are of an input device of that device */
};
bool protect_disk(struct protect_query *query);
bool protect_net(struct protect_query *query);

/* Sets the reason, unless there is one: the first is the best. Always true. */
bool protect_because(struct protect_query *query, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define PROTECT_UNKNOWN "this host may need it: " /* begins a format */

/* The reason that /dir/path cannot be read; dir: "sys", "proc" or "run". Always true. */
bool protect_unreadable(struct protect_query *query, const char *dir, const char *path,
			ssize_t error);
/* The same for the result of reading it, but false if that is no error, or tells that there is no
 * such file, or not any more. */
bool protect_failed(struct protect_query *query, const char *dir, const char *path, ssize_t result);
/* file_each_line() below /proc, sysfs_each_entry() below the sysfs. True if visit returned true,
 * or protect_failed() does. */
bool protect_each_line(struct protect_query *query, const char *path,
		       bool (*visit)(void *ctx, char *line), void *ctx);
bool protect_each_entry(struct protect_query *query, const char *path,
			bool (*visit)(void *ctx, const char *name), void *ctx);

/* Whether a path in sysfs leads through the USB device with that busid. */
bool protect_path_contains(const char *path, const char *busid);

#endif
