/* SPDX-License-Identifier: MIT */
/* What both daemons are made of: kernel driver and events, run directory, hooks, loop. */
#ifndef LOOP_DAEMON_H
#define LOOP_DAEMON_H

#include "lib/log.h"
#include "loop/hooks.h"
#include "loop/inspector.h"
#include "loop/loop.h"
#include "policy/holds.h"
#include "policy/rules.h"
#include "sysfs/device.h"
#include "tls/keys.h"

#define STATE_DIR "/var/run/usbiphp"

/* The run directory: one daemon of each role at a time, and notes for the next one. Their reader
 * compares them with sysfs; losing them costs only that a device is not given back at the end. */
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
 * for a killed daemon that still holds it. Writes the kernel's boot id to ROLE.boot
 * (Documentation/admin-guide/sysctl/kernel.rst, random). 0 or -errno; -EWOULDBLOCK: another daemon
 * has the lock.
 */
int rundir_open(struct rundir *rundir, const char *path, const char *role);
/* Releases the lock, and removes the directory if it is empty then. keep_notes: the next daemon
 * needs the notes, and hence ROLE.boot. */
void rundir_close(struct rundir *rundir, bool keep_notes);

/*
 * A job on a device runs in a child process, which may outlive the daemon. It holds the lock of the
 * file BUSID.lock, so that the next daemon leaves just that device alone. The file is empty, or has
 * the reason why the job does not end. Returns an open descriptor of the file, empty and locked, or
 * -errno: -EWOULDBLOCK while a child of an earlier daemon has the lock.
 */
int rundir_lock_job(const struct rundir *rundir, const char *busid);
/* Removes the file, and closes its descriptor; nothing if that is negative. */
void rundir_end_job(const struct rundir *rundir, const char *busid, int lock);
/* Whether a job is stuck, be it of a daemon that has ended, and why. Only root can read the reason;
 * for others why is a text without it. */
bool rundir_job_is_stuck(const char *path, const char *busid, struct reason *why);

/* Whether somebody has locked that file of the run directory, by /proc/locks, which anyone may
 * read. */
bool rundir_is_locked(const char *path, const char *name);
/* A page that a process shares with the daemon and with who looks at it: maps size bytes of an open
 * file, and fills up what it lacks with zeros. 0 or -errno. */
int rundir_map_page(int fd, size_t size, void **page);
/* Reads it, if the file is locked: its process lives. */
bool rundir_read_page(const char *path, const char *name, void *page, size_t size);
/* True if a daemon of that role holds the lock. */
bool rundir_has_daemon(const char *path, const char *role);

struct daemon_options {
	const char *sysfs;  /* root of the kernel's attribute files */
	const char *run;    /* run directory */
	const char *config; /* directory of holds (policy/holds.h) and hooks (loop/hooks.h) */
	struct rules_source rules;
	const char *psk;    /* file of keys */
	struct keys *keys;  /* NULL: none */
	uint32_t interval;  /* seconds */
	uint32_t dead_after; /* seconds, see session_set_timeouts() */
	bool once;	    /* end when all work is done, and leave everything as it is then */
	/* The client with once: at this time of loop_clock() at the latest, and before that only
	 * when each device that is allowed is attached. 0: it does not wait. */
	uint64_t wait_until;
};

struct daemon_role {
	struct driver driver;
	const char *name;   /* "server" or "client": names files in the run directory */
	enum uevent uevents; /* that bring a pass */
	uint32_t stop_ms;   /* limit for giving everything back */
	/* done is also true without being asked when the driver is gone or stop_ms is over. stop
	 * may be NULL. */
	struct loop_role loop;
};

struct daemon {
	const struct daemon_options *options;
	const struct daemon_role *role;
	void *ctx; /* of the role */
	struct sysfs sysfs;
	struct rundir rundir;
	struct loop loop;
	struct hook_runner runner;
	struct inspector inspector;
	struct loop_source uevents;
	struct loop_source settings; /* inotify(7) of options->config */
	struct log_once holds_fault, driver_fault;
	bool lost;	  /* the driver is gone; the next start tries to load it again */
	uint64_t stop_by; /* when stopping: the end, whatever is left */
};

/*
 * Reads the rules and the keys and opens everything, or nothing after one line that tells the
 * reason. Without options->once it waits until their files can be read, for the kernel module, and
 * for the end of another daemon with the same run directory. Returns the exit status: 0, 1, or 2 if
 * rules or keys are malformed. ctx is passed to the role's functions.
 */
int daemon_open(struct daemon *daemon, const struct daemon_options *options,
		const struct daemon_role *role, struct rules *rules, void *ctx);
/* Enters the sandbox (records, server: see sandbox_enter()) and runs until the role is done. */
void daemon_run(struct daemon *daemon, const char *records, const struct endpoint *server,
		unsigned servers);
/* keep_notes: the run directory has notes for the next daemon. */
void daemon_close(struct daemon *daemon, bool keep_notes);

/* In a pass, with the result of reading the driver's files: returns whether the pass can go on. If
 * not, the loop tries again soon, or ends because the driver is gone; logged. */
bool daemon_check_driver(struct daemon *daemon, int error);
/* In a pass: reads the holds, and after SIGHUP the rules and keys. Returns true if rules and keys
 * may have changed; logged. */
bool daemon_reload(struct daemon *daemon, struct rules *rules, struct holds *holds);

#endif
