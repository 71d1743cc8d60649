/* SPDX-License-Identifier: MIT */
/*
 * The run directory: one daemon of each role at a time, and its notes for the next one, as small
 * files of lines. Notes are hints: their reader compares them with sysfs. Losing them costs only
 * that a device is not given back at the end.
 */
#ifndef LOOP_RUNDIR_H
#define LOOP_RUNDIR_H

#include <stdbool.h>

#define STATE_DIR "/var/run/usbiphp"

struct rundir {
	const char *path;
	char lock_name[16];
	char boot_name[16];
	int dir; /* of the notes: file_load(), file_replace() */
	int lock;
	bool stale; /* the notes were written before the latest boot: none of them holds */
};

/*
 * Makes the directory if needed and takes the lock of the role, the file ROLE.lock. Waits up to 5 s
 * for a child of a killed daemon that still holds it. Writes the kernel's boot id to ROLE.boot
 * (Documentation/admin-guide/sysctl/kernel.rst, random). 0, or -errno, logged.
 */
int rundir_open(struct rundir *rundir, const char *path, const char *role);
/* Releases the lock, and removes the directory if it is empty then. keep_notes: the next daemon
 * needs the notes, and hence ROLE.boot. */
void rundir_close(struct rundir *rundir, bool keep_notes);

/* True if a daemon of that role holds the lock, by /proc/locks, which anyone may read. */
bool rundir_has_daemon(const char *path, const char *role);

#endif
