/* SPDX-License-Identifier: MIT */
/* usbiphp list and usbiphp-server --dry-run: local devices, and those of a server. */
#include "client/request.h"
#include "cmd/cmd.h"
#include "cmd/table.h"
#include "host/export.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"
#include "sysfs/protect_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* The server's policy on the local devices. NULL: the rules are malformed; logged. */
static const struct policy *policy_read(const struct daemon_options *options, bool take_all)
{
	static struct policy policy; /* 160 KB */
	int error;

	policy.take_all = take_all;
	if (!rules_read(&policy.rules, &options->rules))
		return NULL;
	error = holds_read(&policy.holds, options->config, "server");
	if (error)
		log_warning_errno(error, "cannot read %s/held.server", options->config);
	return &policy;
}

enum { NEEDS_WAIT_MS = 5000 };

/* Not root: what it cannot see is no reason. Returns whether there is something like that. */
static bool need_forget_unseen(struct protect_item *need)
{
	if (!geteuid() || !need->unknown || need->blocked)
		return false;
	*need = (struct protect_item){ .answer = PROTECT_FREE };
	return true;
}

/* Which of the devices this host needs: those of which no reason is known. */
static void inventory_read_needs(struct inventory *inventory, bool also_exported)
{
	struct inventory_entry *asked[PROTECT_MAX];
	static struct protect_survey survey;
	bool unseen = false;
	unsigned i = 0;

	while (i < inventory->count) {
		for (survey.count = 0; i < inventory->count && survey.count < PROTECT_MAX; i++) {
			struct inventory_entry *entry = &inventory->entry[i];
			struct protect_item *item = &survey.item[survey.count];

			if (entry->reason.text[0] || entry->held ||
			    (!also_exported && entry_is_exported(entry)))
				continue;
			*item = (struct protect_item){ .stage = PROTECT_SETTLED };
			str_copy(item->busid, sizeof(item->busid), entry->device.busid);
			asked[survey.count++] = entry;
		}
		if (survey.count)
			protect_ask_once(&inventory->sysfs, &survey, NEEDS_WAIT_MS);
		while (survey.count-- > 0) {
			unseen |= need_forget_unseen(&survey.item[survey.count]);
			asked[survey.count]->need = survey.item[survey.count];
		}
	}
	if (unseen)
		log_warning("only root sees everything that this host needs");
}

/* A line "BUSID REASON" of the running server's file "left". */
static bool left_read_line(void *ctx, char *line)
{
	const char *busid = str_word(&line);
	struct inventory_entry *entry = busid ? inventory_find(ctx, busid) : NULL;

	if (entry)
		str_copy(entry->reason.text, sizeof(entry->reason.text), line);
	return false;
}

/* What --dry-run would export, device by device. */
struct list_plan {
	struct engines engines;
	unsigned coming; /* see engine_choose() */
	struct engine_choice choice; /* for the latest device that would be exported */
};

/* The decision of a server that has seen the device for a while. plan is NULL: the engines' room is
 * not looked at. */
static struct policy_decision list_decide(const struct policy *policy, const struct sysfs *sysfs,
					  const struct inventory_entry *entry,
					  struct list_plan *plan)
{
	const struct device_strings *strings = entry->has_strings ? &entry->strings : NULL;
	const struct device *device = &entry->device;
	struct policy_decision decision;
	struct device_record record;
	struct device_facts facts;

	facts_begin(device, &facts);
	facts_identify(sysfs, device, strings, &facts.identity, &record);
	if (entry_is_exported(entry))
		facts.use = DEVICE_IDLE;
	facts.ours = true;
	facts.driverless_ms = POLICY_DRIVERLESS_MS;
	facts_set_need(&entry->need, &facts);
	if (!plan)
		facts.room.answer = POLICY_YES;
	decision = policy_decide(policy, &facts);
	if (decision.verdict == POLICY_ASK_ROOM) {
		engine_choose(&plan->engines, sysfs, device->busid, &plan->coming, &plan->choice);
		facts.room.answer = plan->choice.error ? POLICY_NO : POLICY_YES;
		facts.room.reason = plan->choice.why;
		decision = policy_decide(policy, &facts);
	}
	if (decision.allowed == RULE_UNKNOWN)
		str_format(decision.reason.text, sizeof(decision.reason.text),
			   "cannot read its serial number or product name, which a rule needs");
	return decision;
}

/* server is NULL: the local devices. server_runs is in JSON. */
static void list_print(struct inventory *inventory, const struct endpoint *server,
		       const char *server_runs, const struct engine_note *engine, bool json)
{
	static struct table table;
	static struct selection all;

	table.json = json;
	inventory_select(inventory, &all, false);
	if (json) {
		table_put(&table, "{\"version\":1,\"host\":");
		table_put_json_string(&table, server ? server->name : NULL);
		table_format(&table, ",\"server_running\":%s", server_runs);
		table_put_engine(&table, engine);
		table_put(&table, ",\"devices\":");
	}
	table_put_devices(&table, server ? TABLE_REMOTE : TABLE_LIST, &all);
	if (json)
		table_put(&table, "}\n");
	else
		table_put_engine(&table, engine);
	table_flush(&table);
}

int cmd_list(const struct daemon_options *options, struct inventory *inventory, bool ignore_server,
	     bool take_all, bool json)
{
	bool server_runs = rundir_has_daemon(options->run, "server");
	const struct policy *policy = policy_read(options, take_all);
	const struct sysfs *sysfs = &inventory->sysfs;
	struct engine_note engine;
	char path[PATH_MAX];
	int error = -ENODATA;

	if (!policy)
		return 2;
	if (inventory_open(inventory, options->sysfs))
		return 1;
	str_format(path, sizeof(path), "%s/left", options->run);
	if (server_runs && !ignore_server) /* it knows best, and there is no file if it takes all */
		error = file_each_line(AT_FDCWD, path, left_read_line, inventory);
	engine_note_read(&engine, options->run);
	inventory_read_holders(inventory, options->run);
	inventory_read_stuck(inventory, options->run);
	if (server_runs)
		inventory_read_offered(inventory, options->run);
	if (error && error != -ENOENT)
		inventory_read_needs(inventory, false);
	INVENTORY_EACH(inventory, e) {
		const char *driver = e->device.driver;

		if (!entry_is_exported(e) && !e->reason.text[0])
			e->reason = list_decide(policy, sysfs, e, NULL).reason;
		if (entry_is_shared(e))
			entry_read_export(e, sysfs, options->run, "exported");
		else if (e->reason.text[0])
			entry_set_state(e, "left alone", "%s: %s", e->reason.text);
		else if (!server_runs)
			entry_set_state(e, "not exported", "%s: %s", "no server runs");
		else
			entry_set_state(e, *driver ? "own driver" : "no driver", "%s (%s)", driver);
	}
	list_print(inventory, NULL, server_runs ? "true" : "false", &engine, json);
	return 0;
}

static void inventory_add_remote(struct request *request, const struct reply_item *item)
{
	const struct op_device *device = &item->device;
	struct inventory *inventory = request->ctx;
	struct inventory_entry *entry = &inventory->entry[inventory->count];

	inventory->count++; /* at most OP_DEVLIST_MAX, checked by the reader */
	entry_reset(entry);
	entry->found = ENTRY_NEW;
	str_copy(entry->device.busid, sizeof(entry->device.busid), device->busid);
	entry->device.vendor = device->vendor;
	entry->device.product = device->product;
	entry_describe(entry, device, item->interface);
	name_of_place(entry->name, device->vendor, device->product, request->target->endpoint->host,
		      device->busid);
	entry_set_state(entry, "exported", "", "");
}

int cmd_list_remote(const struct daemon_options *options, const struct endpoint *server,
		    struct inventory *inventory, bool json)
{
	static struct query query;
	struct ssh ssh;

	query.target.endpoint = server;
	query.target.key = keys_for(options->keys, server->host);
	query.target.ssh = &ssh;
	query_confine(&ssh, query.target.key, server, 1);
	if (!query_list(&query, inventory_add_remote, inventory)) {
		if (!query.loop.stopping)
			request_log_failure(&query.request, &(struct log_once){ 0 });
		return 1;
	}
	if (json)
		inventory_set_labels(inventory);
	else if (!inventory->count)
		log_info("%s exports no device", server->name);
	list_print(inventory, server, "null", &(struct engine_note){ .name = "" }, json);
	return 0;
}

/* Whether the name in the list of holds is that of a device which is plugged in. */
static bool hold_is_present(const struct holds *holds, struct inventory *inventory,
			    const char *name)
{
	INVENTORY_EACH(inventory, e)
		if (entry_find_hold(e, holds) == name)
			return true;
	return false;
}

int cmd_dry_run(const struct daemon_options *options, struct inventory *inventory,
		const struct host_options *host_options)
{
	struct list_plan plan = {
		.engines.only = host_options->engine,
		.choice.engine = &engine_kernel,
	};
	const struct policy *policy = policy_read(options, host_options->take_all);
	static struct table table;
	char release[80];

	if (!policy)
		return 2;
	if (inventory_open(inventory, options->sysfs))
		return 1;
	sysfs_read(&inventory->sysfs, release, sizeof(release), "../proc/sys/kernel/osrelease");
	if (module_is_installed(&inventory->sysfs, release, engine_kernel.name))
		plan.engines.loads = &engine_kernel;
	inventory_read_holders(inventory, options->run);
	inventory_read_needs(inventory, true);
	INVENTORY_EACH(inventory, e) {
		struct reason reason = list_decide(policy, &inventory->sysfs, e, &plan).reason;
		const char *verdict = "would be left alone", *engine_name = "", *before = ": ";
		const char *why = reason.text;

		if (entry_is_exported(e)) {
			verdict = "is exported already";
			before = ", though ";
		} else if (!*why) {
			verdict = host_options->on_demand ? "would be taken on demand by " :
							    "would be exported by ";
			engine_name = plan.choice.engine->name;
			why = plan.choice.why.text;
		}
		table_put_line(&table, "%s: %s%s%s%s", e->device.name, verdict, engine_name,
			       *why ? before : "", why);
	}
	for (const char *name = NULL; (name = holds_next(&policy->holds, name));)
		if (!hold_is_present(&policy->holds, inventory, name))
			table_put_line(&table, "%s: is held, and not here", name);
	table_flush(&table);
	return 0;
}
