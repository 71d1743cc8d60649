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

static uint32_t get(struct wire_in *in, size_t n)
{
	const uint8_t *p = take(in, n);
	uint32_t v = 0;

	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t wire_get8(struct wire_in *in)
{
	return (uint8_t)get(in, 1);
}

uint16_t wire_get16(struct wire_in *in)
{
	return (uint16_t)get(in, 2);
}

uint32_t wire_get32(struct wire_in *in)
{
	return get(in, 4);
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

static void put(struct wire_out *out, uint32_t v, size_t n)
{
	uint8_t *p = room(out, n);

	for (; p && n; v >>= 8)
		p[--n] = (uint8_t)v;
}

void wire_put8(struct wire_out *out, uint8_t v)
{
	put(out, v, 1);
}

void wire_put16(struct wire_out *out, uint16_t v)
{
	put(out, v, 2);
}

void wire_put32(struct wire_out *out, uint32_t v)
{
	put(out, v, 4);
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
