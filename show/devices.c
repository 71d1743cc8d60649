/* SPDX-License-Identifier: MIT */
/* All devices of this machine, with what they say of themselves. */
#include "show/devices.h"

#include "loop/log.h"
#include "proto/text.h"
#include "sysfs/describe.h"

#include <errno.h>
#include <string.h>

struct look {
	struct items *items;
	const struct sysfs *sysfs;
};

struct item *devices_find(struct items *items, const char *busid)
{
	for (unsigned i = 0; i < items->count; i++)
		if (!strcmp(items->item[i].device.busid, busid))
			return &items->item[i];
	return NULL;
}

/* Whether busid a comes before b: its numbers are compared, not their digits. */
static bool before(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return strspn(a, "0123456789") != strspn(b, "0123456789") ?
		       strspn(a, "0123456789") < strspn(b, "0123456789") :
		       *a < *b;
}

/* Its place, in which there may be another one. */
static struct item *place(struct items *items, const char *busid)
{
	struct item *item = items->item + items->count;

	while (item > items->item && before(busid, item[-1].device.busid))
		item--;
	return item;
}

void item_reset(struct item *item)
{
	item->since = item->in = item->out = item->rtt = item->port = item->tcp_port = UNKNOWN;
	item->status = NULL;
	item->state[0] = item->why.reason[0] = '\0';
	memset(&item->session, 0, sizeof(item->session));
	memset(&item->record, 0, sizeof(item->record));
}

void item_describe(struct item *item, const struct op_device *device,
		   const struct op_interface *interface)
{
	text_format(item->id, sizeof(item->id), "%04x:%04x", (unsigned)item->device.vendor,
		    (unsigned)item->device.product);
	if (device->speed)
		text_format(item->speed, sizeof(item->speed), device->speed == 1 ? "%u.5" : "%u",
			    op_speed_mbits(device->speed));
	op_class_words(device, interface, item->class, sizeof(item->class));
}

static void describe(struct item *item, const struct sysfs *sysfs)
{
	struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device device;

	if (device_describe(sysfs, item->device.busid, &device, interface))
		device.class = item->device.class;
	item_describe(item, &device, interface);
}

static void see(void *ctx, const struct device *device)
{
	struct look *look = ctx;
	struct items *items = look->items;
	struct item *item = devices_find(items, device->busid);
	uint32_t devnum = 0;

	sysfs_read_number(look->sysfs, false, 0xffff, &devnum, DEVICE_FILE, device->busid,
			  "devnum");
	if (!item && items->count == ITEMS_MAX) {
		log_warnx("more than %u devices: %s is not shown", ITEMS_MAX, device->name);
		return;
	}
	if (!item) {
		item = place(items, device->busid);
		memmove(item + 1, item, (size_t)(items->item + items->count++ - item) * sizeof(*item));
		memset(item, 0, sizeof(*item));
	}
	if (item->devnum != devnum || item->device.vendor != device->vendor ||
	    item->device.product != device->product)
		memset(item, 0, sizeof(*item));
	item->device = *device;
	item->devnum = devnum;
	item->seen = true;
	item_reset(item);
	describe(item, look->sysfs);
}

static void forget_unseen(struct items *items)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < items->count; i++) {
		if (!items->item[i].seen)
			continue;
		if (kept != i)
			items->item[kept] = items->item[i];
		items->item[kept++].seen = false;
	}
	items->count = kept;
}

/* Whether no other one of its kind has its serial number. */
static bool is_unique(const struct items *items, const struct item *item)
{
	for (const struct item *i = items->item; i < items->item + items->count; i++)
		if (i != item && i->device.on_vhci == item->device.on_vhci &&
		    !strcmp(i->id, item->id) && !strcmp(i->strings.serial, item->strings.serial))
			return false;
	return true;
}

/* One that came over USB/IP has no name by the place here. */
static void name(struct items *items, struct item *item)
{
	const struct device *device = &item->device;

	if (item->strings.serial[0] && is_unique(items, item))
		name_of_serial(item->name, sizeof(item->name), device->vendor, device->product,
			       item->strings.serial);
	else if (device->on_vhci)
		item->name[0] = '\0';
	else
		name_of_place(item->name, sizeof(item->name), device->vendor, device->product, NULL,
			      device->busid);
}

void items_label(struct items *items)
{
	struct item *item, *end = items->item + items->count;
	bool any = false;

	for (item = items->item; item < end; item++) {
		const char *maker = item->strings.maker, *product = item->strings.product;
		bool twice = !strncmp(product, maker, strlen(maker));

		if (*product)
			text_format(item->label, sizeof(item->label), "%s%s%s", twice ? "" : maker,
				    twice ? "" : " ", product);
		item->labelless = !item->label[0] && !item->looked_up;
		item->looked_up = true;
		any = any || item->labelless;
	}
	if (any)
		usb_ids_look(items);
	for (item = items->item; item < end; item++)
		if (!item->label[0])
			text_format(item->label, sizeof(item->label), "%s", item->class);
}

int devices_look(struct items *items, const struct sysfs *sysfs)
{
	struct look look = { items, sysfs };
	int error = device_scan(sysfs, see, &look);

	if (error && error != -ENOENT)
		return error;
	forget_unseen(items);
	strings_look(items, sysfs);
	items_label(items);
	for (unsigned i = 0; i < items->count; i++)
		name(items, &items->item[i]);
	return 0;
}
