/* SPDX-License-Identifier: MIT */
/* Tests of lib/backoff: the delays between attempts that fail. */
#include "lib/backoff.h"

#include "tests/check.h"

static void doubles_to_limit(void)
{
	static const uint32_t want[] = { 1000, 2000, 4000, 8000, 10000, 10000, 10000 };
	struct backoff b = { 0, 0 };

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < LENGTH(want); i++) {
			backoff_fail(&b, 70000 + i, 10000);
			CHECK_INT(b.delay, want[i]);
			CHECK_INT(b.until, 70000 + i + want[i]);
		}
		b = (struct backoff){ 0 };
	}
}

static void limit_below_first_delay(void)
{
	struct backoff b = { 0, 0 };

	backoff_fail(&b, 5, 300);
	CHECK_INT(b.delay, 300);
	CHECK_INT(b.until, 305);
}

static void never_overflows(void)
{
	struct backoff b = { 0, 0 };

	for (int i = 0; i < 100; i++)
		backoff_fail(&b, 5, 86400 * 1000);
	CHECK_INT(b.delay, 86400 * 1000);
}

int main(void)
{
	RUN("t_backoff: the delay doubles up to its limit", doubles_to_limit);
	RUN("t_backoff: a limit below the first delay", limit_below_first_delay);
	RUN("t_backoff: a hundred failures do not overflow", never_overflows);
	return check_status();
}
