/* SPDX-License-Identifier: MIT */
/* Strings of JSON (RFC 8259). A pure function. */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include <stddef.h>

enum { JSON_BYTE_MAX = 6 }; /* bytes that one byte of text becomes at most */

/*
 * Writes text to buf as a JSON string with its quotes, and terminates it. Valid UTF-8 (RFC 3629) is
 * copied, except for quotes, backslashes and control characters (also DEL and U+0080 to U+009F),
 * which are escaped; each byte that is not valid becomes \ufffd. A text that does not fit is cut
 * off after a whole character or escape. Returns the length, at most size - 1. Without room for the
 * quotes it returns 0, and buf is empty, unless size is 0.
 */
size_t json_string(char *buf, size_t size, const char *text);

#endif
