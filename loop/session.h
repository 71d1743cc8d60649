/* SPDX-License-Identifier: MIT */
/* How the kernel and the daemon notice that the peer of a session is gone. */
#ifndef LOOP_SESSION_H
#define LOOP_SESSION_H

#include "loop/loop.h"

enum {
	DEAD_AFTER_DEFAULT = 15, /* seconds */
	/* A shorter time would end sessions with a live peer that is busy: it may hold a zero
	 * window for seconds, which counts (net/ipv4/tcp_timer.c tcp_probe_timer()). */
	DEAD_AFTER_MIN = 10,
	DEAD_AFTER_MAX = 86400,
};

/*
 * Sets the options of a TCP socket that is about to be handed to usbip-host or vhci: no delay, and
 * a peer that is silent for dead_after seconds is gone, whether the session is idle (keepalive) or
 * has data in flight (TCP_USER_TIMEOUT). 0 = never, as the stock tools; 1 to 9 count as 10. A
 * socket that is not TCP has none of these options, which is no error. Returns 0 or -errno.
 */
int session_set_timeouts(int fd, uint32_t dead_after);

/*
 * Called in every pass: shuts the session down if data has been in flight and the peer has been
 * silent for longer than dead_after, else asks for a pass when that will be so. The kernel notices
 * by itself, but each ICMP "unreachable" makes it wait again (net/ipv4/tcp_ipv4.c
 * tcp_ld_RTO_revert()): hence a third longer here.
 */
void session_check(struct loop *loop, const struct loop_source *session, uint32_t dead_after);

#endif
