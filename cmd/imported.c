/* SPDX-License-Identifier: MIT */
/* What is attached to the ports of vhci-hcd, with what is noted of it. */
#include "cmd/inventory.h"
#include "lib/str.h"
#include "sysfs/vhci.h"

#include <limits.h>
#include <string.h>

void stock_records(char *dir, const char *run)
{
	size_t len = str_format(dir, PATH_MAX - 16, "%s", run);

	while (len && dir[len - 1] == '/')
		len--;
	while (len && dir[len - 1] != '/')
		len--;
	str_format(dir + len, PATH_MAX - len, "vhci_hcd");
}

static void see(struct item *item, const struct item *here, const struct vhci_port *row)
{
	static const char word[][10] = { "attaching", "attached", "error" };

	memset(item, 0, sizeof(*item));
	if (here)
		*item = *here;
	item_reset(item);
	item->device.on_vhci = true; /* also when its server has not answered yet */
	item_state(item, word[row->state - VHCI_ATTACHING], "", "");
	str_format(item->device.busid, sizeof(item->device.busid), "%s", row->busid);
}

/* Of the daemon here, else of the stock tools. */
static void see_record(struct item *item, const char *run, const char *stock)
{
	struct record *record = &item->record;
	unsigned port = (unsigned)item->port;

	if (!record_read_session(run, port, record, &item->session) &&
	    !record_read_session(stock, port, record, &item->session)) {
		memset(record, 0, sizeof(*record));
		return;
	}
	item_see_session(item);
	if (item->id[0] && !item->name[0])
		name_of_place(item->name, sizeof(item->name), item->device.vendor,
			      item->device.product, record->host, record->busid);
}

int imported_look(struct items *imported, struct items *devices, const struct sysfs *sysfs,
		  const char *run)
{
	static struct vhci vhci;
	int error = vhci_read(sysfs, &vhci);
	char stock[PATH_MAX];

	stock_records(stock, run);
	imported->count = 0;
	for (unsigned i = 0; i < vhci.ports && imported->count < ITEMS_MAX; i++) {
		const struct vhci_port *row = &vhci.port[i];
		struct item *item = imported->item + imported->count;

		if (row->state <= VHCI_FREE)
			continue;
		see(item, row->busid[0] ? devices_find(devices, row->busid) : NULL, row);
		item->port = i;
		see_record(item, run, stock);
		imported->count++;
	}
	return error;
}
