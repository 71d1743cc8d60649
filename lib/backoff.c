/* SPDX-License-Identifier: MIT */
/* Delays before the next attempt: backoff, and flap damping. */
#include "lib/backoff.h"

enum { FIRST_DELAY_MS = 1000 };

void backoff_fail(struct backoff *backoff, uint64_t now, uint32_t limit_ms)
{
	backoff->delay = backoff->delay ? backoff->delay * 2 : FIRST_DELAY_MS;
	if (backoff->delay > limit_ms)
		backoff->delay = limit_ms;
	backoff->until = now + backoff->delay;
}

void flaps_fail(struct flaps *flaps, uint64_t now)
{
	flaps->remember = now + FLAP_REMEMBER_MS;
	backoff_fail(&flaps->backoff, now, RETRY_LIMIT_MS);
}

bool flaps_stay_ended(struct flaps *flaps, uint64_t now, uint64_t stayed_ms)
{
	if (flaps->steady || stayed_ms >= FLAP_SETTLED_MS) {
		flaps->short_stays = 0;
		return false;
	}
	flaps->remember = now + FLAP_REMEMBER_MS;
	if (++flaps->short_stays <= FLAP_FREE)
		return false;
	flaps_fail(flaps, now);
	return true;
}

void flaps_forgive(struct flaps *flaps, uint64_t now)
{
	if (flaps->backoff.delay && now >= flaps->remember + flaps->backoff.delay)
		flaps->backoff = (struct backoff){ 0 };
}
