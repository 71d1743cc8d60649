/* SPDX-License-Identifier: MIT */
/*
 * What this machine itself needs a USB device for: whoever takes it then saws off the branch he
 * sits on. Found from sysfs, /proc and /run, without opening a device or waiting for one.
 */
#ifndef SYSFS_PROTECT_H
#define SYSFS_PROTECT_H

#include "lib/str.h"
#include "sysfs/sysfs.h"

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
bool protect_check(const struct sysfs *sysfs, const char *busid, struct reason *use);

/* Its parts. */
bool protect_disk(const struct sysfs *sysfs, const char *busid, struct reason *use);
bool protect_net(const struct sysfs *sysfs, const char *busid, struct reason *use);
bool protect_console(const struct sysfs *sysfs, const char *busid, struct reason *use);

/* For them: says why, by a format with one string; always true. */
bool protect_because(struct reason *use, const char *format, const char *what)
	__attribute__((format(printf, 2, 0)));
/* Whether a sysfs path leads through that USB device. */
bool protect_path_contains(const char *path, const char *busid);

#endif
