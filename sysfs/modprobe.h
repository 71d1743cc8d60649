/* SPDX-License-Identifier: MIT */
/* Loads kernel modules with the system's modprobe. */
#ifndef SYSFS_MODPROBE_H
#define SYSFS_MODPROBE_H

/*
 * Runs modprobe for the module name and waits for its end: 0, -ENOENT if there is no modprobe,
 * -ENOEXEC if it failed, or another -errno if it could not be started. It blocks: not for an event
 * loop.
 */
int modprobe(const char *name);

#endif
