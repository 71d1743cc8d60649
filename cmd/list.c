/* SPDX-License-Identifier: MIT */
/* usbiphp list and usbiphp-server --dry-run: local devices, and those of a server. */
#include "client/client.h"
#include "cmd/cmd.h"
#include "cmd/table.h"
#include "host/engine.h"
#include "host/facts.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

/* The local devices, and the server's policy on them. */
struct list {
	struct sysfs sysfs;
	struct policy policy;
	struct inventory *inventory;
	bool server_runs;
};

static int list_open(struct list *list, const struct daemon_options *options, bool take_all)
{
	int error;

	list->policy.take_all = take_all;
	if (!rules_read(&list->policy.rules, &options->rules))
		return 2;
	error = holds_read(&list->policy.holds, options->config, "server");
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

/*
 * The decision of a server that has seen the device for a while. planned: NULL, or how many devices
 * before it take room of usbip-host; then its room is looked at, and counted.
 */
static struct policy_decision list_decide(const struct list *list,
					  const struct inventory_entry *entry, unsigned *planned)
{
	const struct device_strings *strings = entry->has_strings ? &entry->strings : NULL;
	const struct engine *engine = &engine_kernel;
	const struct device *device = &entry->device;
	struct policy_decision decision;
	struct device_record record;
	struct rule_facts identity;
	struct device_facts facts;

	facts_identify(&list->sysfs, device, strings, &identity, &record);
	facts_begin(engine, device, &identity, &facts);
	facts.ours = true;
	facts.driverless_ms = POLICY_DRIVERLESS_MS;
	if (!planned)
		facts.room.answer = POLICY_YES;
	for (;;) {
		decision = policy_decide(&list->policy, &facts);
		if (decision.verdict == POLICY_ASK_NEED)
			facts_ask_need(&list->sysfs, device, &facts.need);
		else if (decision.verdict == POLICY_ASK_ROOM)
			*planned += facts_ask_room(engine, &list->sysfs, device, *planned,
						   &facts.room);
		else
			break;
	}
	if (decision.allowed == RULE_UNKNOWN)
		str_format(decision.reason.text, sizeof(decision.reason.text),
			   "cannot read its serial number or product name, which a rule needs");
	return decision;
}

/* Of a device that is not exported. */
static void list_set_state(const struct list *list, struct inventory_entry *entry)
{
	if (!entry->reason.text[0])
		entry->reason = list_decide(list, entry, NULL).reason;
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

static void dry_run_print(struct table *table, const char *name, const char *verdict,
			  const char *reason)
{
	table_put_printable(table, name);
	table_format(table, ": %s", verdict);
	table_put_printable(table, reason);
	table_put(table, "\n");
}

static void dry_run_print_device(struct table *table, const struct list *list,
				 const struct inventory_entry *entry, unsigned *planned)
{
	struct policy_decision decision = list_decide(list, entry, planned);
	bool left_alone = decision.reason.text[0];
	const char *verdict = "would be exported";

	if (entry_is_exported(entry))
		verdict = left_alone ? "is exported already, though " : "is exported already";
	else if (left_alone)
		verdict = "would be left alone: ";
	dry_run_print(table, entry->device.name, verdict, decision.reason.text);
}

/* Whether the name in the list of holds is that of a device which is plugged in. */
static bool hold_is_present(const struct list *list, const char *name)
{
	INVENTORY_EACH(list->inventory, e)
		if (holds_find(&list->policy.holds, e->device.vendor, e->device.product,
			       e->strings.serial, NULL, e->device.busid) == name)
			return true;
	return false;
}

int cmd_dry_run(const struct daemon_options *options, struct inventories *inventories,
		bool take_all)
{
	static struct list list;
	const struct holds *holds = &list.policy.holds;
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
