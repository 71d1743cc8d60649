/* SPDX-License-Identifier: MIT */
/* Kernel modules, by the system's modprobe. */
#ifndef SYSFS_MODPROBE_H
#define SYSFS_MODPROBE_H

/*
 * Runs modprobe and waits for it: 0; -ENOENT when there is no modprobe, -ENOEXEC when it failed.
 * It blocks: not for an event loop.
 */
int modprobe(const char *name);

#endif
