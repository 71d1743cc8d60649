/* SPDX-License-Identifier: MIT */
/* Bytes written as hexadecimal digits. */
#ifndef TESTS_HEX_H
#define TESTS_HEX_H

#include "tests/check.h"

/* How many there are; at most size. */
static inline size_t from_hex(uint8_t *bytes, size_t size, const char *hex)
{
	size_t n = 0;
	unsigned byte;

	for (; *hex; hex += 2) {
		must(n < size && sscanf(hex, "%2x", &byte) == 1, "read a vector");
		bytes[n++] = (uint8_t)byte;
	}
	return n;
}

#define CHECK_HEX(got, want)                                                                       \
	do {                                                                                       \
		uint8_t want_[2048];                                                               \
		size_t len_ = from_hex(want_, sizeof(want_), want);                                \
		CHECK_BYTES(got, want_, len_);                                                     \
	} while (0)

#endif
