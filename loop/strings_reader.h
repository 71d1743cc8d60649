/* SPDX-License-Identifier: MIT */
/*
 * Reads the strings of a device in a child process: the kernel shows them under the device's lock,
 * so that reading them may block for as long as something is wrong with the device.
 */
#ifndef LOOP_STRINGS_READER_H
#define LOOP_STRINGS_READER_H

#include "loop/child.h"
#include "sysfs/device.h"

enum { STRINGS_READ_MS = 2000 }; /* time limit; the kernel usually has them in its memory */

/* All zeros: not running. child_kill() stops it without calling done. */
struct strings_reader {
	struct child child;
	const struct sysfs *sysfs;
	uint64_t deadline;
	char busid[BUSID_SIZE];
	struct device_strings strings; /* valid from done(complete) to the next start */
	/* The reader is idle again. complete = false: it took too long, was killed, or there could
	 * be no child. */
	void (*done)(struct strings_reader *reader, bool complete);
};

/*
 * Starts to read the strings of the device busid; the reader must not be running. done may be
 * called before this returns. The reader must stay in its place until done.
 */
void strings_reader_start(struct strings_reader *reader, struct loop *loop,
			  const struct sysfs *sysfs, const char *busid,
			  void (*done)(struct strings_reader *reader, bool complete));
/* In every pass: gives up at the time limit. */
void strings_reader_pass(struct strings_reader *reader);

#endif
