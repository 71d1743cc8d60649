/* SPDX-License-Identifier: MIT */
/* usbiphp detach, attach, release and bind: holds devices, and removes holds. */
#include "cmd/cmd.h"
#include "lib/log.h"
#include "lib/str.h"
#include "policy/holds.h"
#include "sysfs/stub.h"
#include "sysfs/vhci.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum {
	HOLD_WAIT_MS = 15000, /* for the device to be detached or given back */
	HOLD_POLL_MS = 50,
	NAME_ID_SIZE = 10, /* "VID:PID/" or "VID:PID@", how a name begins */
};

struct hold {
	const struct daemon_options *options;
	bool client;	  /* detach and attach; else release and bind */
	bool force;	  /* detach, though a disk is in use */
	const char *role; /* "client" or "server" */
	struct inventory *inventory;
	const struct sysfs *sysfs;
	struct selection candidates; /* devices that the command may hold */
	struct holds holds;
	int lock; /* of holds_lock() */
};

/* Whether text is a whole name, with VID:PID, as name_of_serial() or name_of_place() writes it. */
static bool name_is_whole(const char *text)
{
	const char *rest = text + NAME_ID_SIZE;

	if (strspn(text, "0123456789abcdef:") != NAME_ID_SIZE - 1 || text[4] != ':')
		return false;
	if (rest[-1] == '@') /* a name is one word of the file */
		return *rest && !strpbrk(rest, " \t\n");
	if (rest[-1] != '/' || !*rest)
		return false;
	while (str_is_plain(*rest) || *rest == '+')
		rest++;
	return !*rest;
}

/* Whether text is the name, or the part of it behind VID:PID. */
static bool name_matches(const char *name, const char *text)
{
	return !strcmp(name, text) || (name_is_whole(name) && !strcmp(name + NAME_ID_SIZE, text));
}

/* Whether text is the device's port, one of its bus ids, or one of its names. False for a hub, and
 * for an imported device at the server, which has not read its port. */
static bool entry_matches(const struct inventory_entry *entry, const char *text)
{
	const struct device *device = &entry->device;
	const struct record *record = &entry->record;
	bool has_port = entry->port != INVENTORY_UNKNOWN;
	char name[DEVICE_NAME_SIZE];
	uint32_t port;

	if (device->class == DEVICE_CLASS_HUB || (device->on_vhci && !has_port))
		return false;
	if (has_port && !str_decimal(text, VHCI_PORTS_MAX - 1, &port))
		return port == entry->port;
	if (!strcmp(text, device->busid) || (*record->host && !strcmp(text, record->busid)))
		return true;
	entry_name_place(entry, name);
	if (name_matches(name, text))
		return true;
	name_of_serial(name, device->vendor, device->product, entry->strings.serial);
	return entry->strings.serial[0] && name_matches(name, text);
}

/* Whether the device is still attached or exported. */
static bool hold_is_active(const struct hold *hold, const struct inventory_entry *entry)
{
	static struct vhci vhci;
	struct holder_page page;
	struct device device;

	if (entry->held)
		return holder_read(hold->options->run, entry->device.busid, &page);
	if (hold->client)
		return !vhci_read(hold->sysfs, &vhci) && vhci.port[entry->port].state > VHCI_FREE;
	return !device_read(hold->sysfs, entry->device.busid, &device) &&
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

/* Without a server, gives the device back to its own driver as a server does, with signals blocked:
 * see sysfs/stub.h. */
static int hold_end_export(const struct hold *hold, const struct inventory_entry *entry)
{
	bool server_runs = rundir_has_daemon(hold->options->run, hold->role);
	int error = server_runs ? hold_wait(hold, entry) : 0;
	const char *busid = entry->device.busid;
	struct stub_result result;
	sigset_t all;

	if (error)
		log_error_errno(error, "the server has not released %s, see its log", busid);
	if (server_runs || !hold_is_active(hold, entry))
		return error;
	if (entry->held) {
		error = holder_release(hold->options->run, busid);
		if (error)
			log_error_errno(error, "cannot release %s", busid);
		return error;
	}
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	result = stub_end(hold->sysfs, busid, -1);
	if (!result.error)
		result = stub_release(hold->sysfs, busid);
	if (result.error)
		log_error_errno(result.error, "cannot release %s: %s", busid,
				stub_step_text(result.step));
	return result.error;
}

static int hold_end_import(const struct hold *hold, const struct inventory_entry *entry)
{
	const char *run = hold->options->run;
	unsigned port = (unsigned)entry->port;
	int error = vhci_detach(hold->sysfs, port);
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

/* text matches not just one device. kind is "" or "held ". Returns the exit status. */
static int hold_no_match(const char *text, unsigned matches, const char *kind)
{
	log_error("%s %sdevice is called '%s': see 'usbiphp status' and 'usbiphp list'",
		  matches ? "more than one" : "no", kind, text);
	return 1;
}

/* Lets the next command go on. Returns the exit status. */
static int hold_save(struct hold *hold)
{
	int error = holds_write(&hold->holds, hold->options->config, hold->role);

	if (error)
		log_error_errno(error, "cannot write %s/held.%s", hold->options->config,
				hold->role);
	close(hold->lock);
	hold->lock = -1;
	return error != 0;
}

static int hold_add(struct hold *hold, const char *text)
{
	struct inventory_entry *entry = NULL;
	const char *name = text;
	unsigned matches = 0;

	SELECTION_EACH(&hold->candidates, e)
		if ((*e)->id[0] && entry_matches(*e, text)) { /* without an ID it has no name */
			entry = *e;
			matches++;
		}
	if (matches > 1 || (!entry && (!hold->client || !name_is_whole(text))))
		return hold_no_match(text, matches, "");
	if (entry) {
		if (!entry->name[0])
			entry_name_place(entry, entry->name);
		name = entry->name;
	}
	if (entry && hold->client && entry_check_disk(entry, hold->sysfs, hold->force))
		return 1;
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

/* The held name of a device that is plugged in and matches text; else text. */
static const char *hold_find_present(const struct hold *hold, const char *text)
{
	SELECTION_EACH(&hold->candidates, e) {
		const char *name = entry_find_hold(*e, &hold->holds);

		if (name && entry_matches(*e, text))
			return name;
	}
	return text;
}

/* ctx: text */
static bool hold_wants(const void *ctx, const struct inventory_entry *entry)
{
	return entry_matches(entry, ctx);
}

static int hold_remove(struct hold *hold, const char *text)
{
	bool runs = rundir_has_daemon(hold->options->run, hold->role);
	char match[DEVICE_NAME_SIZE];
	unsigned matches = 0;

	text = hold_find_present(hold, text);
	for (const char *name = NULL; (name = holds_next(&hold->holds, name));)
		if (name_matches(name, text)) {
			str_copy(match, sizeof(match), name);
			matches++;
		}
	if (matches != 1)
		return hold_no_match(text, matches, "held ");
	holds_remove(&hold->holds, match);
	if (hold_save(hold))
		return 1;
	log_info("%s is not held any more%s", match, runs ? "" : ", but no daemon runs here");
	if (!hold->options->wait_until)
		return 0;
	return runs ? cmd_wait(&(struct wait){ hold->options, hold->inventory, hold_wants, match },
			       &hold->candidates) :
		      1;
}

int cmd_hold(const struct daemon_options *options, struct inventory *inventory, bool client,
	     bool remove, bool force, const char *device)
{
	static struct hold hold;
	int error, status;

	hold.options = options;
	hold.client = client;
	hold.force = force;
	hold.role = client ? "client" : "server";
	hold.inventory = inventory;
	hold.sysfs = &inventory->sysfs;
	if (inventory_open(inventory, options->sysfs))
		return 1;
	hold.lock = holds_lock(options->config);
	error = holds_read(&hold.holds, options->config, hold.role);
	if (error) {
		log_error_errno(error, "cannot read %s/held.%s", options->config, hold.role);
		return 1;
	}
	if (!client) {
		inventory_read_holders(inventory, options->run);
		inventory_select(inventory, &hold.candidates, false);
	} else if (!remove) {
		inventory_select_imported(inventory, &hold.candidates, options->run);
	}
	status = remove ? hold_remove(&hold, device) : hold_add(&hold, device);
	close(hold.lock);
	return status;
}
