/* SPDX-License-Identifier: MIT */
/* Strings: numbers, formatting, words and lines, JSON. */
#include "lib/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int digit_value(char c)
{
	int lower = c | 0x20; /* of a letter */

	if (c >= '0' && c <= '9')
		return c - '0';
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
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

size_t str_hex_bytes(const char *s, uint8_t *bytes, size_t max)
{
	size_t n = 0;

	for (; *s; s += 2) {
		char digits[] = { s[0], s[1], '\0' };
		uint32_t byte;

		if (str_hex(digits, 255, &byte) || !s[1] || n == max)
			return 0;
		bytes[n++] = (uint8_t)byte;
	}
	return n;
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

size_t str_copy(char *buf, size_t size, const char *text)
{
	return str_format(buf, size, "%s", text);
}

bool str_is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '.' || c == '_';
}

bool str_is_listed(const char *list, const char *word)
{
	size_t len = strlen(word), n;

	for (; *list; list += n + strspn(list + n, " ")) {
		n = strcspn(list, " ");
		if (n == len && !memcmp(list, word, n))
			return true;
	}
	return false;
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

bool str_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

char *str_word(char **cursor)
{
	char *word = *cursor, *end;

	while (*word && str_is_blank(*word))
		word++;
	if (!*word)
		return NULL;
	for (end = word; *end && !str_is_blank(*end); end++)
		;
	*cursor = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

char *str_line(char **cursor)
{
	char *line = *cursor, *end = strchrnul(line, '\n');

	if (!*line)
		return NULL;
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

/* Decodes the UTF-8 character at p, in a terminated string: its length, or 0 if it is invalid. */
static size_t decode_utf8(const unsigned char *p, uint32_t *code)
{
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = (uint32_t)p[0] - lead[len]; /* huge if it is no leading byte */

	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	*code = c;
	/* an overlong form, a surrogate, beyond U+10FFFF */
	return c < least[len] || c >> 11 == 0xd800 >> 11 || c > 0x10ffff ? 0 : len;
}

/* Writes the character at p, *len bytes, as it stands in JSON; returns the length written. */
static size_t put_character(char *to, const unsigned char *p, size_t *len)
{
	uint32_t code;
	size_t n = 0;

	*len = decode_utf8(p, &code);
	if (!*len) {
		*len = 1;
		code = 0xfffd;
	} else if (code >= ' ' && (code < 0x7f || code >= 0xa0)) {
		if (code == '"' || code == '\\')
			to[n++] = '\\';
		memcpy(to + n, p, *len);
		return n + *len;
	}
	return str_format(to, STR_JSON_BYTE_MAX + 1, "\\u%04x", code);
}

size_t str_json(char *buf, size_t size, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t at = 0;

	if (size)
		buf[0] = '\0';
	if (size < sizeof("\"\""))
		return 0;
	buf[at++] = '"';
	while (*p) {
		char one[STR_JSON_BYTE_MAX + 1];
		size_t len, n = put_character(one, p, &len);

		if (n + 2 > size - at)
			break;
		memcpy(buf + at, one, n);
		at += n;
		p += len;
	}
	buf[at++] = '"';
	buf[at] = '\0';
	return at;
}
