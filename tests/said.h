/* SPDX-License-Identifier: MIT */
/* What was logged, kept instead: for tests that link with -Wl,--wrap=log_line. */
#ifndef TESTS_SAID_H
#define TESTS_SAID_H

#include "lib/log.h"
#include "lib/str.h"
#include "tests/check.h"

static struct {
	unsigned lines; /* so many in all; the latest are kept */
	char line[64][200];
} log_kept;

void __wrap_log_line(enum log_level level, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void __wrap_log_line(enum log_level level, int error, const char *format, ...)
{
	va_list args;

	(void)level;
	(void)error;
	va_start(args, format);
	str_vformat(log_kept.line[log_kept.lines++ % LENGTH(log_kept.line)],
		     sizeof(log_kept.line[0]), format, args);
	va_end(args);
}

/* How many lines have that in them. */
static inline unsigned said(const char *what)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LENGTH(log_kept.line); i++)
		n += strstr(log_kept.line[i], what) != NULL;
	return n;
}

/* How many lines begin with the thing that they are about, and have that in them. */
static inline unsigned said_of(const char *thing, const char *what)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LENGTH(log_kept.line); i++)
		n += !strncmp(log_kept.line[i], thing, strlen(thing)) &&
		     strstr(log_kept.line[i], what) != NULL;
	return n;
}

static inline void said_forget(void)
{
	memset(&log_kept, 0, sizeof(log_kept));
}

#endif
