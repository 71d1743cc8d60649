/* SPDX-License-Identifier: MIT */
/* Strings of JSON. */
#include "lib/json.h"

#include "lib/str.h"

#include <string.h>

/* Decodes the UTF-8 character at p, in a terminated string: its length, or 0 if it is invalid. */
static size_t utf8_decode(const unsigned char *p, uint32_t *code)
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
static size_t json_character(char *to, const unsigned char *p, size_t *len)
{
	uint32_t code;
	size_t n = 0;

	*len = utf8_decode(p, &code);
	if (!*len) {
		*len = 1;
		code = 0xfffd;
	} else if (code >= ' ' && (code < 0x7f || code >= 0xa0)) {
		if (code == '"' || code == '\\')
			to[n++] = '\\';
		memcpy(to + n, p, *len);
		return n + *len;
	}
	return str_format(to, JSON_BYTE_MAX + 1, "\\u%04x", code);
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
		size_t len, n = json_character(one, p, &len);

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
