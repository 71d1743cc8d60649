/* SPDX-License-Identifier: MIT */
/* Plain text: strict numbers in, bounded strings out. */
#include "lib/str.h"

#include <errno.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

static int number(const char *s, int base, uint32_t max, uint32_t *value)
{
	uint64_t n = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		int d = digit(*s);

		if (d >= base)
			return -EINVAL;
		n = n * (uint64_t)base + (uint64_t)d;
		if (n > max)
			return -ERANGE;
	}
	*value = (uint32_t)n;
	return 0;
}

int text_decimal(const char *s, uint32_t max, uint32_t *value)
{
	return number(s, 10, max, value);
}

int text_hex(const char *s, uint32_t max, uint32_t *value)
{
	return number(s, 16, max, value);
}

enum { DIGITS_MAX = 10 };

struct out {
	char *p;
	char *end; /* where the terminator must fit */
};

static void put(struct out *o, char c)
{
	if (o->p < o->end)
		*o->p++ = c;
}

static void put_string(struct out *o, const char *s, int width)
{
	for (; *s; s++, width -= width > 0)
		put(o, *s);
	for (; width > 0; width--)
		put(o, ' ');
}

/* At least so many digits, up to DIGITS_MAX. */
static void put_number(struct out *o, unsigned n, unsigned base, int width)
{
	char digits[DIGITS_MAX + 1], *p = digits + DIGITS_MAX;

	*p = '\0';
	do {
		*--p = "0123456789abcdef"[n % base];
		n /= base;
		width--;
	} while (p > digits && (n || width > 0));
	put_string(o, p, 0);
}

size_t text_vformat(char *buf, size_t size, const char *format, va_list args)
{
	struct out o = { buf, buf + size - 1 };

	for (; *format; format++) {
		int width = 0;

		if (*format != '%') {
			put(&o, *format);
			continue;
		}
		while (*++format == '-' || (*format >= '0' && *format <= '9'))
			if (*format != '-')
				width = width * 10 + (*format - '0');
		if (*format == 's')
			put_string(&o, va_arg(args, const char *), width);
		else if (*format == '%')
			put(&o, '%');
		else
			put_number(&o, va_arg(args, unsigned), *format == 'x' ? 16 : 10, width);
	}
	*o.p = '\0';
	return (size_t)(o.p - buf);
}

size_t text_format(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	size_t len;

	va_start(args, format);
	len = text_vformat(buf, size, format, args);
	va_end(args);
	return len;
}

bool text_is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '.' || c == '_';
}

uint32_t text_hash(uint32_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619;
	return hash;
}

void text_printable(char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

char *text_word(char **cursor)
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

char *text_line(char **cursor)
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

unsigned text_words(char *line, char **word, unsigned max)
{
	unsigned n = 0;

	while (n < max && (word[n] = text_word(&line)))
		n++;
	return n;
}
