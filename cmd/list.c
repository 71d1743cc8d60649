/* SPDX-License-Identifier: MIT */
/* The devices of this machine, those of a server, and what a server would do. */
#include "client/client.h"
#include "cmd/cmd.h"
#include "cmd/inventory.h"
#include "cmd/table.h"
#include "host/choose.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"
#include "sysfs/stub.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

static struct view {
	const struct endpoint *server;
	struct sysfs sysfs;
	bool running;
	struct host_wishes wishes;
	struct items items;
	struct page page;
} view;

static int look(const struct daemon_options *options, bool take_all)
{
	int error;

	view.wishes.take_all = take_all;
	if (!rules_read(&view.wishes.rules, &options->rules))
		return 2;
	error = holds_read(&view.wishes.held, options->config, "server");
	if (error)
		log_warning_errno(error, "cannot read %s/held.%s", options->config, "server");
	return devices_open(&view.items, &view.sysfs, options->sysfs) != 0;
}

/* "1-1 REASON": what the running server left alone. */
static bool see_left(void *ctx, char *line)
{
	const char *busid = str_word(&line);
	struct item *item = busid ? devices_find(ctx, busid) : NULL;

	if (item)
		str_format(item->why.text, sizeof(item->why.text), "%s", line);
	return false;
}

static bool is_left(struct item *item)
{
	enum rule_verdict wanted = host_choose(&view.sysfs, &item->device, &view.wishes,
					       item->heard ? &item->strings : NULL, &item->why);

	if (wanted == RULE_UNKNOWN)
		str_format(item->why.text, sizeof(item->why.text),
			    "it does not tell its names, which matter to a rule");
	else if (wanted == RULE_ALLOW)
		item->why.text[0] = '\0';
	return wanted != RULE_ALLOW;
}

static void see_other(struct item *item)
{
	if (item->why.text[0] || is_left(item))
		item_state(item, "left alone", ": ", item->why.text);
	else if (!view.running)
		item_state(item, "not exported", ": ", "no server runs");
	else if (!item->device.driver[0])
		item_state(item, "no driver", "", "");
	else {
		item_state(item, "own driver", "", "");
		str_format(item->state, sizeof(item->state), "own driver (%s)",
			    item->device.driver);
	}
}

static void render(bool measuring)
{
	struct page *page = &view.page;

	page_begin(page, measuring);
	if (page->json) {
		page_put(page, "{\"version\":1,\"host\":");
		page_string(page, view.server ? view.server->name : NULL);
		page_format(page, ",\"server_running\":%s,\"devices\":",
			    view.server ? "null" : view.running ? "true" : "false");
	}
	page_items(page, view.server ? PAGE_REMOTE : PAGE_LIST, &view.items, NULL);
	if (page->json)
		page_put(page, "}\n");
	page_end(page);
}

static int show(bool json)
{
	view.page.json = json;
	render(true);
	render(false);
	return 0;
}

int show_list(const struct daemon_options *options, bool try, bool take_all, bool json)
{
	char path[PATH_MAX];
	int status = look(options, take_all);

	if (status)
		return status;
	view.running = rundir_has_daemon(options->run, "server");
	str_format(path, sizeof(path), "%s/left", options->run);
	if (view.running && !try)
		file_each_line(AT_FDCWD, path, see_left, &view.items);
	EACH_ITEM(&view.items, i)
		if (item_exported(i))
			item_see_export(i, &view.sysfs, options->run, "exported");
		else
			see_other(i);
	return show(json);
}

static void see_remote(void *ctx, const struct op_device *device,
		       const struct op_interface *interface)
{
	struct items *items = ctx;
	struct item *item = &items->item[items->count++]; /* a list is never as long */

	item_reset(item);
	str_format(item->device.busid, sizeof(item->device.busid), "%s", device->busid);
	item->device.vendor = device->vendor;
	item->device.product = device->product;
	item_describe(item, device, interface);
	name_of_place(item->name, sizeof(item->name), device->vendor, device->product,
		      view.server->host, device->busid);
	item_state(item, "exported", "", "");
}

int show_remote(const struct endpoint *server, const struct psk *key, bool json)
{
	int status;

	view.server = server;
	status = client_list(server, key, see_remote, &view.items);
	if (status)
		return status;
	if (json)
		items_label(&view.items);
	else if (!view.items.count)
		log_info("%s has no device to attach", server->name);
	return show(json);
}

/* Whether usbip-host can hold one bus id more beside those that are planned. */
static bool fits(const struct item *item, unsigned *planned)
{
	bool held;
	int used = stub_slots(&view.sysfs, item->device.busid, &held);

	return used < 0 || held || (unsigned)used + (*planned)++ < STUB_SLOTS;
}

static void say(const char *name, const char *verdict, const char *reason)
{
	page_text(&view.page, name);
	page_format(&view.page, ": %s", verdict);
	page_text(&view.page, reason);
	page_put(&view.page, "\n");
}

static void plan(struct item *item, unsigned *planned)
{
	bool left = is_left(item);
	const char *verdict = "would be exported";

	if (item_exported(item))
		verdict = left ? "is exported already, though " : "is exported already";
	else if (left)
		verdict = "would be left alone: ";
	else if (!fits(item, planned))
		verdict = "would be left alone: usbip-host knows at most 16 bus ids";
	say(item->device.name, verdict, item->why.text);
}

/* Whether a name that is held is one of these devices'. */
static bool is_here(const char *name)
{
	EACH_ITEM(&view.items, i)
		if (holds_find(&view.wishes.held, i->device.vendor, i->device.product,
			      i->strings.serial, NULL, i->device.busid) == name)
			return true;
	return false;
}

int show_dry_run(const struct daemon_options *options, bool take_all)
{
	const struct holds *held = &view.wishes.held;
	unsigned planned = 0;
	int status = look(options, take_all);

	if (status)
		return status;
	EACH_ITEM(&view.items, i)
		plan(i, &planned);
	for (const char *i = holds_next(held, NULL); i; i = holds_next(held, i))
		if (!is_here(i))
			say(i, "is held, and not here", "");
	page_end(&view.page);
	return 0;
}
