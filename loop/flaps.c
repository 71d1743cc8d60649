/* SPDX-License-Identifier: MIT */
/* Flap damping: a device that comes and goes is used again only after a growing delay. */
#include "loop/flaps.h"

#include <string.h>

bool flaps_stay_ended(struct flaps *flaps, uint64_t now, uint64_t stayed_ms)
{
	if (stayed_ms >= FLAP_SETTLED_MS) {
		flaps->short_stays = 0;
		return false;
	}
	flaps->remember = now + FLAP_REMEMBER_MS;
	if (++flaps->short_stays <= FLAP_FREE)
		return false;
	backoff_fail(&flaps->backoff, now, RETRY_LIMIT_MS);
	return true;
}

void flaps_fail(struct flaps *flaps, uint64_t now)
{
	flaps->remember = now + FLAP_REMEMBER_MS;
	backoff_fail(&flaps->backoff, now, RETRY_LIMIT_MS);
}

void flaps_forgive(struct flaps *flaps, uint64_t now)
{
	if (flaps->backoff.delay && now >= flaps->remember + flaps->backoff.delay)
		backoff_clear(&flaps->backoff);
}

void flaps_clear(struct flaps *flaps)
{
	memset(flaps, 0, sizeof(*flaps));
}
