/* SPDX-License-Identifier: MIT */
/* Tests of str_json(): every byte, and strings that do not fit. */
#include "lib/str.h"

#include "tests/check.h"

#define BAD "\\ufffd"

static const struct {
	const char *text, *want; /* without the quotes */
} strings[] = {
	{ "", "" },
	{ "DataTraveler 2.0", "DataTraveler 2.0" },
	{ "\"", "\\\"" },
	{ "a\\b/c", "a\\\\b/c" },
	{ "\n\t\r\b\f", "\\u000a\\u0009\\u000d\\u0008\\u000c" },
	{ "\x1b[2J", "\\u001b[2J" },
	{ "a\x7f", "a\\u007f" },
	/* the first and last character of each length */
	{ "\x01 ~", "\\u0001 ~" },
	{ "\xc2\x80\xc2\x9b\xc2\x9f", "\\u0080\\u009b\\u009f" },
	{ "\xc2\xa0\xdf\xbf", "\xc2\xa0\xdf\xbf" },
	{ "\xe0\xa0\x80\xef\xbf\xbf", "\xe0\xa0\x80\xef\xbf\xbf" },
	{ "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
	/* surrogates and their neighbours */
	{ "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80" },
	{ "\xed\xa0\x80", BAD BAD BAD },
	{ "\xed\xbf\xbf", BAD BAD BAD },
	/* overlong forms */
	{ "\xc0\xaf", BAD BAD },
	{ "\xc1\xbf", BAD BAD },
	{ "\xe0\x80\xaf", BAD BAD BAD },
	{ "\xe0\x9f\xbf", BAD BAD BAD },
	{ "\xf0\x80\x80\xaf", BAD BAD BAD BAD },
	{ "\xf0\x8f\xbf\xbf", BAD BAD BAD BAD },
	/* beyond U+10FFFF */
	{ "\xf4\x90\x80\x80", BAD BAD BAD BAD },
	{ "\xf5\x80\x80\x80", BAD BAD BAD BAD },
	{ "\xfe\xff", BAD BAD },
	/* cut off, followed by whole characters */
	{ "\xc3", BAD },
	{ "\xe2\x82", BAD BAD },
	{ "\xf0\x9f\x98", BAD BAD BAD },
	{ "\xc3\xc3\xa9", BAD "\xc3\xa9" },
	{ "\xe2\x82x", BAD BAD "x" },
	{ "\xe2\x82\xe2\x82\xac", BAD BAD "\xe2\x82\xac" },
	{ "\xf0\x9f\x98\"", BAD BAD BAD "\\\"" },
	{ "\xe2(\xa1", BAD "(" BAD },
	{ "\xf1\x80\x80(", BAD BAD BAD "(" },
	{ "\x80\xbf", BAD BAD },
	{ "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80", "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80" },
};

/* In a block of its own, so that a byte too much is seen. */
static void string_is(const char *text, const char *want)
{
	char quoted[4096], *exact = block_string(text);
	size_t size = strlen(want) + 3;
	char *buf = block(NULL, size);

	snprintf(quoted, sizeof(quoted), "\"%s\"", want);
	CHECK_INT(str_json(buf, size, exact), size - 1);
	CHECK_STR(buf, quoted);
	block_free(buf);
	block_free(exact);
}

static void table(void)
{
	for (size_t i = 0; i < LENGTH(strings); i++)
		string_is(strings[i].text, strings[i].want);
}

static void every_byte(void)
{
	for (int c = 1; c < 256; c++) {
		char text[] = { (char)c, '\0' }, want[16];

		if (c == '"' || c == '\\')
			snprintf(want, sizeof(want), "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			snprintf(want, sizeof(want), "\\u%04x", (unsigned)c);
		else
			snprintf(want, sizeof(want), c < 0x80 ? "%c" : BAD, c);
		string_is(text, want);
	}
}

/* Every second byte behind every first one. */
static void every_pair(void)
{
	for (int a = 0xc2; a < 0xe0; a++)
		for (int b = 1; b < 256; b++) {
			char text[] = { (char)a, (char)b, 'x', '\0' }, buf[32];

			str_json(buf, sizeof(buf), text);
			if (b < 0x80 || b > 0xbf)
				CHECK(!strncmp(buf, "\"" BAD, 7));
			else if (a == 0xc2 && b < 0xa0)
				CHECK(!strncmp(buf, "\"\\u00", 5) && strlen(buf) == 9);
			else
				CHECK(!strncmp(buf + 1, text, 3) && strlen(buf) == 5);
		}
}

/* In a smaller buffer the result is a string, and a prefix of the whole one: no escape or character is
 * cut. */
static void truncated(const char *text)
{
	char whole[4096];
	size_t len = str_json(whole, sizeof(whole), text);

	for (size_t size = 0; size <= len + 2; size++) {
		char *buf = block(NULL, size);
		size_t n = str_json(buf, size, text);

		if (size < 3) {
			CHECK_INT(n, 0);
			CHECK(!size || !*buf);
		} else {
			char again[4096], inside[4096];

			CHECK(n >= 2 && n < size && !buf[n] && strlen(buf) == n);
			CHECK(buf[0] == '"' && buf[n - 1] == '"' && !strncmp(buf, whole, n - 1));
			CHECK_INT(n == len, size > len);
			/* less than one more character is missing */
			CHECK(n + STR_JSON_BYTE_MAX >= (size > len ? len : size - 1));
			/* a text without escapes is valid: writing it again does not change it */
			snprintf(inside, sizeof(inside), "%.*s", (int)n - 2, buf + 1);
			str_json(again, sizeof(again), inside);
			CHECK(!strstr(again, BAD) || strstr(inside, BAD));
		}
		block_free(buf);
	}
}

static void every_size(void)
{
	for (size_t i = 0; i < LENGTH(strings); i++)
		truncated(strings[i].text);
	truncated("\xf0\x9f\x98\x80\"\\\x01\xff" "abc\xe2\x82\xac\xc2\x9b");
}

int main(void)
{
	RUN("t_json: strings", table);
	RUN("t_json: every byte", every_byte);
	RUN("t_json: every second byte", every_pair);
	RUN("t_json: every size", every_size);
	return check_status();
}
