/* SPDX-License-Identifier: MIT */
/* All devices of this machine, with what they say of themselves. */
#include "cmd/inventory.h"

#include "cmd/tcp_info.h"
#include "lib/log.h"
#include "lib/str.h"
#include "proto/usb.h"
#include "sysfs/descriptors.h"
#include "sysfs/stub.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct look {
	struct items *items;
	const struct sysfs *sysfs;
};

struct item *devices_find(struct items *items, const char *busid)
{
	EACH_ITEM(items, i)
		if (!strcmp(i->device.busid, busid))
			return i;
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
	memset(item->status, 0, sizeof(*item) - offsetof(struct item, status));
	item->since = item->in = item->out = item->rtt = item->port = UNKNOWN;
}

void item_state(struct item *item, const char *status, const char *between, const char *detail)
{
	str_format(item->status, sizeof(item->status), "%s", status);
	str_format(item->state, sizeof(item->state), "%s%s%s", status, *detail ? between : "",
		    detail);
}

bool item_exported(const struct item *item)
{
	return !strcmp(item->device.driver, STUB_DRIVER);
}

void item_see_session(struct item *item)
{
	if (item->session.since > 0)
		item->since = (uint64_t)item->session.since;
	socket_look(item);
}

void item_see_export(struct item *item, const struct sysfs *sysfs, const char *run,
		     const char *available)
{
	int status = stub_status(sysfs, item->device.busid);

	if (status == STUB_USED && session_read(run, item->device.busid, &item->session))
		item_see_session(item);
	item_state(item, status == STUB_USED  ? "in use" :
			 status == STUB_ERROR ? "error" :
						available, " by ", item->session.peer);
}

void item_describe(struct item *item, const struct op_device *device,
		   const struct op_interface *interface)
{
	unsigned mbits = usb_speed_mbits(device->speed);

	str_format(item->id, sizeof(item->id), "%04x:%04x", (unsigned)item->device.vendor,
		    (unsigned)item->device.product);
	if (mbits)
		str_format(item->speed, sizeof(item->speed), mbits == 1 ? "%u.5" : "%u", mbits);
	usb_class_words(device, interface, item->class, sizeof(item->class));
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
	bool same = item && item->device.devnum == device->devnum &&
		    item->device.vendor == device->vendor &&
		    item->device.product == device->product;

	if (!item && items->count == ITEMS_MAX) {
		log_warning("more than %u devices: %s is not shown", ITEMS_MAX, device->name);
		return;
	}
	if (!item) {
		item = place(items, device->busid);
		memmove(item + 1, item,
			(size_t)(items->item + items->count++ - item) * sizeof(*item));
	}
	if (!same)
		memset(item, 0, sizeof(*item));
	item->device = *device;
	item->seen = true;
	item_reset(item);
	describe(item, look->sysfs);
}

static void forget_unseen(struct items *items)
{
	struct item *kept = items->item;

	EACH_ITEM(items, i) {
		if (!i->seen)
			continue;
		memmove(kept, i, sizeof(*i));
		kept++->seen = false;
	}
	items->count = (unsigned)(kept - items->item);
}

/* Whether it has a serial number, and no other one of its kind has the same. */
static bool is_unique(struct items *items, const struct item *item)
{
	EACH_ITEM(items, i)
		if (i != item && i->device.on_vhci == item->device.on_vhci &&
		    !strcmp(i->id, item->id) && !strcmp(i->strings.serial, item->strings.serial))
			return false;
	return item->strings.serial[0];
}

/* One that came over USB/IP has no name by the place here. */
static void name(struct items *items, struct item *item)
{
	const struct device *device = &item->device;

	if (is_unique(items, item))
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
	bool any = false;

	EACH_ITEM(items, i) {
		const char *maker = i->strings.maker, *product = i->strings.product;

		if (!strncmp(product, maker, strlen(maker))) /* it begins with it */
			maker = "";
		if (*product)
			str_format(i->label, sizeof(i->label), "%s%s%s", maker, *maker ? " " : "",
				    product);
		i->labelless = !i->label[0] && !i->looked_up;
		i->looked_up = true;
		any = any || i->labelless;
	}
	if (any)
		usb_ids_look(items);
	EACH_ITEM(items, i)
		if (!i->label[0])
			str_format(i->label, sizeof(i->label), "%s", i->class);
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
	EACH_ITEM(items, i)
		name(items, i);
	return 0;
}

int devices_open(struct items *items, struct sysfs *sysfs, const char *root)
{
	int error = sysfs_open(sysfs, root);

	if (!error)
		error = devices_look(items, sysfs);
	if (error)
		log_warning_errno(error, "cannot look at the devices in %s", root);
	return error;
}
