/* SPDX-License-Identifier: MIT */
/* A delay before the next attempt that doubles with each failure, up to a limit. */
#include "loop/backoff.h"

enum { FIRST_DELAY_MS = 1000 };

void backoff_fail(struct backoff *backoff, uint64_t now, uint32_t limit_ms)
{
	backoff->delay = backoff->delay ? backoff->delay * 2 : FIRST_DELAY_MS;
	if (backoff->delay > limit_ms)
		backoff->delay = limit_ms;
	backoff->until = now + backoff->delay;
}

void backoff_clear(struct backoff *backoff)
{
	backoff->delay = 0;
	backoff->until = 0;
}
