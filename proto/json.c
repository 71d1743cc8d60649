/* SPDX-License-Identifier: MIT */
/* Strings of JSON. */
#include "proto/json.h"

#include "proto/text.h"

#include <string.h>

/* The length of the valid UTF-8 character at p, which is terminated; 0: it is none. */
static size_t character(const unsigned char *p)
{
	size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* longer than needed, a surrogate, beyond U+10FFFF */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* The character of len bytes at p as it is to be written; its length. */
static size_t written(char *to, const unsigned char *p, size_t len)
{
	unsigned code = p[0];

	if (!len)
		code = 0xfffd;
	else if (p[0] == 0xc2 && p[1] < 0xa0)
		code = p[1];
	else if (code == '"' || code == '\\')
		return text_format(to, JSON_BYTE_MAX + 1, "\\%s", code == '"' ? "\"" : "\\");
	else if (code >= ' ' && code != 0x7f) {
		memcpy(to, p, len);
		return len;
	}
	return text_format(to, JSON_BYTE_MAX + 1, "\\u%04x", code);
}

size_t json_string(char *buf, size_t size, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t at = 0;

	if (size)
		buf[0] = '\0';
	if (size < sizeof("\"\""))
		return 0;
	buf[at++] = '"';
	while (*p) {
		char one[JSON_BYTE_MAX + 1];
		size_t len = character(p), n = written(one, p, len);

		if (n + 2 > size - at)
			break;
		memcpy(buf + at, one, n);
		at += n;
		p += len + !len;
	}
	buf[at++] = '"';
	buf[at] = '\0';
	return at;
}
