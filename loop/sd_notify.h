/* SPDX-License-Identifier: MIT */
/*
 * Messages to a supervisor such as systemd, if NOTIFY_SOCKET in the environment names its socket
 * (sd_notify(3)): the daemon is ready, is alive, is stopping. Nothing here blocks; a message that
 * cannot be sent does no harm.
 */
#ifndef LOOP_SD_NOTIFY_H
#define LOOP_SD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Times are milliseconds, as those of the loop. */
struct sd_notify {
	int fd;		/* owned by whoever opened it; -1: no supervisor */
	bool ready;	/* READY=1 was sent */
	uint64_t every; /* between WATCHDOG=1: a third of WATCHDOG_USEC, if it is set for us */
	uint64_t next;	/* time of the next message; far away if there will be none */
};

/* No supervisor, until sd_notify_open(). */
void sd_notify_init(struct sd_notify *notify);
/* Reads the environment, and leaves it as it is. */
void sd_notify_open(struct sd_notify *notify);
/* Called often from the first pass on: sends READY=1 at once, then WATCHDOG=1 whenever it is due. A
 * message that could not be sent is tried again after a second. */
void sd_notify_alive(struct sd_notify *notify, uint64_t now);
/* Sends a message such as "STOPPING=1". Returns whether it was sent. */
bool sd_notify_send(const struct sd_notify *notify, const char *message);

#endif
