/* SPDX-License-Identifier: MIT */
/* Bytes on the wire: bounded big-endian cursors with a sticky error. No I/O, no allocation. */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads from [p, p + left). A read beyond the end gives zero and sets bad, for good. */
struct wire_in {
	const uint8_t *p;
	size_t left;
	bool bad;
};

uint8_t wire_get8(struct wire_in *in);
uint16_t wire_get16(struct wire_in *in);
uint32_t wire_get32(struct wire_in *in);
void wire_skip(struct wire_in *in, size_t n);
/* A string in a field of size bytes, which must hold its terminator, else bad.
 * What follows the terminator is ignored; the rest of s (also size bytes) is zeroed. */
void wire_get_string(struct wire_in *in, char *s, size_t size);

/* Writes to [p, p + left). A write beyond the end writes nothing and sets bad, for good. */
struct wire_out {
	uint8_t *p;
	size_t left;
	bool bad;
};

void wire_put8(struct wire_out *out, uint8_t v);
void wire_put16(struct wire_out *out, uint16_t v);
void wire_put32(struct wire_out *out, uint32_t v);
/* s in a field of size bytes, padded with zeros; a string that does not fit with its terminator
 * sets bad. */
void wire_put_string(struct wire_out *out, const char *s, size_t size);

#endif
