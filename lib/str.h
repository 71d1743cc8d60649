/* SPDX-License-Identifier: MIT */
/* Strings: strict parsing of numbers, bounded formatting, JSON. No locale, no allocation. */
#ifndef LIB_STR_H
#define LIB_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses s, which is digits only: no sign, white space or prefix. Returns 0 and sets *value, or
 * -EINVAL if it is malformed, -ERANGE if it is above max; *value is not touched then. */
int str_decimal(const char *s, uint32_t max, uint32_t *value);
int str_hex(const char *s, uint32_t max, uint32_t *value);
/* Parses s, two hexadecimal digits for each byte. Returns how many bytes, 0 if s is malformed or
 * has more than max. */
size_t str_hex_bytes(const char *s, uint8_t *bytes, size_t max);

/* snprintf(3) that returns the length written: a text that does not fit is cut off, and buf is
 * always terminated. The next text can be appended at buf + length. size must not be 0. */
size_t str_format(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t str_vformat(char *buf, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
/* The same for a text as it is, which does not overlap with buf. */
size_t str_copy(char *buf, size_t size, const char *text);

/* Whether c is a letter, a digit or one of "-._", which need no quotes anywhere. */
bool str_is_plain(char c);
/* Whether c is one of the characters that separate words: blank, tab, newline, carriage return. */
bool str_is_blank(char c);

/* Whether word is one of a list of words with a blank between two. */
bool str_is_listed(const char *list, const char *word);

/* Adds text to a hash, whose first value is STR_HASH: FNV-1a with 32 bits
 * (http://www.isthe.com/chongo/tech/comp/fnv/). */
#define STR_HASH 2166136261u
uint32_t str_hash(uint32_t hash, const char *text);

/* Replaces each byte that is not printable ASCII by '?': for strings from a peer or a device. */
void str_printable(char *s);

/* Why something is or is not done: a short sentence for a message. Empty if there is no reason. */
struct reason {
	char text[128];
};

/* Returns the next word at *cursor, which ends at white space or at the end of the string, or NULL
 * if there is none. Terminates the word in place and moves *cursor behind it. */
char *str_word(char **cursor);
/* Splits a line into its first words, at most max, and returns their number. */
unsigned str_words(char *line, char **word, unsigned max);
/* The same for lines, which end at '\n' or at the end. An empty line is an empty string. */
char *str_line(char **cursor);

enum { STR_JSON_BYTE_MAX = 6 }; /* bytes that one byte of text becomes at most */

/*
 * Writes text to buf as a string of JSON (RFC 8259), and terminates it. Valid UTF-8 (RFC 3629) is
 * copied, except for quotes, backslashes and control characters (also DEL and U+0080 to U+009F),
 * which are escaped; each byte that is not valid becomes \ufffd. A text that does not fit is cut
 * off after a whole character or escape. Returns the length, at most size - 1. Without room for the
 * quotes it returns 0, and buf is empty, unless size is 0.
 */
size_t str_json(char *buf, size_t size, const char *text);

#endif
