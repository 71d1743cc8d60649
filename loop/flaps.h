/* SPDX-License-Identifier: MIT */
/*
 * Flap damping: a device that comes and goes is used again only after a growing delay. The first
 * short stays in a row are free, because a person may be replugging it.
 */
#ifndef LOOP_FLAPS_H
#define LOOP_FLAPS_H

#include "loop/backoff.h"

#include <stdbool.h>

enum {
	RETRY_LIMIT_MS = 60000,	  /* the longest delay of any backoff */
	FLAP_SETTLED_MS = 10000,  /* a stay of this length is not short */
	FLAP_FREE = 3,		  /* short stays in a row without a delay */
	FLAP_REMEMBER_MS = 60000, /* after the latest fault the past counts for this long */
};

/* All zeros: nothing is held against the device. Times are those of the loop, in milliseconds. */
struct flaps {
	struct backoff backoff; /* not to be used before */
	unsigned short_stays;	/* in a row */
	uint64_t remember;	/* the past counts until then */
};

/*
 * A stay of stayed_ms is over. Returns true if it was one short stay too many: the delay has grown
 * then.
 */
bool flaps_stay_ended(struct flaps *flaps, uint64_t now, uint64_t stayed_ms);
/* Any other fault: the delay grows. */
void flaps_fail(struct flaps *flaps, uint64_t now);
/* In every pass: after a long time without a fault the next delay is the first one again. */
void flaps_forgive(struct flaps *flaps, uint64_t now);
/* Another device: nothing is held against it. */
void flaps_clear(struct flaps *flaps);

#endif
