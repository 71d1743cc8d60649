/* SPDX-License-Identifier: MIT */
/*
 * The order in which the kernel enumerates the attached devices. vhci-hcd enumerates one device per
 * controller at a time (address0_mutex in drivers/usb/core/hub.c), so a server that does not answer
 * blocks every device that was attached later to that controller. Only the oldest attach that waits
 * there is timed. No I/O; times are those of the loop, in milliseconds.
 */
#ifndef CLIENT_ENUM_QUEUE_H
#define CLIENT_ENUM_QUEUE_H

#include "sysfs/vhci.h"

#include <stdbool.h>
#include <stdint.h>

/* All zeros: nothing waits, and no ticket was given. */
struct enum_queue {
	uint32_t tickets; /* given so far: a later attach has a higher number */
	struct enum_queue_head {
		uint32_t ticket;   /* the lowest that waits, 0: none */
		uint64_t progress; /* when an attach left the queue last, 0: never */
	} head[VHCI_CONTROLLERS_MAX]; /* by controller */
};

/* A number for a new attach; never 0. */
uint32_t enum_queue_ticket(struct enum_queue *queue);
/* In every pass, first enum_queue_clear(), then enum_queue_add() for each attach that waits. */
void enum_queue_clear(struct enum_queue *queue);
void enum_queue_add(struct enum_queue *queue, unsigned controller, uint32_t ticket);
/* Whether that attach is the oldest that waits at its controller. */
bool enum_queue_is_first(const struct enum_queue *queue, unsigned controller, uint32_t ticket);
/* An attach was answered or ended at that time: the kernel goes on to the next. */
void enum_queue_progress(struct enum_queue *queue, unsigned controller, uint64_t now);
/* Since when the kernel has waited for the first, which was attached at that time. */
uint64_t enum_queue_since(const struct enum_queue *queue, unsigned controller, uint64_t attached);

#endif
