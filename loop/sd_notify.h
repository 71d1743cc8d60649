/* SPDX-License-Identifier: MIT */
/*
 * What a supervisor such as systemd is told, if it has put the name of its socket into
 * NOTIFY_SOCKET (sd_notify(3)): that the daemon is ready, that it is alive, that it stops. Nothing
 * here waits, and what cannot be sent does no harm.
 */
#ifndef LOOP_SD_NOTIFY_H
#define LOOP_SD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct sd_notify {
	int fd;		/* -1: nobody wants to know */
	bool ready;	/* that was sent */
	uint64_t every; /* ms between signs of life: a third of WATCHDOG_USEC, when it is ours */
	uint64_t next;	/* when there is something to be told; UINT64_MAX: never */
};

/* For nobody. */
void sd_notify_init(struct sd_notify *notify);
/* After that: takes its orders from the environment, which stays as it is. */
void sd_notify_open(struct sd_notify *notify);
void sd_notify_close(struct sd_notify *notify);
/* In every round of the loop from the first pass on: first READY=1, then WATCHDOG=1 when it is
 * time; what was not sent is tried again a second later. */
void sd_notify_alive(struct sd_notify *notify, uint64_t now);
/* STOPPING=1 */
void sd_notify_stopping(const struct sd_notify *notify);

#endif
