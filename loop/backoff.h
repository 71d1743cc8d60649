/* SPDX-License-Identifier: MIT */
/* A delay before the next attempt, doubled with each failure: 1 s, 2 s, 4 s, ... up to a limit. */
#ifndef LOOP_BACKOFF_H
#define LOOP_BACKOFF_H

#include <stdint.h>

/* All zeros: no failure. Times are those of the loop, in milliseconds. */
struct backoff {
	uint32_t delay; /* after the latest failure; 0 = no failure */
	uint64_t until; /* no attempt before this time */
};

/* An attempt failed: the delay doubles, but is at most limit_ms. */
void backoff_fail(struct backoff *backoff, uint64_t now, uint32_t limit_ms);
/* An attempt succeeded: the next failure begins with the first delay again. */
void backoff_clear(struct backoff *backoff);

#endif
