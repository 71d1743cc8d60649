/* SPDX-License-Identifier: MIT */
/* Tables of states: their names in the log, and which may follow which. */
#ifndef LIB_STATE_H
#define LIB_STATE_H

struct state {
	char name[12];
	unsigned next; /* the states that may follow, as bits */
};

/* Asserts that the table allows the transition, and logs it at debug: "thing: was -> is". part is
 * between them, such as "request: ", or empty. */
void state_enter(const struct state *states, unsigned was, unsigned is, const char *thing,
		 const char *part);

#endif
