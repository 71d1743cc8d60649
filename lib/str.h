/* SPDX-License-Identifier: MIT */
/* Plain text: strict numbers in, bounded strings out. Pure functions, no locale, no allocation. */
#ifndef LIB_STR_H
#define LIB_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The whole of s is a number, digits only, of at most max: 0 and *value, else -EINVAL or -ERANGE
 * (*value is then untouched). No sign, no white space, no prefix.
 */
int str_decimal(const char *s, uint32_t max, uint32_t *value);
int str_hex(const char *s, uint32_t max, uint32_t *value);

/*
 * snprintf(3) that returns the length written: what does not fit is cut off, buf is always
 * terminated, and buf + the length is where the next text goes. size must not be 0.
 */
size_t str_format(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t str_vformat(char *buf, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* A letter, a digit or one of "-._": what needs no quotes anywhere. */
bool str_is_plain(char c);

/*
 * Goes on with a hash of text: FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/).
 * The first begins with STR_HASH.
 */
#define STR_HASH 2166136261u
uint32_t str_hash(uint32_t hash, const char *text);

/* Replaces each byte of s that is not printable ASCII by '?': for what a peer or device named. */
void str_printable(char *s);

/* Why something is or is not done: a short sentence for a message. Empty: there is none. */
struct reason {
	char text[128];
};

/*
 * The next word of *cursor, which ends at white space or the end of the string; terminates it in
 * place and moves *cursor behind it. NULL when there is none.
 */
char *str_word(char **cursor);
/* The first words of a line, at most max: how many there are. */
unsigned str_words(char *line, char **word, unsigned max);
/* The next line: up to '\n' or the end. An empty line is an empty string. */
char *str_line(char **cursor);

#endif
