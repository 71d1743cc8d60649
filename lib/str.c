/* SPDX-License-Identifier: MIT */
/* Strings: strict parsing of numbers, bounded formatting. */
#include "lib/str.h"

#include <errno.h>
#include <stdio.h>

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

static int number_parse(const char *s, int base, uint32_t max, uint32_t *value)
{
	uint64_t n = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		int d = digit_value(*s);

		if (d >= base)
			return -EINVAL;
		n = n * (uint64_t)base + (uint64_t)d;
		if (n > max)
			return -ERANGE;
	}
	*value = (uint32_t)n;
	return 0;
}

int str_decimal(const char *s, uint32_t max, uint32_t *value)
{
	return number_parse(s, 10, max, value);
}

int str_hex(const char *s, uint32_t max, uint32_t *value)
{
	return number_parse(s, 16, max, value);
}

size_t str_vformat(char *buf, size_t size, const char *format, va_list args)
{
	int len = vsnprintf(buf, size, format, args);

	if (len < 0) { /* a conversion that failed */
		buf[0] = '\0';
		return 0;
	}
	return (size_t)len < size ? (size_t)len : size - 1;
}

size_t str_format(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	size_t len;

	va_start(args, format);
	len = str_vformat(buf, size, format, args);
	va_end(args);
	return len;
}

bool str_is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '.' || c == '_';
}

uint32_t str_hash(uint32_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619;
	return hash;
}

void str_printable(char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

char *str_word(char **cursor)
{
	char *word = *cursor, *end;

	while (*word && is_space(*word))
		word++;
	if (!*word)
		return NULL;
	for (end = word; *end && !is_space(*end); end++)
		;
	*cursor = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

char *str_line(char **cursor)
{
	char *line = *cursor, *end;

	if (!*line)
		return NULL;
	for (end = line; *end && *end != '\n'; end++)
		;
	*cursor = *end ? end + 1 : end;
	*end = '\0';
	return line;
}

unsigned str_words(char *line, char **word, unsigned max)
{
	unsigned n = 0;

	while (n < max && (word[n] = str_word(&line)))
		n++;
	return n;
}
