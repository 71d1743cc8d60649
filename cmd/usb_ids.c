/* SPDX-License-Identifier: MIT */
/* Names of vendors and products from the system's usb.ids. */
#include "cmd/inventory.h"
#include "lib/file.h"
#include "lib/str.h"
#include "lib/util.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { USB_IDS_DIGITS = 4, USB_IDS_NAME = USB_IDS_DIGITS + 2 /* offset of the name in a line */ };

struct usb_ids_search {
	struct inventory *inventory;
	uint32_t vendor; /* of the lines that follow */
};

static void label_append(char *label, const char *name)
{
	size_t len = strlen(label);

	str_format(label + len, INVENTORY_LABEL_SIZE - len, "%s%s", len ? " " : "", name);
}

/* A vendor's line "0951  Kingston Technology" is followed by its products, "\t1666  DataTraveler".
 * The list of classes ("C 00  ...") comes after all vendors. */
static bool usb_ids_read_line(void *ctx, char *line)
{
	struct usb_ids_search *search = ctx;
	bool is_product = line[0] == '\t';
	uint32_t number;

	if (line[0] == 'C')
		return true;
	line += is_product;
	if (strnlen(line, USB_IDS_NAME) < USB_IDS_NAME || line[USB_IDS_DIGITS] != ' ')
		return false;
	line[USB_IDS_DIGITS] = '\0';
	if (str_hex(line, 0xffff, &number))
		return false;
	if (!is_product)
		search->vendor = number;
	INVENTORY_EACH(search->inventory, e)
		if (e->wants_label && e->device.vendor == search->vendor &&
		    (!is_product || e->device.product == number))
			label_append(e->label, line + USB_IDS_NAME);
	return false;
}

void usb_ids_set_labels(struct inventory *inventory)
{
	static const char *const paths[] = {
		"/usr/share/hwdata/usb.ids",
		"/usr/share/misc/usb.ids",
		"/var/lib/usbutils/usb.ids",
		"/usr/share/usb.ids",
	};
	struct usb_ids_search search = { .inventory = inventory, .vendor = UINT32_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(paths); i++)
		if (!access(paths[i], R_OK)) {
			file_each_line(AT_FDCWD, paths[i], usb_ids_read_line, &search);
			return;
		}
}
