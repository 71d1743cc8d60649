/* SPDX-License-Identifier: MIT */
/* The switch that stays off: usbiphp detach, attach, release, bind. */
#include "cmd/hold.h"

#include "cmd/inventory.h"
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
	WAIT_MS = 15000, /* for what a person asked for to be so */
	POLL_MS = 50,
	ID_SIZE = 10, /* "VID:PID/" or "VID:PID@", what a name begins with */
};

static struct hold {
	const struct daemon_options *options;
	const char *role;
	struct sysfs sysfs;
	struct items *items; /* these are meant */
	struct holds held;
	struct vhci vhci;
	struct items devices, imported;
} hold;

static const char *host_of(const struct item *item)
{
	return item->record.host[0] ? item->record.host : NULL;
}

/* At its server, where that is known. */
static const char *busid_of(const struct item *item)
{
	return host_of(item) ? item->record.busid : item->device.busid;
}

static void name_by_place(const struct item *item, char *name)
{
	name_of_place(name, DEVICE_NAME_SIZE, item->device.vendor, item->device.product,
		      host_of(item), busid_of(item));
}

static bool is_name(const char *what)
{
	return strlen(what) > ID_SIZE && what[4] == ':' && (what[9] == '/' || what[9] == '@');
}

/* The whole name, or what stands behind VID:PID. */
static bool is_so_named(const char *name, const char *what)
{
	return !strcmp(name, what) || (is_name(name) && !strcmp(name + ID_SIZE, what));
}

/* Whether people may call it so: by port, busid here or there, or one of its names. */
static bool is_called(const struct item *item, const char *what)
{
	const struct device *device = &item->device;
	char name[DEVICE_NAME_SIZE];
	uint32_t port;

	if (item->port != UNKNOWN && !str_decimal(what, VHCI_PORTS_MAX - 1, &port))
		return port == item->port;
	if (!strcmp(what, device->busid) || !strcmp(what, busid_of(item)))
		return true;
	name_by_place(item, name);
	if (is_so_named(name, what))
		return true;
	name_of_serial(name, sizeof(name), device->vendor, device->product, item->strings.serial);
	return item->strings.serial[0] && is_so_named(name, what);
}

/* The next one after item (NULL: the first) that is meant, and called so; NULL: none. */
static struct item *next(const struct item *item, const char *what)
{
	EACH_ITEM(hold.items, i)
		if ((!item || i > item) && i->device.class != DEVICE_CLASS_HUB &&
		    i->device.on_vhci == (hold.items == &hold.imported) && is_called(i, what))
			return i;
	return NULL;
}

static int save(void)
{
	int error = holds_write(&hold.held, hold.options->config, hold.role);

	if (error)
		log_warning_errno(error, "cannot write %s/held.%s", hold.options->config, hold.role);
	return error;
}

static bool is_on(const struct item *item)
{
	struct device device;

	if (item->device.on_vhci)
		return !vhci_read(&hold.sysfs, &hold.vhci) &&
		       hold.vhci.port[item->port].state > VHCI_FREE;
	return !device_read(&hold.sysfs, item->device.busid, &device) &&
	       !strcmp(device.driver, STUB_DRIVER);
}

/* Until the kernel or the server has done it, which may find out that it cannot. */
static int await(const struct item *item)
{
	for (int waited = 0; is_on(item); waited += POLL_MS) {
		if (waited >= WAIT_MS)
			return -ETIMEDOUT;
		poll(NULL, 0, POLL_MS);
	}
	return 0;
}

/* Without a server: as it would do it. No signal may come between, see stub.h. */
static int give_back(const char *busid)
{
	struct stub_result result;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	result = stub_end(&hold.sysfs, busid, -1);
	if (!result.error)
		result = stub_release(&hold.sysfs, busid);
	if (result.error)
		log_warning_errno(result.error, "cannot release %s: %s", busid, stub_step_text(result.step));
	return result.error;
}

static int end_export(const struct item *item)
{
	const char *busid = item->device.busid;
	int error;

	if (!rundir_has_daemon(hold.options->run, hold.role))
		return is_on(item) ? give_back(busid) : 0;
	error = await(item);
	if (error)
		log_warning_errno(error, "the server does not release %s, see its log", busid);
	return error;
}

static int end_import(const struct item *item)
{
	const char *run = hold.options->run;
	unsigned port = (unsigned)item->port;
	int error = vhci_detach(&hold.sysfs, port);
	char stock[PATH_MAX];

	if (!error || error == -EINVAL) /* it is free already */
		error = await(item);
	if (error) {
		log_warning_errno(error, "cannot detach port %u", port);
	} else if (!rundir_has_daemon(run, hold.role)) {
		stock_records(stock, run);
		record_remove(run, port);
		record_remove(stock, port);
	}
	return error;
}

/* Says that not just one is called so. */
static int refuse(const char *what, bool several, const char *held)
{
	log_warning("%s %sdevice is called '%s': see 'usbiphp status' and 'usbiphp list'",
		  several ? "more than one" : "no", held, what);
	return 1;
}

static int switch_off(const char *what)
{
	struct item *item = next(NULL, what);
	bool client = hold.items == &hold.imported;

	if (item ? next(item, what) != NULL : !client || !is_name(what))
		return refuse(what, item != NULL, "");
	if (item && !item->name[0])
		name_by_place(item, item->name);
	if (item)
		what = item->name;
	if (holds_add(&hold.held, what)) {
		log_warning("too many devices are held: at most %u", HOLDS_MAX);
		return 1;
	}
	if (save() || (item && (client ? end_import(item) : end_export(item))))
		return 1;
	log_info("%s is held, until 'usbiphp %s %s'", what, client ? "attach" : "bind", what);
	return 0;
}

/* The held name of a device that is here and called so. */
static const char *held_here(const char *what)
{
	const char *name = NULL;
	const struct item *i;

	for (i = next(NULL, what); i && !name; i = next(i, what))
		name = holds_find(&hold.held, i->device.vendor, i->device.product, i->strings.serial,
				 NULL, i->device.busid);
	return name;
}

static int switch_on(const char *what)
{
	const char *here = held_here(what);
	char name[DEVICE_NAME_SIZE];
	unsigned matches = 0;

	if (here)
		what = here;
	for (const char *i = holds_next(&hold.held, NULL); i; i = holds_next(&hold.held, i))
		if (is_so_named(i, what)) {
			str_format(name, sizeof(name), "%s", i);
			matches++;
		}
	if (matches != 1)
		return refuse(what, matches != 0, "held ");
	holds_remove(&hold.held, name);
	if (save())
		return 1;
	log_info("%s is not held any more", name);
	if (!rundir_has_daemon(hold.options->run, hold.role))
		log_info("no usbiphp-%s runs here", hold.role);
	return 0;
}

int show_hold(const struct daemon_options *options, bool client, bool off, const char *what)
{
	int error;

	hold.options = options;
	hold.role = client ? "client" : "server";
	hold.items = client ? &hold.imported : &hold.devices;
	if (devices_open(&hold.devices, &hold.sysfs, options->sysfs))
		return 1;
	error = holds_read(&hold.held, options->config, hold.role);
	if (error) {
		log_warning_errno(error, "cannot read %s/held.%s", options->config, hold.role);
		return 1;
	}
	if (!off)
		return switch_on(what);
	imported_look(&hold.imported, &hold.devices, &hold.sysfs, options->run);
	return switch_off(what);
}
