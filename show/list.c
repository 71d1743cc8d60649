/* SPDX-License-Identifier: MIT */
/* The devices of this machine, those of a server, and what a server would do. */
#include "client/client.h"
#include "host/choose.h"
#include "loop/log.h"
#include "loop/state.h"
#include "proto/text.h"
#include "show/devices.h"
#include "show/page.h"
#include "show/show.h"
#include "sysfs/stub.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

static const struct column columns[] = {
	COLUMN("busid", "BUSID", device.busid, TEXT),
	COLUMN("id", "ID", id, TEXT),
	COLUMN("speed", "MBIT/S", speed, DIGITS),
	COLUMN("description", "PRODUCT", label, TEXT),
	COLUMN("class", NULL, class, TEXT),
	COLUMN("name", NULL, name, TEXT),
	COLUMN("serial", NULL, strings.serial, TEXT),
	COLUMN("manufacturer", NULL, strings.maker, TEXT),
	COLUMN("product", NULL, strings.product, TEXT),
	COLUMN("driver", NULL, device.driver, TEXT),
	COLUMN("state", NULL, status, WORD),
	COLUMN("reason", NULL, why.reason, TEXT),
	COLUMN("peer", NULL, session.peer, TEXT),
	COLUMN(NULL, "STATE", state, TEXT),
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

static struct view {
	const struct daemon_options *options;
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

	view.options = options;
	view.wishes.take_all = take_all;
	if (!rules_read(&view.wishes.rules, &options->rules))
		return 2;
	error = held_read(&view.wishes.held, options->config, "server");
	if (error)
		log_warn(error, "cannot read %s/held.server", options->config);
	error = sysfs_open(&view.sysfs, options->sysfs);
	if (error)
		log_warn(error, "cannot open %s", options->sysfs);
	else if ((error = devices_look(&view.items, &view.sysfs)))
		log_warn(error, "cannot look at the devices in %s", options->sysfs);
	return error != 0;
}

/* "1-1 REASON": what the running server left alone. */
static bool see_left(void *ctx, char *line)
{
	const char *busid = text_word(&line);
	struct item *item = busid ? devices_find(ctx, busid) : NULL;

	if (item)
		text_format(item->why.reason, sizeof(item->why.reason), "%s", line);
	return false;
}

static enum host_choice choose(struct item *item)
{
	enum host_choice choice = host_choose(&view.sysfs, &item->device, &view.wishes,
					      item->heard ? &item->strings : NULL, &item->why);

	if (choice == HOST_NEEDS_STRINGS)
		text_format(item->why.reason, sizeof(item->why.reason),
			    "it does not answer, and its names matter to a rule");
	return choice;
}

static bool exported(const struct item *item)
{
	return !strcmp(item->device.driver, STUB_DRIVER);
}

static void set_state(struct item *item, const char *status, const char *between,
		      const char *detail, const char *after)
{
	item->status = status;
	text_format(item->state, sizeof(item->state), "%s%s%s%s", status, *detail ? between : "",
		    detail, *detail ? after : "");
}

static void see_exported(struct item *item)
{
	switch (stub_status(&view.sysfs, item->device.busid)) {
	case STUB_USED:
		session_read(view.options->run, item->device.busid, &item->session);
		set_state(item, "in use", " by ", item->session.peer, "");
		break;
	case STUB_ERROR:
		set_state(item, "error", ": ", "usbip-host has given it up", "");
		break;
	default:
		set_state(item, "exported", "", "", "");
	}
}

static void see_other(struct item *item)
{
	if (item->why.reason[0] || choose(item) != HOST_TAKE) {
		set_state(item, "left alone", ": ", item->why.reason, "");
		return;
	}
	item->why.reason[0] = '\0';
	if (view.running) {
		set_state(item, item->device.driver[0] ? "own driver" : "no driver", " (",
			  item->device.driver, ")");
		return;
	}
	text_format(item->why.reason, sizeof(item->why.reason), "no server runs");
	set_state(item, "not exported", ": ", item->why.reason, "");
}

static void render(bool measuring)
{
	struct page *page = &view.page;

	page_begin(page, measuring);
	if (page->json) {
		page_open(page, "{");
		page_key(page, "version");
		page_word(page, "1");
		page_key(page, "server");
		page_string(page, view.server ? view.server->name : NULL);
		page_key(page, "server_running");
		page_word(page, view.server ? "null" : view.running ? "true" : "false");
		page_key(page, "devices");
	}
	page_items(page, columns, COLUMNS, &view.items, NULL);
	if (page->json) {
		page_close(page, "}");
		page_put(page, "\n");
	}
	page_end(page);
}

static void show(bool json)
{
	view.page.json = json;
	render(true);
	render(false);
}

int show_list(const struct daemon_options *options, bool try, bool take_all, bool json)
{
	char path[PATH_MAX];
	int status = look(options, take_all);

	if (status)
		return status;
	view.running = state_running(options->run, "server");
	text_format(path, sizeof(path), "%s/left", options->run);
	if (view.running && !try)
		use_each_line(AT_FDCWD, path, see_left, &view.items);
	for (unsigned i = 0; i < view.items.count; i++) {
		struct item *item = &view.items.item[i];

		if (exported(item))
			see_exported(item);
		else
			see_other(item);
	}
	show(json);
	return 0;
}

static void see_remote(void *ctx, const struct op_device *device,
		       const struct op_interface *interface)
{
	struct items *items = ctx;
	struct item *item = &items->item[items->count];

	if (items->count == ITEMS_MAX)
		return; /* never: a list is not as long */
	items->count++;
	item_reset(item);
	text_format(item->device.busid, sizeof(item->device.busid), "%s", device->busid);
	item->device.vendor = device->vendor;
	item->device.product = device->product;
	item_describe(item, device, interface);
	name_of_place(item->name, sizeof(item->name), device->vendor, device->product,
		      view.server->host, device->busid);
	item->status = "exported";
}

int show_remote(const struct endpoint *server, bool json)
{
	int status;

	view.server = server;
	status = json ? client_list(server, see_remote, &view.items) :
			client_list(server, NULL, NULL);
	if (status || !json)
		return status;
	items_label(&view.items);
	show(true);
	return 0;
}

/* Whether usbip-host can hold one bus id more beside those that are planned. */
static bool fits(const struct item *item, unsigned *planned)
{
	bool held;
	int used = stub_slots(&view.sysfs, item->device.busid, &held);

	if (used < 0 || held)
		return true;
	return (unsigned)used + (*planned)++ < STUB_SLOTS;
}

static void plan(struct item *item, unsigned *planned)
{
	bool leave = choose(item) != HOST_TAKE;
	const char *verdict = "would be exported";

	if (exported(item))
		verdict = leave ? "is exported already, though " : "is exported already";
	else if (leave)
		verdict = "would be left alone: ";
	else if (!fits(item, planned))
		verdict = "would be left alone: usbip-host knows no more than 16 bus ids";
	page_line(&view.page, "%s: %s%s", item->device.name, verdict,
		  leave ? item->why.reason : "");
}

/* Whether a name that is held is one of these devices'. */
static bool is_here(const char *name)
{
	for (const struct item *i = view.items.item; i < view.items.item + view.items.count; i++)
		if (held_find(&view.wishes.held, i->device.vendor, i->device.product,
			      i->strings.serial, NULL, i->device.busid) == name)
			return true;
	return false;
}

int show_dry_run(const struct daemon_options *options, bool take_all)
{
	unsigned planned = 0;
	int status = look(options, take_all);

	if (status)
		return status;
	page_begin(&view.page, false);
	for (unsigned i = 0; i < view.items.count; i++)
		plan(&view.items.item[i], &planned);
	for (const char *i = held_next(&view.wishes.held, NULL); i;
	     i = held_next(&view.wishes.held, i))
		if (!is_here(i))
			page_line(&view.page, "%s: is held, and not here", i);
	page_end(&view.page);
	return 0;
}
