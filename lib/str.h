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
int text_decimal(const char *s, uint32_t max, uint32_t *value);
int text_hex(const char *s, uint32_t max, uint32_t *value);

/*
 * A small printf: %s with a least width ("%-8s"), %u and %x with a width and zeros ("%04x"), %%.
 * Always terminates buf (size >= 1); returns the length written, at most size - 1.
 */
size_t text_format(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t text_vformat(char *buf, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* A letter, a digit or one of "-._": what needs no quotes anywhere. */
bool text_is_plain(char c);

/*
 * Goes on with a hash of text: FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/).
 * The first begins with TEXT_HASH.
 */
#define TEXT_HASH 2166136261u
uint32_t text_hash(uint32_t hash, const char *text);

/* Replaces each byte of s that is not printable ASCII by '?': for what a peer or device named. */
void text_printable(char *s);

/*
 * The next word of *cursor, which ends at white space or the end of the string; terminates it in
 * place and moves *cursor behind it. NULL when there is none.
 */
char *text_word(char **cursor);
/* The first words of a line, at most max: how many there are. */
unsigned text_words(char *line, char **word, unsigned max);
/* The next line: up to '\n' or the end. An empty line is an empty string. */
char *text_line(char **cursor);

#endif
