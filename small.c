/* SPDX-License-Identifier: MIT */
/*
 * For the static binary only: what getaddrinfo() and getopt_long() bring along from libc, at a
 * fraction of the size. The linker takes these instead of the archive's members. Slow for large
 * inputs, which there are none of: it sorts at most 48 addresses and searches lines of /etc/hosts.
 * Without locale: every byte is a character.
 */
#include <stdlib.h>
#include <string.h>

static void swap(char *a, char *b, size_t size)
{
	while (size--) {
		char c = *a;

		*a++ = *b;
		*b++ = c;
	}
}

void qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	char *first = base;

	for (size_t i = 1; i < n; i++)
		for (char *p = first + i * size; p > first && compare(p - size, p) > 0; p -= size)
			swap(p - size, p, size);
}

char *strstr(const char *haystack, const char *needle)
{
	size_t len = strlen(needle);

	for (; strncmp(haystack, needle, len) != 0; haystack++)
		if (!*haystack)
			return NULL;
	return (char *)haystack;
}

int mbtowc(wchar_t *restrict wide, const char *restrict s, size_t n)
{
	if (!s || !n)
		return s ? -1 : 0;
	if (wide)
		*wide = (unsigned char)*s;
	return *s != 0;
}

/* Only to be counted. */
size_t mbstowcs(wchar_t *restrict wide, const char *restrict s, size_t n)
{
	(void)wide;
	(void)n;
	return strlen(s);
}
