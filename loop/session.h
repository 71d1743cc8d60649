/* SPDX-License-Identifier: MIT */
/* A session: a socket that the kernel owns, as usbip-host and vhci-hcd use it for one device. Its
 * timeouts, and a descriptor that the daemon keeps of it, to notice its end. */
#ifndef LOOP_SESSION_H
#define LOOP_SESSION_H

#include "lib/socket.h"
#include "loop/loop.h"

enum { SESSION_TEXT_SIZE = SOCKET_PAIR_SIZE + 12 };

/* Describes a session that begins now, for a status file: "BEGIN LOCAL-ADDR LOCAL-PORT PEER-ADDR
 * PEER-PORT". BEGIN is in seconds of loop_clock(), as the system's clock may be set later; without
 * a connection by TCP it stands alone. text has SESSION_TEXT_SIZE bytes. Returns whether there is
 * such a connection. */
bool session_describe(int fd, char *text);

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

/* The kernel's bytes pass through the socket: the watch never reads or writes it. */
struct session_watch {
	struct loop *loop;
	struct loop_source socket; /* fd -1: no session, or it has ended */
	uint64_t ended;		   /* loop->now when the connection was closed, 0: it was not */
};

void session_watch_init(struct session_watch *watch, struct loop *loop);
/*
 * Takes over fd, a socket that the kernel uses by now, in place of an earlier one. When either side
 * closes the connection, fd is closed, watch->ended is set, and the loop runs a pass. Where no
 * memory is left to watch it, fd stays open: the end shows in the kernel's status files.
 */
void session_watch_start(struct session_watch *watch, int fd);
/*
 * In every pass: shuts an open session down if data has been in flight and the peer has been silent
 * for longer than dead_after, else asks for a pass when that will be so. The kernel notices by
 * itself, but each ICMP "unreachable" makes it wait again (net/ipv4/tcp_ipv4.c
 * tcp_ld_RTO_revert()): hence a third longer here.
 */
void session_watch_check(struct session_watch *watch, uint32_t dead_after);
/* Closes the descriptor and forgets the end; the kernel's reference stays. */
void session_watch_drop(struct session_watch *watch);

#endif
