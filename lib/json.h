/* SPDX-License-Identifier: MIT */
/* Strings of JSON (RFC 8259). A pure function. */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include <stddef.h>

enum { JSON_BYTE_MAX = 6 }; /* a byte of text becomes at most so many */

/*
 * Writes text as a string with its quotes, and terminates it. Valid UTF-8 (RFC 3629) stays as it
 * is, but for quotes, backslashes and control characters (also DEL and U+0080 to U+009F), which are
 * escaped; each byte of what is not valid becomes \ufffd. What does not fit is left out at the end,
 * whole characters and escapes only. Returns the length, at most size - 1; 0 when there is not even
 * room for the quotes, and then buf is empty, if size is not 0.
 */
size_t json_string(char *buf, size_t size, const char *text);

#endif
