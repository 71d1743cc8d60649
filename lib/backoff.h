/* SPDX-License-Identifier: MIT */
/*
 * Delays before the next attempt. Backoff: doubled with each failure, 1 s, 2 s, 4 s, ... up to a
 * limit. Flap damping: a device that comes and goes is used again only after such a delay; the
 * first short stays in a row are free, because a person may be replugging it.
 *
 * Times are those of the loop, in milliseconds. All zeros: no failure since the latest success, and
 * nothing is held against the device.
 */
#ifndef LIB_BACKOFF_H
#define LIB_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum {
	RETRY_LIMIT_MS = 60000,	  /* the usual limit */
	FLAP_SETTLED_MS = 10000,  /* a stay of this length is not short */
	FLAP_FREE = 3,		  /* short stays in a row without a delay */
	FLAP_REMEMBER_MS = 60000, /* after the latest fault the past counts for this long */
};

struct backoff {
	uint32_t delay; /* after the latest failure */
	uint64_t until; /* no attempt before this time */
};

struct flaps {
	bool steady;		/* short stays are no fault */
	struct backoff backoff; /* not to be used before */
	unsigned short_stays;	/* in a row */
	uint64_t remember;	/* the past counts until then */
};

/* An attempt failed: the delay doubles, but is at most limit_ms. */
void backoff_fail(struct backoff *backoff, uint64_t now, uint32_t limit_ms);
/* A stay of stayed_ms is over. Returns true if it was one short stay too many: the delay has grown
 * then. */
bool flaps_stay_ended(struct flaps *flaps, uint64_t now, uint64_t stayed_ms);
/* Any other fault: the delay grows. */
void flaps_fail(struct flaps *flaps, uint64_t now);
/* In every pass: after a long time without a fault the next delay is the first one again. */
void flaps_forgive(struct flaps *flaps, uint64_t now);

#endif
