/* SPDX-License-Identifier: MIT */
/* usbiphp detach, attach, release and bind: holds devices, and removes holds. */
#include "cmd/cmd.h"
#include "lib/log.h"
#include "lib/str.h"
#include "loop/rundir.h"
#include "policy/holds.h"
#include "sysfs/stub.h"
#include "sysfs/vhci.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

enum {
	HOLD_WAIT_MS = 15000, /* for the device to be detached or given back */
	HOLD_POLL_MS = 50,
	NAME_ID_SIZE = 10, /* "VID:PID/" or "VID:PID@", how a name begins */
};

struct hold {
	const struct daemon_options *options;
	bool client;	  /* detach and attach; else release and bind */
	const char *role; /* "client" or "server" */
	struct sysfs sysfs;
	struct inventory *local, *imported;
	struct inventory *candidates; /* one of the two: devices that the command may hold */
	struct holds holds;
};

/* NULL: the server it comes from is not known. */
static const char *entry_server(const struct inventory_entry *entry)
{
	return entry->record.host[0] ? entry->record.host : NULL;
}

/* The bus id at its server if that is known, else here. */
static const char *entry_remote_busid(const struct inventory_entry *entry)
{
	return entry_server(entry) ? entry->record.busid : entry->device.busid;
}

static void entry_format_place(const struct inventory_entry *entry, char *name)
{
	name_of_place(name, DEVICE_NAME_SIZE, entry->device.vendor, entry->device.product,
		      entry_server(entry), entry_remote_busid(entry));
}

/* Whether text is a whole name, with VID:PID. */
static bool name_is_whole(const char *text)
{
	return strlen(text) > NAME_ID_SIZE && text[4] == ':' && (text[9] == '/' || text[9] == '@');
}

/* Whether text is the name, or the part of it behind VID:PID. */
static bool name_matches(const char *name, const char *text)
{
	return !strcmp(name, text) || (name_is_whole(name) && !strcmp(name + NAME_ID_SIZE, text));
}

/* Whether text is the device's port, one of its bus ids, or one of its names. */
static bool entry_matches(const struct inventory_entry *entry, const char *text)
{
	const struct device *device = &entry->device;
	char name[DEVICE_NAME_SIZE];
	uint32_t port;

	if (entry->port != INVENTORY_UNKNOWN && !str_decimal(text, VHCI_PORTS_MAX - 1, &port))
		return port == entry->port;
	if (!strcmp(text, device->busid) || !strcmp(text, entry_remote_busid(entry)))
		return true;
	entry_format_place(entry, name);
	if (name_matches(name, text))
		return true;
	name_of_serial(name, sizeof(name), device->vendor, device->product, entry->strings.serial);
	return entry->strings.serial[0] && name_matches(name, text);
}

/* The next candidate that matches, behind entry (NULL: the first). NULL: there is none. */
static struct inventory_entry *hold_next_match(const struct hold *hold,
					       const struct inventory_entry *entry,
					       const char *text)
{
	INVENTORY_EACH(hold->candidates, e)
		if ((!entry || e > entry) && e->device.class != DEVICE_CLASS_HUB &&
		    e->device.on_vhci == hold->client && entry_matches(e, text))
			return e;
	return NULL;
}

static int hold_save(const struct hold *hold)
{
	int error = holds_write(&hold->holds, hold->options->config, hold->role);

	if (error)
		log_error_errno(error, "cannot write %s/held.%s", hold->options->config,
				hold->role);
	return error;
}

/* Whether the device is still attached or exported. */
static bool hold_is_active(const struct hold *hold, const struct inventory_entry *entry)
{
	static struct vhci vhci;
	struct device device;

	if (hold->client)
		return !vhci_read(&hold->sysfs, &vhci) && vhci.port[entry->port].state > VHCI_FREE;
	return !device_read(&hold->sysfs, entry->device.busid, &device) &&
	       !strcmp(device.driver, STUB_DRIVER);
}

/* Waits until the kernel or the daemon has let the device go. 0 or -ETIMEDOUT. */
static int hold_wait(const struct hold *hold, const struct inventory_entry *entry)
{
	for (int waited = 0; hold_is_active(hold, entry); waited += HOLD_POLL_MS) {
		if (waited >= HOLD_WAIT_MS)
			return -ETIMEDOUT;
		poll(NULL, 0, HOLD_POLL_MS);
	}
	return 0;
}

/* Gives the device back to its own driver, as a server does. Signals must be blocked for that, see
 * sysfs/stub.h. */
static int hold_give_back(const struct hold *hold, const char *busid)
{
	struct stub_result result;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	result = stub_end(&hold->sysfs, busid, -1);
	if (!result.error)
		result = stub_release(&hold->sysfs, busid);
	if (result.error)
		log_error_errno(result.error, "cannot release %s: %s", busid,
				stub_step_text(result.step));
	return result.error;
}

static int hold_end_export(const struct hold *hold, const struct inventory_entry *entry)
{
	const char *busid = entry->device.busid;
	int error;

	if (!rundir_has_daemon(hold->options->run, hold->role))
		return hold_is_active(hold, entry) ? hold_give_back(hold, busid) : 0;
	error = hold_wait(hold, entry);
	if (error)
		log_error_errno(error, "the server has not released %s, see its log", busid);
	return error;
}

static int hold_end_import(const struct hold *hold, const struct inventory_entry *entry)
{
	const char *run = hold->options->run;
	unsigned port = (unsigned)entry->port;
	int error = vhci_detach(&hold->sysfs, port);
	char stock[PATH_MAX];

	if (!error || error == -EINVAL) /* the port is free already */
		error = hold_wait(hold, entry);
	if (error) {
		log_error_errno(error, "cannot detach port %u", port);
	} else if (!rundir_has_daemon(run, hold->role)) {
		record_stock_dir(stock, sizeof(stock), run);
		record_remove(run, port);
		record_remove(stock, port);
	}
	return error;
}

/* text matches several devices, or none. kind is "" or "held ". Returns the exit status. */
static int hold_no_match(const char *text, bool several, const char *kind)
{
	log_error("%s %sdevice is called '%s': see 'usbiphp status' and 'usbiphp list'",
		  several ? "more than one" : "no", kind, text);
	return 1;
}

static int hold_add(struct hold *hold, const char *text)
{
	struct inventory_entry *entry = hold_next_match(hold, NULL, text);
	const char *name = text;

	if (entry ? hold_next_match(hold, entry, text) != NULL :
		    !hold->client || !name_is_whole(text))
		return hold_no_match(text, entry != NULL, "");
	if (entry) {
		if (!entry->name[0])
			entry_format_place(entry, entry->name);
		name = entry->name;
	}
	if (holds_add(&hold->holds, name)) {
		log_error("cannot hold %s: %u devices are held already", name, HOLDS_MAX);
		return 1;
	}
	if (hold_save(hold))
		return 1;
	if (entry && (hold->client ? hold_end_import(hold, entry) : hold_end_export(hold, entry)))
		return 1;
	log_info("%s is held, until 'usbiphp %s %s'", name, hold->client ? "attach" : "bind", name);
	return 0;
}

/* The held name of a device that is plugged in and matches text; NULL: there is none. */
static const char *hold_find_present(const struct hold *hold, const char *text)
{
	const struct inventory_entry *e = hold_next_match(hold, NULL, text);
	const char *name = NULL;

	for (; e && !name; e = hold_next_match(hold, e, text))
		name = holds_find(&hold->holds, e->device.vendor, e->device.product,
				  e->strings.serial, NULL, e->device.busid);
	return name;
}

static int hold_remove(struct hold *hold, const char *text)
{
	const char *present = hold_find_present(hold, text);
	char match[DEVICE_NAME_SIZE];
	unsigned matches = 0;

	if (present)
		text = present;
	for (const char *name = holds_next(&hold->holds, NULL); name;
	     name = holds_next(&hold->holds, name))
		if (name_matches(name, text)) {
			str_format(match, sizeof(match), "%s", name);
			matches++;
		}
	if (matches != 1)
		return hold_no_match(text, matches != 0, "held ");
	holds_remove(&hold->holds, match);
	if (hold_save(hold))
		return 1;
	log_info("%s is not held any more", match);
	if (!rundir_has_daemon(hold->options->run, hold->role))
		log_info("no usbiphp-%s runs here", hold->role);
	return 0;
}

int cmd_hold(const struct daemon_options *options, struct inventories *inventories,
	     enum hold_command command, const char *device)
{
	static struct hold hold;
	int error;

	hold.options = options;
	hold.client = command == HOLD_DETACH || command == HOLD_ATTACH;
	hold.role = hold.client ? "client" : "server";
	hold.local = &inventories->local;
	hold.imported = &inventories->imported;
	hold.candidates = hold.client ? hold.imported : hold.local;
	if (inventory_open(hold.local, &hold.sysfs, options->sysfs))
		return 1;
	error = holds_read(&hold.holds, options->config, hold.role);
	if (error) {
		log_error_errno(error, "cannot read %s/held.%s", options->config, hold.role);
		return 1;
	}
	if (command == HOLD_ATTACH || command == HOLD_BIND)
		return hold_remove(&hold, device);
	imported_read(hold.imported, hold.local, &hold.sysfs, options->run);
	return hold_add(&hold, device);
}
