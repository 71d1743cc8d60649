/* SPDX-License-Identifier: MIT */
/*
 * For a test that defines __wrap_fstatat(). musl calls it __fstatat_time64 where a long has 32 bits; in
 * a static program fstat(), lstat() and the like of musl come here as well.
 * Link with --wrap=fstatat,--wrap=__fstatat_time64.
 */
#ifndef TESTS_FSTATAT_H
#define TESTS_FSTATAT_H

#include <sys/stat.h>

#ifdef _REDIR_TIME64
#define __real_fstatat __real___fstatat_time64
#define __wrap_fstatat __wrap___fstatat_time64
#endif

int __real_fstatat(int dir, const char *path, struct stat *st, int flags);
int __wrap_fstatat(int dir, const char *path, struct stat *st, int flags);

#endif
