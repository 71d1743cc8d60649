/* SPDX-License-Identifier: MIT */
/* Tests of lib/str: numbers, formatting into bounded buffers, words and lines. */
#include "lib/str.h"
#include "tests/check.h"

#include <wchar.h>

struct number {
	const char *text;
	uint32_t max;
	int error;
	uint32_t value;
};

static void numbers(const char *name, const struct number *table, size_t n,
		    int (*parse)(const char *, uint32_t, uint32_t *))
{
	for (size_t i = 0; i < n; i++) {
		char *s = block_string(table[i].text);
		uint32_t value = 0xdeadbeef;

		check_begin("t_str: %s \"%s\" up to %u", name, table[i].text, table[i].max);
		CHECK_INT(parse(s, table[i].max, &value), table[i].error);
		CHECK_INT(value, table[i].error ? 0xdeadbeef : table[i].value);
		check_end();
		block_free(s);
	}
}

static const struct number decimals[] = {
	{ "0", 9, 0, 0 },
	{ "0", 0, 0, 0 },
	{ "7", 9, 0, 7 },
	{ "000000000000000000000012", 12, 0, 12 },
	{ "65535", 65535, 0, 65535 },
	{ "65536", 65535, -ERANGE, 0 },
	{ "4294967295", UINT32_MAX, 0, UINT32_MAX },
	{ "4294967296", UINT32_MAX, -ERANGE, 0 },
	{ "18446744073709551616", UINT32_MAX, -ERANGE, 0 }, /* 2^64 */
	{ "18446744073709551617", UINT32_MAX, -ERANGE, 0 },
	{ "99999999999999999999999999999999999999999", UINT32_MAX, -ERANGE, 0 },
	{ "1", 0, -ERANGE, 0 },
	{ "", 9, -EINVAL, 0 },
	{ "-1", 9, -EINVAL, 0 },
	{ "+1", 9, -EINVAL, 0 },
	{ " 1", 9, -EINVAL, 0 },
	{ "1 ", 9, -EINVAL, 0 },
	{ "1\n", 9, -EINVAL, 0 },
	{ "0x1", 9, -EINVAL, 0 },
	{ "a", 99, -EINVAL, 0 },
	{ "1a", 99, -EINVAL, 0 },
	{ "1:", 99, -EINVAL, 0 },
	{ "1/", 99, -EINVAL, 0 },
	{ "\xb1", 99, -EINVAL, 0 },
	{ "\xff", 99, -EINVAL, 0 },
};

static const struct number hexes[] = {
	{ "0", 9, 0, 0 },
	{ "09", 9, 0, 9 },
	{ "0a", 9, -ERANGE, 0 },
	{ "abcdef", 0xffffff, 0, 0xabcdef },
	{ "ABCDEF", 0xffffff, 0, 0xabcdef },
	{ "ffff", 0xffff, 0, 0xffff },
	{ "10000", 0xffff, -ERANGE, 0 },
	{ "ffffffff", UINT32_MAX, 0, UINT32_MAX },
	{ "100000000", UINT32_MAX, -ERANGE, 0 },
	{ "10000000000000000", UINT32_MAX, -ERANGE, 0 }, /* 2^64 */
	{ "00000000000000000000001", 1, 0, 1 },
	{ "", 9, -EINVAL, 0 },
	{ "g", 99, -EINVAL, 0 },
	{ "G", 99, -EINVAL, 0 },
	{ "@", 99, -EINVAL, 0 },
	{ "`", 99, -EINVAL, 0 },
	{ ":", 99, -EINVAL, 0 },
	{ "/", 99, -EINVAL, 0 },
	{ "0x1", 99, -EINVAL, 0 },
	{ "-1", 99, -EINVAL, 0 },
	{ "1\n", 99, -EINVAL, 0 },
};

/* The text must come out whole in its size and cut off in every smaller one. */
static void format_is(const char *want, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void format_is(const char *want, const char *format, ...)
{
	size_t len = strlen(want);

	check_begin("t_str: str_format(\"%s\") in every size", format);
	for (size_t size = 1; size <= len + 3; size++) {
		size_t fits = len < size ? len : size - 1;
		char *buf = block(NULL, size);
		va_list args;

		va_start(args, format);
		CHECK_INT(str_vformat(buf, size, format, args), fits);
		va_end(args);
		CHECK_INT(strnlen(buf, size), fits);
		CHECK_BYTES(buf, want, fits);
		block_free(buf);
	}
	check_end();
}

static void formats(void)
{
	format_is("plain text", "plain text");
	format_is("", "%s", "");
	format_is("abc", "%s", "abc");
	format_is("100%", "100%%");
	format_is("1-1 (0627:0001) at 7%", "%s (%04x:%04x) at %u%%", "1-1", 0x627U, 1U, 7U);
}

static void listed(void)
{
	static const char *const yes[] = { "a", "bcd", "e-f" };
	static const char *const no[] = { "", "b", "bc", "cd", "bcde", "e", "f", "a bcd", " ", "A" };

	for (size_t i = 0; i < LENGTH(yes); i++)
		CHECK(str_is_listed("a bcd e-f", yes[i]));
	for (size_t i = 0; i < LENGTH(no); i++)
		CHECK(!str_is_listed("a bcd e-f", no[i]));
	CHECK(!str_is_listed("", "a"));
	CHECK(!str_is_listed("", ""));
}

static void copies(void)
{
	static const char text[] = "a%%c";

	for (size_t size = 1; size <= sizeof(text) + 2; size++) {
		size_t fits = size < sizeof(text) ? size - 1 : sizeof(text) - 1;
		char *buf = block(NULL, size);

		memset(buf, '#', size);
		CHECK_INT(str_copy(buf, size, text), fits);
		CHECK_INT(strnlen(buf, size), fits);
		CHECK_BYTES(buf, text, fits);
		CHECK_INT(str_copy(buf, size, ""), 0);
		CHECK_INT(buf[0], 0);
		block_free(buf);
	}
}

static void format_call(void)
{
	char buf[4];

	CHECK_INT(str_format(buf, sizeof(buf), "%s%u", "ab", 12U), 3);
	CHECK_STR(buf, "ab1");
	/* a surrogate, which no locale can convert */
	CHECK_INT(str_format(buf, sizeof(buf), "x%lc", (wint_t)0xd800), 0);
	CHECK_STR(buf, "");
}

static void printable(void)
{
	char s[257];

	for (int i = 1; i < 256; i++)
		s[i - 1] = (char)i;
	s[255] = '\0';
	str_printable(s);
	CHECK_INT(strlen(s), 255);
	for (int i = 1; i < 256; i++)
		CHECK_INT(s[i - 1], i >= ' ' && i <= '~' ? i : '?');
}

static void plain(void)
{
	static const char want[] = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
	char got[256];
	size_t n = 0;

	for (int i = 0; i < 256; i++)
		if (str_is_plain((char)i))
			got[n++] = (char)i;
	got[n] = '\0';
	CHECK_STR(got, want);
}

/* The words of text, joined by '|'. */
static void cut(const char *text, char *(*next)(char **), const char *want)
{
	char *s = block_string(text), *cursor = s, *part;
	char joined[200] = "";

	while ((part = next(&cursor))) {
		CHECK(part >= s && cursor >= part && cursor <= s + strlen(text));
		strcat(strcat(joined, part), "|");
	}
	CHECK_STR(joined, want);
	CHECK(!next(&cursor)); /* and it stays at the end */
	block_free(s);
}

static void words(void)
{
	cut("", str_word, "");
	cut("   \t\n\r ", str_word, "");
	cut("one", str_word, "one|");
	cut(" one", str_word, "one|");
	cut("one ", str_word, "one|");
	cut("one two", str_word, "one|two|");
	cut("\tone \r\n two\n", str_word, "one|two|");
	cut("a b c", str_word, "a|b|c|");
	cut("\x01 \xff\xfe", str_word, "\x01|\xff\xfe|");
}

/* As many as there are, at most max of them. */
static void counted(void)
{
	char line[] = " one two\tthree\n", *word[4] = { NULL };

	CHECK_INT(str_words(line, word, 2), 2);
	CHECK_STR(word[0], "one");
	CHECK_STR(word[1], "two");
	CHECK(!word[2]);
	strcpy(line, "one two three");
	CHECK_INT(str_words(line, word, 4), 3);
	CHECK_STR(word[2], "three");
	strcpy(line, " ");
	CHECK_INT(str_words(line, word, 4), 0);
}

static void lines(void)
{
	cut("", str_line, "");
	cut("one", str_line, "one|");
	cut("one\n", str_line, "one|");
	cut("one\ntwo", str_line, "one|two|");
	cut("\n\none two\n\n", str_line, "||one two||");
	cut("\r\n", str_line, "\r|");
}

/* No byte behind the room is written. */
static void hex_bytes(void)
{
	static const struct {
		const char *text;
		size_t len;
	} row[] = {
		{ "", 0 }, { "0", 0 }, { "00", 1 }, { "fF0a", 2 }, { "fF0", 0 }, { "00112233", 4 },
		{ "0011223344", 0 }, { "0011223", 0 }, { "0g", 0 }, { "g0", 0 }, { " 0", 0 },
		{ "+1", 0 }, { "0011 ", 0 },
	};
	uint8_t *bytes = block("1234", 4);

	for (size_t i = 0; i < LENGTH(row); i++)
		CHECK_INT(str_hex_bytes(row[i].text, bytes, 4), row[i].len);
	CHECK_INT(str_hex_bytes("fF0a", bytes, 4), 2);
	CHECK_INT(bytes[0], 0xff);
	CHECK_INT(bytes[1], 0x0a);
	block_free(bytes);
}

/* The test vectors of its authors. */
static void hashes(void)
{
	CHECK_INT(str_hash(STR_HASH, ""), 0x811c9dc5);
	CHECK_INT(str_hash(STR_HASH, "a"), 0xe40c292c);
	CHECK_INT(str_hash(STR_HASH, "foobar"), 0xbf9cf968);
	CHECK_INT(str_hash(str_hash(STR_HASH, "foo"), "bar"), 0xbf9cf968);
}

int main(void)
{
	numbers("decimal", decimals, LENGTH(decimals), str_decimal);
	numbers("hex", hexes, LENGTH(hexes), str_hex);
	formats();
	RUN("t_str: str_hex_bytes", hex_bytes);
	RUN("t_str: str_format cuts off", format_call);
	RUN("t_str: str_copy in every size", copies);
	RUN("t_str: words of a list", listed);
	RUN("t_str: str_printable of every byte", printable);
	RUN("t_str: str_is_plain of every byte", plain);
	RUN("t_str: str_word", words);
	RUN("t_str: str_words", counted);
	RUN("t_str: str_line", lines);
	RUN("t_str: str_hash", hashes);
	return check_status();
}
