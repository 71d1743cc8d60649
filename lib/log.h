/* SPDX-License-Identifier: MIT */
/*
 * The log: lines on stderr, each "PROGRAM: what happened to which device". The format is that of
 * text_format(). Who handles a failure says it, once.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>

/* program must stay valid. Until then the name is "usbiphp". */
void log_open(const char *program, bool verbose);
bool log_verbose(void);

/* With an error (an errno, positive or negative) its text follows behind ": "; 0 = none. */
void log_line(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What happened. */
#define log_info(...) log_line(0, __VA_ARGS__)
/* The same, only with --verbose. */
#define log_debug(...) (log_verbose() ? log_line(0, __VA_ARGS__) : (void)0)
/* A failure without, and with the reason of an errno. */
#define log_warnx(...) log_line(0, __VA_ARGS__)
#define log_warn(error, ...) log_line(error, __VA_ARGS__)

#endif
