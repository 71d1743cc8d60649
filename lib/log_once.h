/* SPDX-License-Identifier: MIT */
/* Log lines about a condition that lasts: logged when it begins or changes, not in every pass. */
#ifndef LIB_LOG_ONCE_H
#define LIB_LOG_ONCE_H

#include "lib/log.h"

#include <stdbool.h>
#include <stdint.h>

/* The latest line about one condition, as a hash of level, error and text. All zeros: none. */
struct log_once {
	uint32_t last;
};

/* As log_line(), but only if the line differs from the latest one about that condition. Returns
 * whether it was logged. */
bool log_once(struct log_once *once, enum log_level level, int error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Whether a line was logged about that condition, and it is not over. */
bool log_once_active(const struct log_once *once);
/* The condition is over: the same line is logged when it begins again. Returns whether a line had
 * been logged about it. */
bool log_once_clear(struct log_once *once);

enum { LOG_ONCE_SET_MAX = 16 };

/* The same for several things, each of which has a key that is not 0: one line is logged for each,
 * until it is cleared. The oldest one beyond LOG_ONCE_SET_MAX is forgotten. All zeros: none. */
struct log_once_set {
	uint32_t key[LOG_ONCE_SET_MAX];
	unsigned next;
};

void log_once_for(struct log_once_set *set, uint32_t key, enum log_level level, int error,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));
void log_once_clear_for(struct log_once_set *set, uint32_t key);

#endif
