/* SPDX-License-Identifier: MIT */
/* The switch that stays off: usbiphp detach, attach, release, bind. */
#include "show/hold.h"

#include "loop/log.h"
#include "loop/state.h"
#include "proto/text.h"
#include "sysfs/record.h"
#include "sysfs/stub.h"
#include "sysfs/vhci.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

enum {
	FOUND_MAX = 256, /* devices of one machine */
	WAIT_MS = 15000, /* for what a person asked for to be so */
	POLL_MS = 50,
};

/* A device that is attached or could be exported here. */
struct found {
	char busid[BUSID_SIZE]; /* here; empty: its server has not answered yet */
	bool attached;
	unsigned port; /* of vhci */
	uint16_t vendor, product;
	struct record record; /* of what is attached, the host is empty when there is none */
	struct device_strings strings;
};

struct search {
	struct sysfs sysfs;
	const struct daemon_options *options;
	char record_dir[PATH_MAX];
	struct held held;
	unsigned count;
	struct found found[FOUND_MAX];
};

static const char *host_of(const struct found *found)
{
	return found->record.host[0] ? found->record.host : NULL;
}

static const char *busid_of(const struct found *found)
{
	return host_of(found) ? found->record.busid : found->busid;
}

static void add(struct search *search, const struct found *found)
{
	struct found *place = &search->found[search->count];
	struct device device;

	if (search->count == FOUND_MAX)
		return;
	*place = *found;
	if (place->busid[0] && !device_read(&search->sysfs, place->busid, &device)) {
		place->vendor = device.vendor;
		place->product = device.product;
		device_strings_read(&search->sysfs, place->busid, &place->strings);
	}
	search->count++;
}

static void see_device(void *ctx, const struct device *device)
{
	struct found found = { 0 };

	if (device->on_vhci || device->class == DEVICE_CLASS_HUB)
		return;
	text_format(found.busid, sizeof(found.busid), "%s", device->busid);
	add(ctx, &found);
}

static int find_attached(struct search *search)
{
	static struct vhci vhci;
	int error = vhci_read(&search->sysfs, &vhci);

	for (unsigned i = 0; !error && i < vhci.ports; i++) {
		struct found found = { .attached = true, .port = i };

		if (vhci.port[i].state <= VHCI_FREE)
			continue;
		if (!record_read(search->options->run, i, &found.record) &&
		    !record_read(search->record_dir, i, &found.record))
			found.record.host[0] = '\0';
		text_format(found.busid, sizeof(found.busid), "%s", vhci.port[i].busid);
		add(search, &found);
	}
	return error;
}

/* The name that tells it from all others. */
static void name_it(const struct search *search, const struct found *found, char *name)
{
	const char *serial = found->strings.serial;
	unsigned same = 0;

	for (unsigned i = 0; i < search->count; i++) {
		const struct found *other = &search->found[i];

		same += other->vendor == found->vendor && other->product == found->product &&
			!strcmp(other->strings.serial, serial);
	}
	if (*serial && same == 1)
		name_of_serial(name, DEVICE_NAME_SIZE, found->vendor, found->product, serial);
	else
		name_of_place(name, DEVICE_NAME_SIZE, found->vendor, found->product, host_of(found),
			      busid_of(found));
}

/* Whether people may call it so: by port, busid here, place, or one of its names. */
static bool is_called(const struct found *found, const char *what)
{
	char name[DEVICE_NAME_SIZE];
	uint32_t port;

	if (found->attached && !text_decimal(what, VHCI_PORTS_MAX - 1, &port))
		return port == found->port;
	if (!strcmp(what, found->busid) || !strcmp(what, busid_of(found)))
		return true;
	name_of_place(name, sizeof(name), found->vendor, found->product, host_of(found),
		      busid_of(found));
	if (!strcmp(what, name) || !strcmp(what, strchr(name, '@') + 1))
		return true;
	name_of_serial(name, sizeof(name), found->vendor, found->product, found->strings.serial);
	return found->strings.serial[0] &&
	       (!strcmp(what, name) || !strcmp(what, strchr(name, '/') + 1));
}

static const struct found *pick(const struct search *search, const char *what)
{
	const struct found *found = NULL;

	for (unsigned i = 0; i < search->count; i++) {
		if (!is_called(&search->found[i], what))
			continue;
		if (found) {
			log_warnx("'%s' is more than one device: see 'usbiphp status'", what);
			return NULL;
		}
		found = &search->found[i];
	}
	if (!found)
		log_warnx("no device is called '%s': see 'usbiphp status' and 'usbiphp list'", what);
	return found;
}

static bool is_name(const char *what)
{
	return strlen(what) > 10 && what[4] == ':' && (what[9] == '/' || what[9] == '@');
}

static int open_search(struct search *search, const struct daemon_options *options,
		       const char *role)
{
	int error = sysfs_open(&search->sysfs, options->sysfs);

	search->options = options;
	text_format(search->record_dir, sizeof(search->record_dir), "%s/../vhci_hcd", options->run);
	if (error)
		log_warn(error, "cannot open %s", options->sysfs);
	if (!error) {
		error = held_read(&search->held, options->config, role);
		if (error)
			log_warn(error, "cannot read %s/held.%s", options->config, role);
	}
	return error;
}

static int save(const struct search *search, const char *role)
{
	int error = held_write(&search->held, search->options->config, role);

	if (error)
		log_warn(error, "cannot write %s/held.%s", search->options->config, role);
	return error;
}

static int hold(struct search *search, const char *name, const char *role)
{
	int error = held_add(&search->held, name);

	if (error)
		log_warnx("too many devices are held: at most %u", HELD_MAX);
	return error ? error : save(search, role);
}

/* The held name that is called so: the whole of it, or what stands behind VID:PID. */
static int unhold(struct search *search, const char *what, const char *role, char *name)
{
	unsigned matches = 0;

	for (const char *i = held_next(&search->held, NULL); i; i = held_next(&search->held, i)) {
		if (strcmp(i, what) != 0 && (!is_name(i) || strcmp(i + 10, what) != 0))
			continue;
		text_format(name, DEVICE_NAME_SIZE, "%s", i);
		matches++;
	}
	if (matches > 1)
		log_warnx("'%s' is more than one of those that are held: give the whole name", what);
	if (!matches)
		log_warnx("'%s' is not held: see 'usbiphp status'", what);
	if (matches != 1)
		return -ENOENT;
	held_remove(&search->held, name);
	return save(search, role);
}

static bool port_busy(const struct search *search, unsigned port)
{
	static struct vhci vhci;

	return !vhci_read(&search->sysfs, &vhci) && vhci.port[port].state > VHCI_FREE;
}

static int end_port(const struct search *search, unsigned port)
{
	int error = vhci_detach(&search->sysfs, port), waited = 0;

	if (error == -EINVAL) /* it is free already */
		error = 0;
	while (!error && port_busy(search, port)) {
		if (waited >= WAIT_MS)
			error = -ETIMEDOUT;
		poll(NULL, 0, POLL_MS);
		waited += POLL_MS;
	}
	if (!error && !state_running(search->options->run, "client")) {
		record_remove(search->options->run, port);
		record_remove(search->record_dir, port);
	}
	if (error)
		log_warn(error, "cannot detach port %u", port);
	return error;
}

int show_detach(const struct daemon_options *options, const char *what)
{
	static struct search search;
	const struct found *found = NULL;
	char name[DEVICE_NAME_SIZE];
	int error = open_search(&search, options, "client"), missing;

	if (error)
		return 1;
	missing = find_attached(&search);
	if (!missing || !is_name(what))
		found = pick(&search, what);
	if (!found && !is_name(what))
		return 1;
	if (found)
		name_it(&search, found, name);
	else
		text_format(name, sizeof(name), "%s", what);
	error = hold(&search, name, "client");
	if (!error && found)
		error = end_port(&search, found->port);
	if (!error)
		log_info("%s is held, until 'usbiphp attach %s'", name, name);
	return error != 0;
}

int show_attach(const struct daemon_options *options, const char *name)
{
	static struct search search;
	char whole[DEVICE_NAME_SIZE];

	if (open_search(&search, options, "client") || unhold(&search, name, "client", whole))
		return 1;
	log_info("%s is not held any more%s", whole,
		 state_running(options->run, "client") ? "" : "; no usbiphp-client runs here");
	return 0;
}

static bool is_bound(const struct search *search, const char *busid)
{
	struct device device;

	return !device_read(&search->sysfs, busid, &device) && !strcmp(device.driver, STUB_DRIVER);
}

/* Without a server: as it would do it. No signal may come between, see stub.h. */
static int give_back(const struct search *search, const char *busid)
{
	struct stub_result result;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	result = stub_end(&search->sysfs, busid, -1);
	if (!result.error)
		result = stub_release(&search->sysfs, busid);
	if (result.error)
		log_warn(result.error, "cannot release %s: %s", busid, stub_step_text(result.step));
	return result.error;
}

/* Until the server has done it, which may find out that it cannot. */
static int await(const struct search *search, const char *busid, bool bound)
{
	for (int waited = 0; is_bound(search, busid) != bound; waited += POLL_MS) {
		if (waited >= WAIT_MS)
			return -ETIMEDOUT;
		poll(NULL, 0, POLL_MS);
	}
	return 0;
}

int show_release(const struct daemon_options *options, const char *what)
{
	static struct search search;
	const struct found *found;
	char name[DEVICE_NAME_SIZE];
	int error = open_search(&search, options, "server");

	if (!error)
		error = device_scan(&search.sysfs, see_device, &search);
	if (error)
		return 1;
	found = pick(&search, what);
	if (!found)
		return 1;
	name_it(&search, found, name);
	if (hold(&search, name, "server"))
		return 1;
	if (!state_running(options->run, "server"))
		error = is_bound(&search, found->busid) ? give_back(&search, found->busid) : 0;
	else if ((error = await(&search, found->busid, false)) != 0)
		log_warn(error, "the server does not release %s, see its log", found->busid);
	if (!error)
		log_info("%s is held, until 'usbiphp bind %s'", found->busid, name);
	return error != 0;
}

int show_bind(const struct daemon_options *options, const char *what)
{
	static struct search search;
	char name[DEVICE_NAME_SIZE];
	const struct found *found;

	if (open_search(&search, options, "server"))
		return 1;
	/* by the busid of a device that is held by its serial number, too */
	device_scan(&search.sysfs, see_device, &search);
	for (unsigned i = 0; i < search.count; i++) {
		found = &search.found[i];
		if (!is_called(found, what) ||
		    !held_find(&search.held, found->vendor, found->product, found->strings.serial,
			       NULL, found->busid))
			continue;
		what = held_find(&search.held, found->vendor, found->product,
				 found->strings.serial, NULL, found->busid);
		break;
	}
	if (unhold(&search, what, "server", name))
		return 1;
	log_info("%s is not held any more%s", name,
		 state_running(options->run, "server") ? "" : "; no usbiphp-server runs here");
	return 0;
}
