/* SPDX-License-Identifier: MIT */
/*
 * What the kernel knows about the TCP connection of a session, whoever has it. Sources:
 * sock_diag(7), net/ipv4/inet_diag.c, include/uapi/linux/tcp.h struct tcp_info.
 */
#ifndef CMD_TCP_INFO_H
#define CMD_TCP_INFO_H

#include "cmd/item.h"

/* Fills in in, out and rtt of an item whose session is known; they stay as they are otherwise. */
void socket_look(struct item *item);

#endif
