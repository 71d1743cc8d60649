/* SPDX-License-Identifier: MIT */
/*
 * The run directory: one daemon of a role at a time, and what it must know after a restart, as
 * a small file of lines. It is a hint: whoever reads it compares it with sysfs. Losing it costs
 * that a device is not given back at the end, nothing else.
 */
#ifndef LOOP_RUNDIR_H
#define LOOP_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>

#define STATE_DIR "/var/run/usbiphp"

struct rundir {
	const char *path;
	char lock_name[16];
	char boot_name[16];
	int dir;
	int lock;
	bool stale; /* the notes there were written before the latest boot, so none of them holds */
};

/*
 * Makes the directory when needed and takes the role's lock, the file ROLE.lock; waits a few
 * seconds for a killed daemon's child that has it still. 0, or -errno after a line that says why.
 * Beside the notes, in ROLE.boot, is the kernel's boot id
 * (Documentation/admin-guide/sysctl/kernel.rst, random).
 */
int rundir_open(struct rundir *state, const char *path, const char *role);
/* Lets go; a directory that is empty then is removed. notes: there are some, for the next one. */
void rundir_close(struct rundir *state, bool notes);

/* Whether a daemon of that role runs with that directory, as /proc/locks says to anybody. */
bool rundir_has_daemon(const char *path, const char *role);

/* Reads a file as a whole, terminated, cut off at size - 1 bytes; empty when there is none. */
void rundir_load(const struct rundir *state, const char *name, char *buf, size_t size);
/* Replaces a file as a whole, or removes it when len is 0. 0, or -errno and it is as it was. */
int rundir_save(const struct rundir *state, const char *name, const char *text, size_t len);

#endif
