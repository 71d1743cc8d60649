/* SPDX-License-Identifier: MIT */
/* Bytes on the wire: bounded big-endian cursors with a sticky error. */
#include "proto/wire.h"

#include <string.h>

/* The next n bytes, or NULL (and bad) when there are fewer. */
static const uint8_t *take(struct wire_in *in, size_t n)
{
	const uint8_t *p = in->p;

	if (in->bad || in->left < n) {
		in->bad = true;
		return NULL;
	}
	in->p += n;
	in->left -= n;
	return p;
}

uint8_t wire_get8(struct wire_in *in)
{
	const uint8_t *p = take(in, 1);

	return p ? p[0] : 0;
}

uint16_t wire_get16(struct wire_in *in)
{
	const uint8_t *p = take(in, 2);

	return (uint16_t)(p ? p[0] << 8 | p[1] : 0);
}

uint32_t wire_get32(struct wire_in *in)
{
	const uint8_t *p = take(in, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

void wire_skip(struct wire_in *in, size_t n)
{
	take(in, n);
}

void wire_get_string(struct wire_in *in, char *s, size_t size)
{
	const uint8_t *p = take(in, size);
	const uint8_t *end = p ? memchr(p, 0, size) : NULL;

	memset(s, 0, size);
	if (!end)
		in->bad = true;
	else
		memcpy(s, p, (size_t)(end - p));
}

static uint8_t *room(struct wire_out *out, size_t n)
{
	uint8_t *p = out->p;

	if (out->bad || out->left < n) {
		out->bad = true;
		return NULL;
	}
	out->p += n;
	out->left -= n;
	return p;
}

void wire_put8(struct wire_out *out, uint8_t v)
{
	uint8_t *p = room(out, 1);

	if (p)
		p[0] = v;
}

void wire_put16(struct wire_out *out, uint16_t v)
{
	uint8_t *p = room(out, 2);

	if (p) {
		p[0] = (uint8_t)(v >> 8);
		p[1] = (uint8_t)v;
	}
}

void wire_put32(struct wire_out *out, uint32_t v)
{
	uint8_t *p = room(out, 4);

	if (p) {
		p[0] = (uint8_t)(v >> 24);
		p[1] = (uint8_t)(v >> 16);
		p[2] = (uint8_t)(v >> 8);
		p[3] = (uint8_t)v;
	}
}

void wire_put_string(struct wire_out *out, const char *s, size_t size)
{
	size_t len = strnlen(s, size);
	uint8_t *p;

	if (len == size) {
		out->bad = true;
		return;
	}
	p = room(out, size);
	if (!p)
		return;
	memset(p, 0, size);
	memcpy(p, s, len);
}
