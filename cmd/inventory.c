/* SPDX-License-Identifier: MIT */
/* The local devices, with their names, strings and states. */
#include "cmd/inventory.h"

#include "lib/log.h"
#include "lib/str.h"
#include "proto/usb.h"
#include "sysfs/descriptors.h"
#include "sysfs/stub.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct scan {
	struct inventory *inventory;
	const struct sysfs *sysfs;
};

struct inventory_entry *inventory_find(struct inventory *inventory, const char *busid)
{
	INVENTORY_EACH(inventory, e)
		if (!strcmp(e->device.busid, busid))
			return e;
	return NULL;
}

/* Whether bus id a sorts before b. Numbers are compared by value: 1-2 before 1-10. */
static bool busid_is_before(const char *a, const char *b)
{
	size_t a_digits, b_digits;

	while (*a && *a == *b) {
		a++;
		b++;
	}
	a_digits = strspn(a, "0123456789");
	b_digits = strspn(b, "0123456789");
	return a_digits != b_digits ? a_digits < b_digits : *a < *b;
}

/* Adds an entry for the bus id in its place. The caller has checked that there is room. */
static struct inventory_entry *inventory_insert(struct inventory *inventory, const char *busid)
{
	struct inventory_entry *end = inventory->entry + inventory->count, *entry = end;

	while (entry > inventory->entry && busid_is_before(busid, entry[-1].device.busid))
		entry--;
	memmove(entry + 1, entry, (size_t)(end - entry) * sizeof(*entry));
	inventory->count++;
	return entry;
}

void entry_reset(struct inventory_entry *entry)
{
	memset(entry->status, 0, sizeof(*entry) - offsetof(struct inventory_entry, status));
	entry->since = entry->port = INVENTORY_UNKNOWN;
	entry->tcp = (struct tcp_counters){
		.bytes_in = INVENTORY_UNKNOWN,
		.bytes_out = INVENTORY_UNKNOWN,
		.rtt_us = INVENTORY_UNKNOWN,
	};
}

void entry_set_state(struct inventory_entry *entry, const char *status, const char *separator,
		     const char *detail)
{
	str_format(entry->status, sizeof(entry->status), "%s", status);
	str_format(entry->state, sizeof(entry->state), "%s%s%s", status, *detail ? separator : "",
		   detail);
}

bool entry_is_exported(const struct inventory_entry *entry)
{
	return !strcmp(entry->device.driver, STUB_DRIVER);
}

void entry_read_session(struct inventory_entry *entry)
{
	if (entry->session.since > 0)
		entry->since = (uint64_t)entry->session.since;
	tcp_info_read(&entry->session, &entry->tcp);
}

void entry_read_export(struct inventory_entry *entry, const struct sysfs *sysfs, const char *run,
		       const char *available)
{
	int status = stub_status(sysfs, entry->device.busid);

	if (status == STUB_USED && connection_read(run, entry->device.busid, &entry->session))
		entry_read_session(entry);
	entry_set_state(entry,
			status == STUB_USED  ? "in use" :
			status == STUB_ERROR ? "error" :
					       available,
			" by ", entry->session.peer);
}

void entry_describe(struct inventory_entry *entry, const struct op_device *device,
		    const struct op_interface *interface)
{
	unsigned mbits = usb_speed_mbits(device->speed);

	str_format(entry->id, sizeof(entry->id), "%04x:%04x", (unsigned)entry->device.vendor,
		   (unsigned)entry->device.product);
	if (mbits)
		str_format(entry->speed, sizeof(entry->speed), mbits == 1 ? "%u.5" : "%u", mbits);
	usb_class_words(device, interface, entry->class, sizeof(entry->class));
}

static void entry_read_descriptors(struct inventory_entry *entry, const struct sysfs *sysfs)
{
	struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device device;

	if (device_describe(sysfs, entry->device.busid, &device, interface))
		device.class = entry->device.class;
	entry_describe(entry, &device, interface);
}

static bool entry_is_same_device(const struct inventory_entry *entry, const struct device *device)
{
	return entry->device.devnum == device->devnum &&
	       entry->device.vendor == device->vendor && entry->device.product == device->product;
}

static void inventory_add_device(void *ctx, const struct device *device)
{
	struct scan *scan = ctx;
	struct inventory *inventory = scan->inventory;
	struct inventory_entry *entry = inventory_find(inventory, device->busid);
	bool known = entry && entry_is_same_device(entry, device);

	if (!entry && inventory->count == INVENTORY_MAX) {
		log_warning("%s: not shown, more than %u devices", device->name, INVENTORY_MAX);
		return;
	}
	if (!entry)
		entry = inventory_insert(inventory, device->busid);
	if (!known)
		memset(entry, 0, sizeof(*entry));
	entry->device = *device;
	entry->present = true;
	entry_reset(entry);
	entry_read_descriptors(entry, scan->sysfs);
}

/* Removes the devices that the scan did not find. */
static void inventory_remove_absent(struct inventory *inventory)
{
	struct inventory_entry *kept = inventory->entry;

	INVENTORY_EACH(inventory, e) {
		if (!e->present)
			continue;
		memmove(kept, e, sizeof(*e));
		kept->present = false;
		kept++;
	}
	inventory->count = (unsigned)(kept - inventory->entry);
}

/* Whether it has a serial number that no other device of its kind has. */
static bool entry_serial_is_unique(struct inventory *inventory, const struct inventory_entry *entry)
{
	INVENTORY_EACH(inventory, e)
		if (e != entry && e->device.on_vhci == entry->device.on_vhci &&
		    !strcmp(e->id, entry->id) && !strcmp(e->strings.serial, entry->strings.serial))
			return false;
	return entry->strings.serial[0];
}

/* An imported device gets no name by its port here: that would not be the port at its server. */
static void entry_set_name(struct inventory *inventory, struct inventory_entry *entry)
{
	const struct device *device = &entry->device;

	if (entry_serial_is_unique(inventory, entry))
		name_of_serial(entry->name, sizeof(entry->name), device->vendor, device->product,
			       entry->strings.serial);
	else if (device->on_vhci)
		entry->name[0] = '\0';
	else
		name_of_place(entry->name, sizeof(entry->name), device->vendor, device->product,
			      NULL, device->busid);
}

/* "MANUFACTURER PRODUCT", as the device says, without a manufacturer that PRODUCT repeats. */
static void entry_set_label(struct inventory_entry *entry)
{
	const char *maker = entry->strings.maker, *product = entry->strings.product;

	if (!strncmp(product, maker, strlen(maker)))
		maker = "";
	if (*product)
		str_format(entry->label, sizeof(entry->label), "%s%s%s", maker, *maker ? " " : "",
			   product);
}

void inventory_set_labels(struct inventory *inventory)
{
	bool any = false;

	INVENTORY_EACH(inventory, e) {
		entry_set_label(e);
		e->wants_label = !e->label[0] && !e->usb_ids_searched;
		e->usb_ids_searched = true;
		any = any || e->wants_label;
	}
	if (any)
		usb_ids_set_labels(inventory);
	INVENTORY_EACH(inventory, e)
		if (!e->label[0])
			str_format(e->label, sizeof(e->label), "%s", e->class);
}

int inventory_scan(struct inventory *inventory, const struct sysfs *sysfs)
{
	struct scan scan = { inventory, sysfs };
	int error = device_scan(sysfs, inventory_add_device, &scan);

	if (error && error != -ENOENT)
		return error;
	inventory_remove_absent(inventory);
	inventory_read_strings(inventory, sysfs);
	inventory_set_labels(inventory);
	INVENTORY_EACH(inventory, e)
		entry_set_name(inventory, e);
	return 0;
}

int inventory_open(struct inventory *inventory, struct sysfs *sysfs, const char *root)
{
	int error = sysfs_open(sysfs, root);

	if (!error)
		error = inventory_scan(inventory, sysfs);
	if (error)
		log_error_errno(error, "cannot read the devices in %s", root);
	return error;
}
