/* SPDX-License-Identifier: MIT */
/*
 * tls/keys: any line of LONGEST bytes, which is longer than any key may be (one that ends earlier is among
 * them); any file whose words have up to SHORT; any identity of up to SHORT that a client sends, in a block
 * that ends with it, and any key.
 * SOURCES: proto/wire.c
 * EVA: -eva-precision 2 -eva-slevel 5000 -eva-split-limit 5000 -eva-split-return full
 */
#include "tests/prove/tls.h"

#include "tls/keys.c"

enum { SHORT = 6, LONGEST = PSK_LINE_SIZE + 4 };

static char block[LONGEST + 1];
static struct psk psk;
static struct keys all;

void hmac(uint8_t out[SHA256_SIZE], const uint8_t key[SHA256_SIZE], const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	(void)key;
	(void)p;
	/*@ assert readable: len == 0 || \valid_read(p + (0 .. len - 1)); */
	any_bytes(out, SHA256_SIZE);
}

void hkdf_label(uint8_t *out, size_t out_len, const uint8_t secret[SHA256_SIZE],
		const char *label, const uint8_t *context)
{
	(void)secret;
	(void)label;
	(void)context;
	any_bytes(out, out_len);
}

bool str_is_plain(char c)
{
	return c && any_int(0, 1);
}

size_t str_hex_bytes(const char *text, uint8_t *bytes, size_t max)
{
	/*@ assert readable: \valid_read(text) && \initialized(text); */
	any_bytes(bytes, max);
	return any_size(0, max);
}

size_t str_format(char *buf, size_t size, const char *format, ...)
{
	(void)format;
	any_bytes(buf, size);
	return any_size(0, size - 1);
}

void log_line(enum log_level level, int error, const char *format, ...)
{
	(void)level;
	(void)error;
	(void)format;
}

/* A text of len bytes; one with a zero in it is shorter. */
static char *any_text(size_t len)
{
	any_bytes(block, LONGEST);
	block[LONGEST] = '\0';
	return block + LONGEST - len;
}

/* What is proved of them in str.c: words and lines are in the text, and so is what is left of it. */
char *str_word(char **cursor)
{
	size_t len = any_size(0, SHORT), left = any_size(0, SHORT);

	/*@ split len; */
	*cursor = block + LONGEST - left;
	return any_int(0, 1) ? block + LONGEST - len : NULL;
}

char *str_line(char **cursor)
{
	return str_word(cursor) ? block + LONGEST : *cursor;
}

static void line_parsed(size_t len)
{
	const char *fault = psk_parse(&psk, any_text(len));

	/*@ assert fault: fault == \null || (\valid_read(fault) && fault[0] != 0); */
	if (!fault) {
		/*@ assert ends: psk.identity[PSK_IDENTITY_SIZE - 1] == 0 || \initialized(&psk.secret[31]); */
	}
}

void prove_keys_line_longest(void)
{
	line_parsed(LONGEST);
	END();
}

/* A line of a file, whose words are in the text, wherever: the first key, one between, and too many. */
void prove_keys_file(void)
{
	size_t keys = any_int(0, 1) ? any_size(0, 1) : KEYS_MAX;
	const char *fault;

	/*@ split keys; */
	all.count = (unsigned)keys;
	fault = add_line(&all, any_text(SHORT));
	/*@ assert count: all.count == keys || (fault == \null && all.count == keys + 1 <= KEYS_MAX); */
	END();
}

void prove_keys_find(void)
{
	size_t len = any_size(0, SHORT);
	const struct psk *key;

	/*@ split len; */
	any_bytes(all.key[0].identity, PSK_IDENTITY_SIZE);
	all.key[0].identity[PSK_IDENTITY_SIZE - 1] = '\0';
	all.count = 1;
	key = keys_find(&all, any_text(len), len);
	/*@ assert key: key == \null || \valid_read(key); */
	END();
}
