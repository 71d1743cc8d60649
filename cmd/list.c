/* SPDX-License-Identifier: MIT */
/* usbiphp list and usbiphp-server --dry-run: local devices, and those of a server. */
#include "client/client.h"
#include "cmd/cmd.h"
#include "cmd/table.h"
#include "host/choose.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"
#include "sysfs/stub.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

/* The local devices, and the server's policy on them. */
struct list {
	struct sysfs sysfs;
	struct host_wishes policy;
	struct inventory *inventory;
	bool server_runs;
};

static int list_open(struct list *list, const struct daemon_options *options, bool take_all)
{
	int error;

	list->policy.take_all = take_all;
	if (!rules_read(&list->policy.rules, &options->rules))
		return 2;
	error = holds_read(&list->policy.held, options->config, "server");
	if (error)
		log_warning_errno(error, "cannot read %s/held.%s", options->config, "server");
	return inventory_open(list->inventory, &list->sysfs, options->sysfs) != 0;
}

/* A line "BUSID REASON" of the running server's file "left". */
static bool left_read_line(void *ctx, char *line)
{
	const char *busid = str_word(&line);
	struct inventory_entry *entry = busid ? inventory_find(ctx, busid) : NULL;

	if (entry)
		str_format(entry->reason.text, sizeof(entry->reason.text), "%s", line);
	return false;
}

/* The verdict of the server's policy. Sets the reason, which is empty if the device is allowed. */
static enum rule_verdict list_judge(const struct list *list, struct inventory_entry *entry)
{
	enum rule_verdict verdict = host_choose(&list->sysfs, &entry->device, &list->policy,
						entry->has_strings ? &entry->strings : NULL,
						&entry->reason);

	if (verdict == RULE_UNKNOWN)
		str_format(entry->reason.text, sizeof(entry->reason.text),
			   "cannot read its serial number or product name, which a rule needs");
	else if (verdict == RULE_ALLOW)
		entry->reason.text[0] = '\0';
	return verdict;
}

/* Of a device that is not exported. */
static void list_set_state(const struct list *list, struct inventory_entry *entry)
{
	if (!entry->reason.text[0])
		list_judge(list, entry);
	if (entry->reason.text[0]) {
		entry_set_state(entry, "left alone", ": ", entry->reason.text);
	} else if (!list->server_runs) {
		entry_set_state(entry, "not exported", ": ", "no server runs");
	} else if (!entry->device.driver[0]) {
		entry_set_state(entry, "no driver", "", "");
	} else {
		entry_set_state(entry, "own driver", "", "");
		str_format(entry->state, sizeof(entry->state), "own driver (%s)",
			   entry->device.driver);
	}
}

/* server is NULL: the local devices. */
static void list_put(struct table *table, const struct inventory *inventory,
		     const struct endpoint *server, bool server_runs)
{
	if (table->json) {
		table_put(table, "{\"version\":1,\"host\":");
		table_put_json_string(table, server ? server->name : NULL);
		table_format(table, ",\"server_running\":%s,\"devices\":",
			     server	 ? "null" :
			     server_runs ? "true" :
					   "false");
	}
	table_put_inventory(table, server ? TABLE_REMOTE : TABLE_LIST, inventory, NULL);
	if (table->json)
		table_put(table, "}\n");
}

static void list_print(const struct inventory *inventory, const struct endpoint *server,
		       bool server_runs, bool json)
{
	struct table table = { .json = json };

	table_begin(&table, true);
	list_put(&table, inventory, server, server_runs);
	table_begin(&table, false);
	list_put(&table, inventory, server, server_runs);
	table_end(&table);
}

int cmd_list(const struct daemon_options *options, struct inventories *inventories,
	     bool ignore_server, bool take_all, bool json)
{
	static struct list list;
	char path[PATH_MAX];
	int status;

	list.inventory = &inventories->local;
	status = list_open(&list, options, take_all);
	if (status)
		return status;
	list.server_runs = rundir_has_daemon(options->run, "server");
	str_format(path, sizeof(path), "%s/left", options->run);
	if (list.server_runs && !ignore_server)
		file_each_line(AT_FDCWD, path, left_read_line, list.inventory);
	INVENTORY_EACH(list.inventory, e)
		if (entry_is_exported(e))
			entry_read_export(e, &list.sysfs, options->run, "exported");
		else
			list_set_state(&list, e);
	list_print(list.inventory, NULL, list.server_runs, json);
	return 0;
}

struct remote_list {
	const struct endpoint *server;
	struct inventory *inventory;
};

static void remote_list_add(void *ctx, const struct op_device *device,
			    const struct op_interface *interface)
{
	struct remote_list *list = ctx;
	struct inventory_entry *entry = &list->inventory->entry[list->inventory->count];

	assert(list->inventory->count < INVENTORY_MAX); /* OP_DEVLIST_MAX, checked by the reader */
	list->inventory->count++;
	entry_reset(entry);
	str_format(entry->device.busid, sizeof(entry->device.busid), "%s", device->busid);
	entry->device.vendor = device->vendor;
	entry->device.product = device->product;
	entry_describe(entry, device, interface);
	name_of_place(entry->name, sizeof(entry->name), device->vendor, device->product,
		      list->server->host, device->busid);
	entry_set_state(entry, "exported", "", "");
}

int cmd_list_remote(const struct endpoint *server, const struct psk *key,
		    struct inventories *inventories, bool json)
{
	struct remote_list list = { server, &inventories->local };
	int status = client_list(server, key, remote_list_add, &list);

	if (status)
		return status;
	if (json)
		inventory_set_labels(list.inventory);
	else if (!list.inventory->count)
		log_info("%s exports no device", server->name);
	list_print(list.inventory, server, false, json);
	return 0;
}

/* Plans a slot of usbip-host for the device, unless it has one. False: all slots are taken. */
static bool dry_run_plan_slot(const struct list *list, const struct inventory_entry *entry,
			      unsigned *planned)
{
	bool has_slot;
	int used = stub_slots(&list->sysfs, entry->device.busid, &has_slot);

	if (used < 0 || has_slot)
		return true;
	if ((unsigned)used + *planned >= STUB_SLOTS)
		return false;
	++*planned;
	return true;
}

static void dry_run_print(struct table *table, const char *name, const char *verdict,
			  const char *reason)
{
	table_put_printable(table, name);
	table_format(table, ": %s", verdict);
	table_put_printable(table, reason);
	table_put(table, "\n");
}

static void dry_run_print_device(struct table *table, const struct list *list,
				 struct inventory_entry *entry, unsigned *planned)
{
	bool allowed = list_judge(list, entry) == RULE_ALLOW;
	const char *verdict;

	if (entry_is_exported(entry)) {
		verdict = allowed ? "is exported already" : "is exported already, though ";
	} else if (!allowed) {
		verdict = "would be left alone: ";
	} else if (dry_run_plan_slot(list, entry, planned)) {
		verdict = "would be exported";
	} else {
		verdict = "would be left alone: ";
		str_format(entry->reason.text, sizeof(entry->reason.text),
			   "usbip-host knows at most %u bus ids", STUB_SLOTS);
	}
	dry_run_print(table, entry->device.name, verdict, entry->reason.text);
}

/* Whether the name in the list of holds is that of a device which is plugged in. */
static bool hold_is_present(const struct list *list, const char *name)
{
	INVENTORY_EACH(list->inventory, e)
		if (holds_find(&list->policy.held, e->device.vendor, e->device.product,
			       e->strings.serial, NULL, e->device.busid) == name)
			return true;
	return false;
}

int cmd_dry_run(const struct daemon_options *options, struct inventories *inventories,
		bool take_all)
{
	static struct list list;
	const struct holds *holds = &list.policy.held;
	struct table table = { 0 };
	unsigned planned = 0;
	int status;

	list.inventory = &inventories->local;
	status = list_open(&list, options, take_all);
	if (status)
		return status;
	INVENTORY_EACH(list.inventory, e)
		dry_run_print_device(&table, &list, e, &planned);
	for (const char *name = holds_next(holds, NULL); name; name = holds_next(holds, name))
		if (!hold_is_present(&list, name))
			dry_run_print(&table, name, "is held, and not here", "");
	table_end(&table);
	return 0;
}
