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
#include "tls/keys.h"

#include <stddef.h>
#include <sys/types.h>

enum { STRINGS_READ_MS = 2000 }; /* time limit; the kernel usually has them in its memory */

/* All zeros: not running. */
struct child {
	struct loop_source pipe;
	struct loop *loop;
	pid_t pid; /* 0: not running */
	pid_t parent; /* the daemon; if getppid(2) differs in the child, the daemon has ended */
	void *result;
	size_t size;
	/* Called when the child has ended; whole: the result came. */
	void (*done)(struct child *child, bool whole);
};

/* The descriptors that a new process keeps besides 0 to 2; zeros and negative numbers are ignored.
 * All others are closed in it, above all locks, sockets and connections, as it may outlive the
 * daemon. */
struct child_files {
	int fd[6];
};

/* Work for a child process. */
struct child_work {
	void (*run)(const void *arg, void *result);
	const void *arg;
	void *result; /* gets size bytes, at most PIPE_BUF, from the child; first zeros */
	size_t size;
	struct child_files files;
};

/* Runs the work in a child process. child and result must live until done is called. 0, or -errno
 * if there can be no child. */
int child_start(struct loop *loop, struct child *child, const struct child_work *work,
		void (*done)(struct child *child, bool whole));
/* Kills the child if it runs; done is not called. Only for work that leaves nothing half done. */
void child_kill(struct child *child);

/* Once, before there is a new process: argv[0] of the program, and the keys that it has, or will
 * have; NULL: none. */
void child_set_origin(char *argv0, struct keys *keys);
/* In a new process: closes all descriptors but those, also, and 0 to 2, and forgets the keys. name
 * is its name for ps(1) and pidof(1); argv[0] is overwritten, so that this is not taken for the
 * daemon. */
void child_become(const char *name, const struct child_files *files, int also);

/*
 * Starts a process that lives as long as the daemon, and becomes that name. It has the rights of
 * the caller, so the daemon starts it before its sandbox. *fd becomes an end of a SOCK_SEQPACKET
 * pair, in each of both processes. Returns as fork(2) does, or -errno. The process must end when
 * its socket is closed at the other end.
 */
pid_t child_start_helper(const char *name, const struct child_files *files, int *fd);

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
