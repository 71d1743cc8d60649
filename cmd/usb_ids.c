/* SPDX-License-Identifier: MIT */
/* The names of vendors and products that the system knows: http://www.linux-usb.org/usb.ids */
#include "cmd/inventory.h"
#include "lib/file.h"
#include "lib/str.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { DIGITS = 4, NAME = DIGITS + 2 };

struct look {
	struct items *items;
	uint32_t vendor;
};

static void append(char *label, const char *name)
{
	size_t len = strlen(label);

	str_format(label + len, LABEL_SIZE - len, "%s%s", len ? " " : "", name);
}

/* "0951  Kingston Technology", and below "\t1666  DataTraveler"; they end where classes begin. */
static bool see(void *ctx, char *line)
{
	struct look *look = ctx;
	bool product = line[0] == '\t';
	uint32_t number;

	if (line[0] == 'C')
		return true;
	line += product;
	if (strnlen(line, NAME) < NAME || line[DIGITS] != ' ')
		return false;
	line[DIGITS] = '\0';
	if (str_hex(line, 0xffff, &number))
		return false;
	if (!product)
		look->vendor = number;
	EACH_ITEM(look->items, i)
		if (i->labelless && i->device.vendor == look->vendor &&
		    (!product || i->device.product == number))
			append(i->label, line + NAME);
	return false;
}

void usb_ids_look(struct items *items)
{
	static const char *const places[] = {
		"/usr/share/hwdata/usb.ids",
		"/usr/share/misc/usb.ids",
		"/var/lib/usbutils/usb.ids",
		"/usr/share/usb.ids",
	};
	struct look look = { .items = items, .vendor = UINT32_MAX };

	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (!access(places[i], R_OK)) {
			file_each_line(AT_FDCWD, places[i], see, &look);
			return;
		}
}
