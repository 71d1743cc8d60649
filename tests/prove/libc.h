/* SPDX-License-Identifier: MIT */
/* Frama-C's C library lacks these of Linux, with their values on x86-64, and a vsnprintf(3) that Eva
 * can follow. */
#ifndef PROVE_LIBC_H
#define PROVE_LIBC_H

#include <__fc_builtin.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

/* Frama-C does not know _Alignas, nor does Eva ask where memory is aligned */
#define _Alignas(type)

#define O_PATH 010000000
#define SOCK_CLOEXEC 02000000
#define SOCK_NONBLOCK 00004000
#define SO_RCVBUFFORCE 33
int unlinkat(int dir, const char *path, int flags);
int renameat(int from, const char *path, int to, const char *target);

/*
 * What snprintf(3) promises, whatever the format and its arguments: it writes to no byte beyond size,
 * the text ends within size, and the result is the length of the whole text or an error.
 */
static inline int prove_vsnprintf(char *buf, size_t size, const char *format, va_list args)
{
	(void)format;
	(void)args;
	if (size) {
		Frama_C_make_unknown(buf, size);
		buf[size - 1] = '\0';
	}
	return Frama_C_interval(-1, INT_MAX);
}

#define vsnprintf prove_vsnprintf

#define explicit_bzero(p, n) memset(p, 0, n)

#endif
