/* SPDX-License-Identifier: MIT */
/* Tables of states: a transition is checked and logged. */
#include "lib/state.h"

#include "lib/log.h"

#include <assert.h>

void state_enter(const struct state *states, unsigned was, unsigned is, const char *thing,
		 const char *part)
{
	assert(states[was].next & 1U << is);
	log_debug("%s: %s%s -> %s", thing, part, states[was].name, states[is].name);
}
