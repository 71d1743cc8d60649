/* SPDX-License-Identifier: MIT */
/*
 * A short-lived child process for work that may block. Its result comes back through a pipe that
 * the loop watches. The child finishes its work even if the daemon dies or is stopped, as signals
 * that would end it stay blocked: a device is not left half way.
 */
#ifndef LOOP_CHILD_H
#define LOOP_CHILD_H

#include "loop/loop.h"
#include "sysfs/device.h"

#include <stddef.h>
#include <sys/types.h>

enum { STRINGS_READ_MS = 2000 }; /* time limit; the kernel usually has them in its memory */

/* All zeros: not running. */
struct child {
	struct loop_source pipe;
	struct loop *loop;
	pid_t pid; /* 0: not running */
	void *result; /* gets size bytes from the child */
	size_t size;
	/* Called when the child has ended; whole: the result came. */
	void (*done)(struct child *child, bool whole);
};

/* Runs work(arg, result) in a child and brings result back: at most PIPE_BUF bytes, first zeros.
 * child and result must live until done is called. 0, or -errno if there can be no child. */
int child_start(struct loop *loop, struct child *child, void (*work)(const void *arg, void *result),
		const void *arg, void *result, size_t size,
		void (*done)(struct child *child, bool whole));
/* Kills the child if it runs; done is not called. Only for work that leaves nothing half done. */
void child_kill(struct child *child);

/* Reads the strings of a device in a child process, as that may block (sysfs/device.h).
 * child_kill() ends it. */
struct strings_reader {
	struct child child;
	const struct sysfs *sysfs;
	uint64_t deadline;
	char busid[BUSID_SIZE];
	struct device_strings strings; /* valid from done(whole) to the next start */
};

/* Starts to read them; the reader must not be running. done gets &reader->child, maybe before this
 * returns, and false also if it took too long or there could be no child. */
void strings_reader_start(struct strings_reader *reader, struct loop *loop,
			  const struct sysfs *sysfs, const char *busid,
			  void (*done)(struct child *child, bool whole));
/* In every pass: gives up at the time limit. */
void strings_reader_pass(struct strings_reader *reader);

#endif
