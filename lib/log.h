/* SPDX-License-Identifier: MIT */
/*
 * The log: lines on stderr, each "PROGRAM: message". If stderr is the systemd journal, each begins
 * with its level as "<N>" (sd-daemon(3)). A failure is logged once, by the code that handles it.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* The numbers of syslog(3). */
enum log_level {
	LOG_LEVEL_ERROR = 3,   /* the program, or one device, cannot do its work */
	LOG_LEVEL_WARNING = 4, /* something failed or looks wrong; the rest goes on */
	LOG_LEVEL_INFO = 6,    /* an event: a device is attached, a client is refused */
	LOG_LEVEL_DEBUG = 7,   /* only with --verbose */
};

/* program must stay valid. Before this call the name is "usbiphp". */
void log_open(const char *program, bool verbose);
bool log_verbose(void);

/* error is an errno, positive or negative, whose text follows behind ": "; 0 = none. A line is cut
 * off at 1 KiB, and bytes that are not printable ASCII become '?'. errno is left unchanged. */
void log_line(enum log_level level, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_debug(...) (log_verbose() ? log_line(LOG_LEVEL_DEBUG, 0, __VA_ARGS__) : (void)0)
#define log_info(...) log_line(LOG_LEVEL_INFO, 0, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, 0, __VA_ARGS__)
#define log_warning_errno(error, ...) log_line(LOG_LEVEL_WARNING, error, __VA_ARGS__)
#define log_error(...) log_line(LOG_LEVEL_ERROR, 0, __VA_ARGS__)
#define log_error_errno(error, ...) log_line(LOG_LEVEL_ERROR, error, __VA_ARGS__)

/* The latest line about a condition that lasts, as a hash of level, error and text. Zero: none. */
struct log_once {
	uint32_t last;
};

/* As log_line(), but only if the line differs from the latest one about that condition. Returns
 * whether it was logged. */
bool log_once(struct log_once *once, enum log_level level, int error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Whether a line was logged about that condition, and it is not over. */
bool log_once_active(const struct log_once *once);
/* The condition is over: the same line is logged when it begins again. */
void log_once_clear(struct log_once *once);

enum { LOG_ONCE_SET_MAX = 16 };

/* The things about which a line was logged, each by a key that is not 0. All zeros: none. */
struct log_once_set {
	uint32_t key[LOG_ONCE_SET_MAX];
	unsigned next;
};

/* Returns whether the key is new: then a line shall be logged. Forgets the oldest key when the set
 * is full. */
bool log_once_add(struct log_once_set *set, uint32_t key);
void log_once_remove(struct log_once_set *set, uint32_t key);

#endif
