/* SPDX-License-Identifier: MIT */
/* The imported devices: ports of vhci-hcd, and the record files of their servers. */
#include "cmd/inventory.h"
#include "lib/str.h"
#include "sysfs/vhci.h"

#include <limits.h>
#include <string.h>

/* local is the entry of the device here, or NULL: its server has not answered yet. */
static void imported_set_port(struct inventory_entry *entry, const struct inventory_entry *local,
			      const struct vhci_port *port)
{
	static const char status[][10] = { "attaching", "attached", "error" };

	memset(entry, 0, sizeof(*entry));
	if (local)
		*entry = *local;
	entry_reset(entry);
	entry->device.on_vhci = true;
	entry_set_state(entry, status[port->state - VHCI_ATTACHING], "", "");
	str_format(entry->device.busid, sizeof(entry->device.busid), "%s", port->busid);
}

/* Reads the record file of our client in run, else that of the stock tools in stock. */
static void imported_read_record(struct inventory_entry *entry, const char *run, const char *stock)
{
	struct record *record = &entry->record;
	unsigned port = (unsigned)entry->port;

	if (!record_read_connection(run, port, record, &entry->session) &&
	    !record_read_connection(stock, port, record, &entry->session)) {
		memset(record, 0, sizeof(*record));
		return;
	}
	entry_read_session(entry);
	if (entry->id[0] && !entry->name[0])
		name_of_place(entry->name, sizeof(entry->name), entry->device.vendor,
			      entry->device.product, record->host, record->busid);
}

int imported_read(struct inventory *imported, struct inventory *local, const struct sysfs *sysfs,
		  const char *run)
{
	static struct vhci vhci;
	int error = vhci_read(sysfs, &vhci);
	char stock[PATH_MAX];

	record_stock_dir(stock, sizeof(stock), run);
	imported->count = 0;
	for (unsigned i = 0; i < vhci.ports && imported->count < INVENTORY_MAX; i++) {
		const struct vhci_port *port = &vhci.port[i];
		struct inventory_entry *entry = imported->entry + imported->count;

		if (port->state <= VHCI_FREE)
			continue;
		imported_set_port(entry, port->busid[0] ? inventory_find(local, port->busid) : NULL,
				  port);
		entry->port = i;
		imported_read_record(entry, run, stock);
		imported->count++;
	}
	return error;
}
