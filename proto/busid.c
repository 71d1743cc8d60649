/* SPDX-License-Identifier: MIT */
/* Bus ids: the names of USB devices, in sysfs and on the wire. */
#include "proto/busid.h"

#include <stddef.h>

/* Skips a decimal number of 1 to 5 digits without a leading zero; NULL if s begins with none. */
static const char *skip_number(const char *s)
{
	const char *end = s;

	while (*end >= '0' && *end <= '9')
		end++;
	return end > s && end - s <= 5 && *s != '0' ? end : NULL;
}

bool busid_is_device(const char *s)
{
	const char *p = skip_number(s);

	if (!p || *p != '-')
		return false;
	do
		p = skip_number(p + 1);
	while (p && *p == '.');
	return p && !*p && p - s < BUSID_SIZE;
}

static bool is_name_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '.' || c == '_' || c == ':';
}

bool busid_is_name(const char *s)
{
	for (unsigned i = 0; i < BUSID_SIZE; i++) {
		char c = s[i];

		if (!c)
			return i > 0;
		if (!is_name_character(c))
			return false;
	}
	return false;
}
