/* SPDX-License-Identifier: MIT */
/*
 * The guard of an attached device: a process "usbiphp-guard" between the server's connection and
 * vhci-hcd, which has one end of a socketpair instead. It lets an answer through only if it fits
 * what was asked for (client/pending.h), and writes its header anew, so that no other byte of it
 * reaches the kernel. An answer that does not fit ends the session. So does a server that begins an
 * answer, or is told to unlink a URB, and then is silent: the kernel waits for that without an end,
 * and with locks that other devices need.
 *
 * The process may only use its two sockets, a page of memory and stderr. It outlives a client that
 * is killed, and ends with the session. In the run directory it has:
 *	guard.PORT	struct guard_page, locked (flock(2)) as long as the process lives
 */
#ifndef CLIENT_GUARD_H
#define CLIENT_GUARD_H

#include "proto/urb.h"

/* Whose devices have one. */
enum guard_mode {
	GUARD_AUTO, /* those of servers that prove nothing, if this kernel needs it */
	GUARD_ON,
	GUARD_OFF,
};

enum {
	GUARD_VERSION = 1, /* changes with struct guard_page */
	GUARD_ENDPOINTS = 32, /* the number, and 16 more if it is IN */
	GUARD_TIMES = 80,
	GUARD_TIME_MIN = 8, /* us: what is faster counts as this */
	GUARD_PATIENCE_MAX = 2000000, /* ms: half of the time after which its clock wraps */
};

/* For how long URBs were on the way, from the request to the whole answer. Four counts for each
 * doubling; what takes longer than 8 s is in the last one. */
struct guard_times {
	uint32_t count[GUARD_TIMES];
};

/* Of one session. Only the guard writes it. */
struct guard_page {
	uint64_t version;
	struct urb_counters counters;
	uint64_t held; /* unlinks that came before their URB, and were sent behind it */
	struct guard_times endpoint[GUARD_ENDPOINTS];
};

/*
 * Starts the guard of the device at that port. connection is the server's, kernel the other end of
 * what vhci-hcd has; the caller still has both. name is for its messages. patience: for how many ms
 * the server may be silent while the kernel waits for it, at most GUARD_PATIENCE_MAX; 0: for ever.
 * 0 or -errno.
 */
int guard_start(const char *run, unsigned port, int connection, int kernel, const char *name,
		uint32_t patience);
/* The device has left the port: removes its file. */
void guard_forget(const char *run, unsigned port);
/* For any process, of any user: returns false if the device has no guard. */
bool guard_read(const char *run, unsigned port, struct guard_page *page);
/* flow.c: the time that so many of 1,000 URBs took at most, in us; 0: there were none. */
uint64_t guard_time(const struct guard_times *times, unsigned of_1000);

#endif
