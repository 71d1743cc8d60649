/* SPDX-License-Identifier: MIT */
/* Names for devices that survive a replug. */
#include "policy/name.h"

#include "lib/str.h"

void name_of_serial(char *name, size_t size, uint16_t vendor, uint16_t product, const char *serial)
{
	size_t len = str_format(name, size, "%04x:%04x/", (unsigned)vendor, (unsigned)product);

	str_format(name + len, size - len, "%s", serial);
	for (char *c = name + len; *c; c++)
		if (!str_is_plain(*c) && *c != '+')
			*c = '_';
}

void name_of_place(char *name, size_t size, uint16_t vendor, uint16_t product, const char *host,
		   const char *busid)
{
	str_format(name, size, "%04x:%04x@%s%s%s", (unsigned)vendor, (unsigned)product,
		    host ? host : "", host ? "/" : "", busid);
}
