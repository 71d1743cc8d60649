/* SPDX-License-Identifier: MIT */
/* Fuzz entry: str_json() into a buffer of any size writes a valid, printable string with the same
 * meaning. */
#include "lib/str.h"
#include "tests/fuzz/fuzz.h"

/* Decodes the character at *p, in a JSON string that must be valid, and moves *p behind it. */
static unsigned long next(const unsigned char **p)
{
	static const unsigned long least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned long code = **p;
	unsigned len = code < 0x80 ? 1 : code < 0xe0 ? 2 : code < 0xf0 ? 3 : 4;
	char digits[5] = "";

	HOLDS(code >= ' ' && code != 0x7f && code != '"' && code != 0xff);
	if (code == '\\') {
		if (*++*p != 'u')
			return *(*p)++;
		memcpy(digits, *p + 1, 4);
		HOLDS(strspn(digits, "0123456789abcdef") == 4);
		*p += 5;
		return strtoul(digits, NULL, 16);
	}
	code = len == 1 ? code : code & (0x7fu >> len);
	for (unsigned i = 1; i < len; i++) {
		HOLDS(((*p)[i] & 0xc0) == 0x80);
		code = code << 6 | ((*p)[i] & 0x3f);
	}
	HOLDS(code >= least[len] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff));
	HOLDS(len == 1 || code >= 0xa0);
	*p += len;
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = size ? data[0] : 0, len;
	char *text = fuzz_string(data, size), *buf = malloc(room + 1);
	const unsigned char *p = (unsigned char *)buf;

	HOLDS(buf);
	buf[room] = 'e';
	len = str_json(buf, room, text);
	HOLDS(buf[room] == 'e' && (len ? len < room : room < 3));
	if (len) {
		HOLDS(strlen(buf) == len && len >= 2 && buf[0] == '"' && buf[len - 1] == '"');
		buf[len - 1] = '\0';
		for (p++; *p;)
			next(&p);
	}
	free(buf);
	free(text);
	return 0;
}
