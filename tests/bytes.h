/* SPDX-License-Identifier: MIT */
/* A device record as the protocol document lays it out, compared with what was decoded of it. */
#ifndef TESTS_BYTES_H
#define TESTS_BYTES_H

#include "proto/op.h"
#include "tests/check.h"

/* The protocol document's own words, read without any code of the product. */
static inline uint32_t raw(const uint8_t *p, size_t size)
{
	uint32_t n = 0;

	while (size--)
		n = n << 8 | *p++;
	return n;
}

static inline void check_device(const uint8_t *p, const struct op_device *d)
{
	CHECK_STR(d->path, (const char *)p);
	CHECK_STR(d->busid, (const char *)p + 256);
	CHECK_INT(d->busnum, raw(p + 288, 4));
	CHECK_INT(d->devnum, raw(p + 292, 4));
	CHECK_INT(d->speed, raw(p + 296, 4));
	CHECK_INT(d->vendor, raw(p + 300, 2));
	CHECK_INT(d->product, raw(p + 302, 2));
	CHECK_INT(d->bcd_device, raw(p + 304, 2));
	CHECK_INT(d->class, p[306]);
	CHECK_INT(d->subclass, p[307]);
	CHECK_INT(d->protocol, p[308]);
	CHECK_INT(d->configuration, p[309]);
	CHECK_INT(d->configurations, p[310]);
	CHECK_INT(d->interfaces, p[311]);
}

#endif
