/* SPDX-License-Identifier: MIT */
/*
 * The test helper: cases that print "ok - NAME" or "not ok - NAME: FILE:LINE what", and memory
 * blocks whose every byte outside is poisoned under the address sanitizer.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

struct check {
	char name[200];
	unsigned faults; /* of this case */
	unsigned failed; /* so many cases */
	unsigned cases;
};

static struct check check;

/* With UNIT_STOP in the environment a case may take so many seconds. */
static inline void check_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline void check_begin(const char *format, ...)
{
	const char *stop = getenv("UNIT_STOP");
	va_list args;

	va_start(args, format);
	vsnprintf(check.name, sizeof(check.name), format, args);
	va_end(args);
	for (char *c = check.name; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	check.faults = 0;
	check.cases++;
	if (stop)
		alarm((unsigned)strtoul(stop, NULL, 10));
}

static inline void check_end(void)
{
	if (!check.faults)
		printf("ok - %s\n", check.name);
	fflush(stdout);
}

/* The first fault of a case is its result, the others are comments. With UNIT_STOP in the
 * environment it ends the test. */
static inline void check_fault(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static inline void check_fault(const char *file, int line, const char *format, ...)
{
	va_list args;

	check.failed += !check.faults;
	printf(check.faults++ ? "# also: " : "not ok - %s: ", check.name);
	printf("%s:%d ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	if (getenv("UNIT_STOP"))
		exit(1);
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			check_fault(__FILE__, __LINE__, "not true: %s", #condition);               \
	} while (0)

#define CHECK_INT(got, want)                                                                       \
	do {                                                                                       \
		long long got_ = (long long)(got), want_ = (long long)(want);                      \
		if (got_ != want_)                                                                 \
			check_fault(__FILE__, __LINE__, "%s is %lld, not %lld", #got, got_,        \
				    want_);                                                        \
	} while (0)

#define CHECK_STR(got, want)                                                                       \
	do {                                                                                       \
		const char *str_ = (got), *wish_ = (want);                                         \
		if (!str_ || strcmp(str_, wish_))                                                  \
			check_fault(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #got,          \
				    str_ ? str_ : "(null)", wish_);                                \
	} while (0)

#define CHECK_BYTES(got, want, len)                                                                \
	do {                                                                                       \
		if (memcmp(got, want, len))                                                        \
			check_fault(__FILE__, __LINE__, "%s differs from %s", #got, #want);        \
	} while (0)

/* One function, one case. */
#define RUN(name, function)                                                                        \
	do {                                                                                       \
		check_begin("%s", name);                                                           \
		function();                                                                        \
		check_end();                                                                       \
	} while (0)

/* What main returns. */
static inline int check_status(void)
{
	if (!check.cases) {
		printf("not ok - no case at all\n");
		return 1;
	}
	return check.failed != 0;
}

/* For faults of the test's own making: they end it. */
static inline void must(bool condition, const char *what)
{
	if (condition)
		return;
	printf("not ok - %s: cannot %s: %s\n", check.name, what, strerror(errno));
	fflush(stdout);
	exit(1);
}

/* A copy of n bytes with nothing behind it that may be read or written, also when n is 0. */
static inline void *block(const void *bytes, size_t n)
{
	uint8_t *base = malloc(n + 1);

	must(base, "allocate");
	if (n && bytes)
		memcpy(base + 1, bytes, n);
	else
		memset(base + 1, 0xa5, n);
	return base + 1;
}

static inline void block_free(void *p)
{
	free((uint8_t *)p - 1);
}

static inline char *block_string(const char *s)
{
	return block(s, strlen(s) + 1);
}

/* How many descriptors are open. */
static inline unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	must(dir, "list descriptors");
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

#endif
