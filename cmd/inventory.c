/* SPDX-License-Identifier: MIT */
/* The local and the imported devices, with their names and states. */
#include "cmd/inventory.h"

#include "client/guard.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"
#include "loop/daemon.h"
#include "proto/usb.h"
#include "sysfs/stub.h"
#include "sysfs/vhci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

struct inventory_entry *inventory_find(struct inventory *inventory, const char *busid)
{
	INVENTORY_EACH(inventory, e)
		if (!strcmp(e->device.busid, busid))
			return e;
	return NULL;
}

void inventory_read_stuck(struct inventory *inventory, const char *run)
{
	INVENTORY_EACH(inventory, e)
		e->stuck = rundir_job_is_stuck(run, e->device.busid, &e->reason);
}

void inventory_read_holders(struct inventory *inventory, const char *run)
{
	INVENTORY_EACH(inventory, e) {
		struct holder_page page;

		e->held = holder_read(run, e->device.busid, &page);
		if (!e->held)
			continue;
		e->holder = page;
		str_copy(e->device.driver, sizeof(e->device.driver), engine_usbfs.name);
	}
}

static bool offered_read_line(void *ctx, char *line)
{
	struct inventory_entry *entry = inventory_find(ctx, line);

	if (entry)
		entry->offered = true;
	return false;
}

void inventory_read_offered(struct inventory *inventory, const char *run)
{
	char path[PATH_MAX];

	str_format(path, sizeof(path), "%s/offered", run);
	file_each_line(AT_FDCWD, path, offered_read_line, inventory);
}

void inventory_select(struct inventory *inventory, struct selection *selection, bool shared)
{
	selection->count = 0;
	INVENTORY_EACH(inventory, e)
		if (!shared || entry_is_shared(e))
			selection->entry[selection->count++] = e;
}

/* Adds an entry for the bus id in its place: 1-2 is before 1-10. The caller has checked that
 * there is room. */
static struct inventory_entry *inventory_insert(struct inventory *inventory, const char *busid)
{
	struct inventory_entry *end = inventory->entry + inventory->count, *entry = end;

	while (entry > inventory->entry && strverscmp(busid, entry[-1].device.busid) < 0)
		entry--;
	memmove(entry + 1, entry, (size_t)(end - entry) * sizeof(*entry));
	inventory->count++;
	return entry;
}

void entry_reset(struct inventory_entry *entry)
{
	memset(&entry->state, 0, sizeof(*entry) - offsetof(struct inventory_entry, state));
	entry->bytes_in = entry->bytes_out = entry->rtt_us = entry->port = INVENTORY_UNKNOWN;
	memset(&entry->holder.counters, 0xff, sizeof(entry->holder.counters)); /* not known */
}

void entry_set_state(struct inventory_entry *entry, const char *state, const char *format,
		     const char *detail)
{
	entry->state = state;
	entry->format = format;
	entry->detail = detail;
}

bool entry_is_exported(const struct inventory_entry *entry)
{
	return entry->held || !strcmp(entry->device.driver, STUB_DRIVER);
}

bool entry_is_shared(const struct inventory_entry *entry)
{
	return entry_is_exported(entry) || entry->offered || entry->stuck;
}

static int holder_status(const struct holder_page *page)
{
	return page->state == HOLDER_IN_USE ? STUB_USED : STUB_AVAILABLE;
}

void entry_read_export(struct inventory_entry *entry, const struct sysfs *sysfs, const char *run,
		       const char *available)
{
	const char *busid = entry->device.busid;
	int status = entry->held ? holder_status(&entry->holder) : stub_status(sysfs, busid);

	if (status != STUB_USED || !connection_read(run, busid, &entry->session))
		entry->session.since = 0;
	else
		entry_read_tcp_info(entry);
	if (status == STUB_ERROR)
		available = "error";
	if (entry->stuck)
		entry_set_state(entry, "stuck", "%s: %s", entry->reason.text);
	else if (!entry_is_exported(entry))
		entry_set_state(entry, "on demand", "%s (%s)", entry->device.driver);
	else
		entry_set_state(entry, status == STUB_USED ? "in use" : available, "%s by %s",
				entry->session.peer);
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

static void inventory_add_device(void *ctx, const struct device *device)
{
	struct inventory *inventory = ctx;
	struct inventory_entry *entry = inventory_find(inventory, device->busid);
	const struct device *last = entry ? &entry->device : NULL;
	bool known = last && last->devnum == device->devnum && last->vendor == device->vendor &&
		     last->product == device->product;
	struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device record;

	if (!entry && inventory->count == INVENTORY_MAX) {
		log_warning("%s: not shown, more than %u devices", device->name, INVENTORY_MAX);
		return;
	}
	if (!entry)
		entry = inventory_insert(inventory, device->busid);
	if (!known)
		memset(entry, 0, sizeof(*entry));
	entry->device = *device;
	entry->found = known ? ENTRY_KNOWN : ENTRY_NEW;
	entry_reset(entry);
	if (device_describe(&inventory->sysfs, device->busid, &record, interface))
		record.class = device->class;
	entry_describe(entry, &record, interface);
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

const char *entry_find_hold(const struct inventory_entry *entry, const struct holds *holds)
{
	const struct device *device = &entry->device;

	return holds_find(holds, device->vendor, device->product, entry->strings.serial, NULL,
			  device->busid);
}

void entry_name_place(const struct inventory_entry *entry, char *name)
{
	const struct device *device = &entry->device;
	const char *host = entry->record.host, *busid = entry->record.busid;

	name_of_place(name, device->vendor, device->product, *host ? host : NULL,
		      *host ? busid : device->busid);
}

/* An imported device gets no name by its port here: that would not be the port at its server. */
static void entry_set_name(struct inventory *inventory, struct inventory_entry *entry)
{
	const struct device *device = &entry->device;

	if (entry_serial_is_unique(inventory, entry))
		name_of_serial(entry->name, device->vendor, device->product, entry->strings.serial);
	else if (device->on_vhci)
		entry->name[0] = '\0';
	else
		entry_name_place(entry, entry->name);
}

int inventory_scan(struct inventory *inventory)
{
	struct inventory_entry *kept = inventory->entry;
	int error;

	INVENTORY_EACH(inventory, e)
		e->found = ENTRY_ABSENT;
	error = device_scan(&inventory->sysfs, inventory_add_device, inventory);
	if (error && error != -ENOENT)
		return error;
	INVENTORY_EACH(inventory, e)
		if (e->found != ENTRY_ABSENT)
			memmove(kept++, e, sizeof(*e));
	inventory->count = (unsigned)(kept - inventory->entry);
	inventory_read_strings(inventory);
	inventory_set_labels(inventory);
	INVENTORY_EACH(inventory, e)
		entry_set_name(inventory, e);
	return 0;
}

int inventory_open(struct inventory *inventory, const char *root)
{
	int error = sysfs_open(&inventory->sysfs, root);

	if (!error)
		error = inventory_scan(inventory);
	if (error)
		log_error_errno(error, "cannot read the devices in %s", root);
	return error;
}

static void entry_read_guard(struct inventory_entry *entry, const char *run)
{
	static struct guard_page page;

	entry->guarded = guard_read(run, (unsigned)entry->port, &page);
	str_copy(entry->guard, sizeof(entry->guard), entry->guarded ? "on" : "off");
	if (entry->guarded)
		entry->holder.counters = page.counters;
}

/* Reads the record file of our client in run, else that of the stock tools in stock. */
static void entry_read_record(struct inventory_entry *entry, const char *run, const char *stock)
{
	struct connection_addr *session = &entry->session;
	struct record *record = &entry->record;
	unsigned port = (unsigned)entry->port;

	if (!record_read(run, port, record, session) &&
	    !record_read(stock, port, record, session)) {
		memset(record, 0, sizeof(*record));
		session->since = 0;
		return;
	}
	entry_read_tcp_info(entry);
	if (entry->id[0] && !entry->name[0])
		entry_name_place(entry, entry->name);
}

int inventory_select_imported(struct inventory *inventory, struct selection *selection,
			      const char *run)
{
	static const char states[][10] = { "attaching", "attached", "error" };
	static struct vhci vhci;
	int error = vhci_read(&inventory->sysfs, &vhci);
	struct inventory_entry *fresh = inventory->entry + inventory->count;
	char stock[PATH_MAX];

	record_stock_dir(stock, sizeof(stock), run);
	selection->count = 0;
	for (unsigned i = 0; i < vhci.ports && selection->count < INVENTORY_MAX; i++) {
		const struct vhci_port *port = &vhci.port[i];
		struct inventory_entry *entry;

		if (port->state <= VHCI_FREE)
			continue;
		entry = inventory_find(inventory, port->busid);
		if (!entry && fresh == inventory->entry + INVENTORY_MAX)
			continue;
		if (!entry) {
			entry = fresh++;
			memset(entry, 0, sizeof(*entry));
			entry_reset(entry);
			memcpy(entry->device.busid, port->busid, sizeof(port->busid));
		}
		if (!device_is_authorized(&inventory->sysfs, port->busid))
			str_copy(entry->reason.text, sizeof(entry->reason.text),
				 "not authorized by this host");
		entry_set_state(entry, states[port->state - VHCI_ATTACHING], "%s, %s",
				entry->reason.text);
		entry->port = i;
		entry_read_record(entry, run, stock);
		entry_read_guard(entry, run);
		selection->entry[selection->count++] = entry;
	}
	return error;
}
