/* SPDX-License-Identifier: MIT */
/* --wait: until programs can use the devices that are attached, which the kernel's drivers and udev
 * take a while for. */
#include "cmd/cmd.h"

#include "cmd/table.h"
#include "lib/log.h"
#include "loop/loop.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

enum { WAIT_POLL_MS = 100 };

/* Its interfaces are there, and the disk of a storage device, which is the last to come. Not each
 * interface has a driver on each machine. */
static bool entry_is_usable(const struct inventory_entry *entry)
{
	return entry->drivers[0] && (!strstr(entry->class, "storage") || entry->disk);
}

/* NULL: all that are wanted can be used, and there is one; they are devices. Else what is missing.
 */
static const char *wait_look(const struct wait *wait, struct selection *devices)
{
	struct inventory_entry **kept = devices->entry;
	const char *missing = NULL;

	inventory_select_imported(wait->inventory, devices, wait->options->run);
	inventory_read_nodes(wait->inventory);
	SELECTION_EACH(devices, e) {
		if (!wait->wants(wait->ctx, *e))
			continue;
		if (!entry_is_usable(*e))
			missing = (*e)->device.busid;
		*kept++ = *e;
	}
	devices->count = (unsigned)(kept - devices->entry);
	return devices->count ? missing : "it";
}

int cmd_wait(const struct wait *wait, struct selection *devices)
{
	const char *missing;
	sigset_t signals;

	/* which a client has blocked */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
	while ((missing = wait_look(wait, devices))) {
		if (loop_clock() >= wait->options->wait_until) {
			log_error("%s cannot be used yet: see 'usbiphp status'", missing);
			return 1;
		}
		poll(NULL, 0, WAIT_POLL_MS);
		if (inventory_scan(wait->inventory))
			return 1;
	}
	return 0;
}

struct wait_servers {
	const struct endpoint *accept;
	const struct endpoint *server;
	unsigned count;
};

/* ctx: struct wait_servers. */
static bool is_from_server(const void *ctx, const struct inventory_entry *entry)
{
	const struct wait_servers *servers = ctx;

	if (servers->accept && !strcmp(entry->record.tcp_port, servers->accept->port))
		return true;
	for (unsigned i = 0; i < servers->count; i++)
		if (record_is_from(&entry->record, &servers->server[i]))
			return true;
	return false;
}

int cmd_wait_for_servers(const struct daemon_options *options, struct inventory *inventory,
			 const struct endpoint *accept, const struct endpoint *server,
			 unsigned servers)
{
	static struct selection devices;
	static struct table table;
	struct wait_servers from = { accept, server, servers };
	const struct wait wait = { options, inventory, is_from_server, &from };

	if (inventory_open(inventory, options->sysfs) || cmd_wait(&wait, &devices))
		return 1;
	table.json = true;
	table_put_devices(&table, TABLE_IMPORTED, &devices);
	table_put(&table, "\n");
	table_flush(&table);
	return 0;
}
