/* SPDX-License-Identifier: MIT */
/* Bytes on the wire: bounded big-endian cursors with a sticky error. */
#include "proto/wire.h"

#include <string.h>

const uint8_t *wire_skip(struct wire_in *in, size_t n)
{
	const uint8_t *p = in->p;

	if (in->bad || in->left < n) {
		in->bad = true;
		in->p += in->left;
		in->left = 0;
		return NULL;
	}
	in->p += n;
	in->left -= n;
	return p;
}

uint32_t wire_get(struct wire_in *in, size_t n)
{
	const uint8_t *p = wire_skip(in, n);
	uint32_t v = 0;

	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

struct wire_in wire_get_part(struct wire_in *in, size_t n)
{
	struct wire_in part = { in->p, n, false };

	wire_skip(in, n);
	return in->bad ? *in : part;
}

bool wire_at_end(const struct wire_in *in)
{
	return !in->bad && !in->left;
}

void wire_get_string(struct wire_in *in, char *s, size_t size)
{
	const uint8_t *p = wire_skip(in, size);
	const uint8_t *end = p ? memchr(p, 0, size) : NULL;

	memset(s, 0, size);
	if (end)
		memcpy(s, p, (size_t)(end - p));
}

/* Room for n bytes, or NULL (and bad) if there is less. */
static uint8_t *take_room(struct wire_out *out, size_t n)
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

void wire_put(struct wire_out *out, size_t v, size_t n)
{
	uint8_t *p = take_room(out, n);

	for (; p && n; v >>= 8)
		p[--n] = (uint8_t)v;
}

void wire_put_bytes(struct wire_out *out, const void *bytes, size_t len)
{
	uint8_t *p = take_room(out, len);

	if (p && len)
		memcpy(p, bytes, len);
}

void wire_put_string(struct wire_out *out, const char *s, size_t size)
{
	size_t len = strnlen(s, size);
	uint8_t *p = len < size ? take_room(out, size) : NULL;

	out->bad = !p;
	if (!p)
		return;
	memset(p, 0, size);
	memcpy(p, s, len);
}
