/* SPDX-License-Identifier: MIT */
/* A test decides which openat(2) is one descriptor too many. Link with --wrap=openat. */
#ifndef TESTS_OPENAT_H
#define TESTS_OPENAT_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/types.h>

static int open_fails = -1; /* the next but so many; -1: none */
/* The number of the error that this one fails with, or 0. NULL: none does. */
static int (*open_refuse)(int dir, const char *path, int flags);

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);

int __wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	if (open_fails >= 0 && !open_fails--) {
		errno = EMFILE;
		return -1;
	}
	errno = open_refuse ? open_refuse(dir, path, flags) : 0;
	if (errno)
		return -1;
	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return __real_openat(dir, path, flags, mode);
}

#endif
