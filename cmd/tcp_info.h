/* SPDX-License-Identifier: MIT */
/*
 * TCP counters of a session, whichever process has its socket. Sources: sock_diag(7),
 * net/ipv4/inet_diag.c, include/uapi/linux/tcp.h struct tcp_info.
 */
#ifndef CMD_TCP_INFO_H
#define CMD_TCP_INFO_H

#include "client/port_record.h"

#include <stdint.h>

struct tcp_counters {
	uint64_t bytes_in, bytes_out;
	uint64_t rtt_us; /* round trip time, microseconds */
};

/* Asks the kernel for the connection between the session's addresses. counters stay as they are if
 * there is no such connection, or the kernel is older than Linux 4.1. */
void tcp_info_read(const struct connection_addr *session, struct tcp_counters *counters);

#endif
