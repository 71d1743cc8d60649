/* SPDX-License-Identifier: MIT */
/* Names for devices that survive a replug. */
#include "policy/name.h"

#include "lib/str.h"
#include "sysfs/device.h"

#include <string.h>

static void read_string(const struct sysfs *sysfs, const char *busid, const char *attribute,
			char *string)
{
	uint8_t text[SYSFS_ATTRIBUTE_SIZE];
	ssize_t n = sysfs_read_bytes(sysfs, text, sizeof(text), DEVICE_FILE, busid, attribute);
	size_t len = n > 0 && text[n - 1] == '\n' ? (size_t)n - 1 : 0;

	if (len >= DEVICE_STRING_SIZE) {
		len = DEVICE_STRING_SIZE - 1;
		while (len && (text[len] & 0xc0) == 0x80) /* in the middle of a character */
			len--;
	}
	memcpy(string, text, len);
	string[len] = '\0';
}

void device_strings_read(const struct sysfs *sysfs, const char *busid,
			 struct device_strings *strings)
{
	read_string(sysfs, busid, "serial", strings->serial);
	read_string(sysfs, busid, "product", strings->product);
	read_string(sysfs, busid, "manufacturer", strings->maker);
}

void name_of_serial(char *name, size_t size, uint16_t vendor, uint16_t product, const char *serial)
{
	size_t len = text_format(name, size, "%04x:%04x/", (unsigned)vendor, (unsigned)product);

	text_format(name + len, size - len, "%s", serial);
	for (char *c = name + len; *c; c++)
		if (!text_is_plain(*c) && *c != '+')
			*c = '_';
}

void name_of_place(char *name, size_t size, uint16_t vendor, uint16_t product, const char *host,
		   const char *busid)
{
	text_format(name, size, "%04x:%04x@%s%s%s", (unsigned)vendor, (unsigned)product,
		    host ? host : "", host ? "/" : "", busid);
}
