/* SPDX-License-Identifier: MIT */
/* What makes the kernel notice that the other end of a session is gone. */
#ifndef LOOP_SESSION_H
#define LOOP_SESSION_H

#include "loop/loop.h"

enum {
	DEAD_AFTER_DEFAULT = 15, /* seconds */
	/* Less would end sessions with a live peer that is busy: it may hold a zero window
	 * for seconds, which counts (net/ipv4/tcp_timer.c tcp_probe_timer()). */
	DEAD_AFTER_MIN = 10,
	DEAD_AFTER_MAX = 86400,
};

/*
 * Sets the options of a TCP socket that is about to be handed to usbip-host or vhci: no delay, and
 * a peer that is silent for dead_after seconds is gone, idle (keepalive) or with data in flight
 * (TCP_USER_TIMEOUT). 0 = never, as the stock tools; 1 to 9 count as 10. Returns 0 or -errno.
 */
int session_set_timeouts(int fd, uint32_t dead_after);

/*
 * In every pass, for a session that is kept: ends it when data has been in flight and nothing has
 * come for longer than that. The kernel does so by itself, but each ICMP "unreachable" makes it
 * wait anew (net/ipv4/tcp_ipv4.c tcp_ld_RTO_revert()): then a third more.
 */
void session_check(struct loop *loop, const struct loop_source *session, uint32_t dead_after);

#endif
