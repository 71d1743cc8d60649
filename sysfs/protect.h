/* SPDX-License-Identifier: MIT */
/*
 * What this machine itself needs a USB device for: whoever takes it then saws off the branch he
 * sits on. Found from sysfs, /proc and /run, without opening a device or waiting for one.
 */
#ifndef SYSFS_PROTECT_H
#define SYSFS_PROTECT_H

#include "sysfs/sysfs.h"

/* A sentence about the device, for a message: "it holds the file system at /boot". */
struct use {
	char reason[128];
};

/*
 * Whether the device of that busid, which has no `/` in it, is needed:
 * - it backs a mounted file system (proc(5) mountinfo) or swap, through partitions, device mapper,
 *   md or a loop device that stands on a disk (/sys/block/DISK/slaves, loop/backing_file);
 * - it carries the network interface of the default route or of a TCP connection, also through a
 *   bridge, bond or VLAN, or the only link that is up (/proc/net/route, ipv6_route, tcp, tcp6);
 * - it is a keyboard or pointer (/proc/bus/input/devices) while somebody is logged in at this
 *   machine's own screen or console: by logind's sessions, or where there are none by a program
 *   whose terminal is a virtual console.
 * What cannot be read counts for nothing.
 */
bool device_use(const struct sysfs *sysfs, const char *busid, struct use *use);

/* Its parts. */
bool use_disk(const struct sysfs *sysfs, const char *busid, struct use *use);
bool use_network(const struct sysfs *sysfs, const char *busid, struct use *use);
bool use_console(const struct sysfs *sysfs, const char *busid, struct use *use);

/* For them: says why, by a format with one string; always true. */
bool use_because(struct use *use, const char *format, const char *what)
	__attribute__((format(printf, 2, 0)));
/* Whether a sysfs path leads through that USB device. */
bool use_leads_through(const char *path, const char *busid);
/*
 * Calls see for each line of a file below the handle dir, until it returns true, and returns that.
 * A line is cut off at about 4000 bytes.
 */
bool use_each_line(int dir, const char *path, bool (*see)(void *ctx, char *line), void *ctx);

#endif
