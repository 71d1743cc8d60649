/* SPDX-License-Identifier: MIT */
/*
 * Bytes on the wire: bounded big-endian cursors with a sticky error, and numbers in memory. No I/O,
 * no allocation.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads from [p, p + left). A read beyond the end yields zero, sets bad and moves to the end: then
 * nothing is left and bad stays set. */
struct wire_in {
	const uint8_t *p;
	size_t left;
	bool bad;
};

/* The number in the next n bytes, 1 to 4. */
uint32_t wire_get(struct wire_in *in, size_t n);
/* Returns the n bytes that are skipped, or NULL (and bad) if there are fewer. */
const uint8_t *wire_skip(struct wire_in *in, size_t n);
/* A cursor over the next n bytes, which are skipped. Beyond the end it is empty and bad, too. */
struct wire_in wire_get_part(struct wire_in *in, size_t n);
/* Whether all bytes were read, and none beyond the end. */
bool wire_at_end(const struct wire_in *in);
/* A string in a field of size bytes, empty if the field has no terminator. Bytes behind the
 * terminator are ignored; the rest of s, which has size bytes too, is zeroed. */
void wire_get_string(struct wire_in *in, char *s, size_t size);

/* Writes to [p, p + left). A write beyond the end writes nothing and sets bad, for good. */
struct wire_out {
	uint8_t *p;
	size_t left;
	bool bad;
};

/* The last 8 n bits of v as n bytes. */
void wire_put(struct wire_out *out, size_t v, size_t n);
void wire_put_bytes(struct wire_out *out, const void *bytes, size_t len);
/* s in a field of size bytes, padded with zeros; a string that does not fit with its terminator
 * sets bad. */
void wire_put_string(struct wire_out *out, const char *s, size_t size);

/* Numbers in memory. Those of messages of a fixed size are big-endian. */
static inline uint32_t wire_load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void wire_store_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* USB descriptors have little-endian ones. */
static inline uint16_t wire_load_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

#endif
