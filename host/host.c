/* SPDX-License-Identifier: MIT */
/* The server role: every device that may be exported is bound to usbip-host, and kept so. */
#include "host/host.h"

#include "host/exporter.h"
#include "host/judge.h"
#include "host/slots.h"
#include "loop/log.h"
#include "proto/text.h"
#include "sysfs/describe.h"

#include <errno.h>
#include <string.h>

enum {
	STOP_MS = 30000, /* for all devices to be given back */
	ONCE_PATIENCE_MS = 1000,
};

static const char bound_file[] = "bound";

struct host {
	struct daemon daemon;
	struct exports exports;
	struct exporter exporter;
	bool changed;	/* the list of what is on offer */
	bool full;	/* said that there are more devices than that */
	int slots_said;	/* so many are in use, it was said */
	bool passed;	/* at least one pass has looked */
	bool take_all;	/* also what this machine needs */
	int save_error; /* said */
};

#define EACH_EXPORT(host, i)                                                                       \
	for (struct export *i = (host)->exports.export; i < (host)->exports.export + EXPORTS_MAX;  \
	     i++)                                                                                  \
		if (i->device.busid[0])

/* What is ours must be in the file before it is taken, so that a killed daemon's heir knows. */
static void save_bound(struct host *host)
{
	char text[EXPORTS_MAX * BUSID_SIZE];
	size_t len = 0;
	int error;

	EACH_EXPORT(host, i)
		if (i->ours)
			len += text_format(text + len, sizeof(text) - len, "%s\n", i->device.busid);
	error = state_save(&host->daemon.state, bound_file, text, len);
	if (error && error != host->save_error)
		log_warn(error, "cannot write %s/%s", host->daemon.state.path, bound_file);
	host->save_error = error;
}

static void set_ours(struct host *host, struct export *export, bool ours)
{
	if (export->ours == ours)
		return;
	export->ours = ours;
	save_bound(host);
}

static void job_ended(struct export *export, enum export_job job)
{
	struct host *host = export->ctx;
	bool failed = export->result.error != 0;
	/* without a driver, or nobody knows how far it came: sysfs tells, and it is given back */
	bool astray = export->result.step == STUB_STEP_RESTORE || export->result.error == -ECHILD;

	if (job == EXPORT_BINDING ? failed && !astray : !failed && job == EXPORT_RELEASING)
		set_ours(host, export, false);
	if (job == EXPORT_BINDING)
		slots_look(&host->daemon.sysfs, &host->slots_said);
	loop_pass_now(&host->daemon.loop);
}

static struct export *add(struct host *host, const char *busid)
{
	struct export *export = exports_find(&host->exports, "");

	if (!export) {
		if (!host->full)
			log_warnx("more than %u devices: the others are left alone", EXPORTS_MAX);
		host->full = true;
		return NULL;
	}
	memset(export, 0, sizeof(*export));
	text_format(export->device.busid, sizeof(export->device.busid), "%s", busid);
	export->child.pipe.fd = export->session.fd = -1;
	export->sysfs = &host->daemon.sysfs;
	export->loop = &host->daemon.loop;
	export->ended = job_ended;
	export->ctx = host;
	return export;
}

/* What an earlier run has bound is ours; the first pass drops what is not there any more. */
static void adopt(struct host *host)
{
	char text[EXPORTS_MAX * BUSID_SIZE + 1], *cursor = text;
	const char *busid;
	struct export *export;

	if (host->daemon.state.stale)
		state_save(&host->daemon.state, bound_file, NULL, 0);
	state_load(&host->daemon.state, bound_file, text, sizeof(text));
	while ((busid = text_word(&cursor))) {
		if (!busid_is_device(busid) || exports_find(&host->exports, busid))
			continue;
		export = add(host, busid);
		if (export)
			export->ours = true;
	}
}

static uint64_t driverless_for(struct export *export, uint64_t now)
{
	if (export->device.driver[0])
		export->driverless = 0;
	else if (!export->driverless)
		export->driverless = now;
	return export->driverless ? now - export->driverless : 0;
}

static void see(void *ctx, const struct device *device)
{
	struct host *host = ctx;
	struct export *export = exports_find(&host->exports, device->busid);
	enum host_verdict verdict = host_judge(device, 0);

	if (verdict == HOST_HUB || verdict == HOST_IMPORTED) {
		if (!host->passed)
			log_debug("leaving alone %s, %s", device->name,
				  verdict == HOST_HUB ? "a hub" : "imported");
		return;
	}
	if (!export)
		export = add(host, device->busid);
	if (!export)
		return;
	export->seen = true;
	export->away = false;
	export_identify(export, device);
	if (export->job == EXPORT_IDLE)
		export->device = *device;
}

static void leave(struct host *host, struct export *export)
{
	if (host->passed && !export->away && (export->bound_at || !export->calm.delay))
		log_info("%s is gone", export->device.name);
	set_ours(host, export, false);
	export_drop_session(export);
	host->changed = host->changed || export->offered;
	export->offered = false;
	export->driverless = 0;
	if (!export_left(export))
		return;
	memset(export, 0, sizeof(*export));
	host->full = false;
}

/* Of any device: see stub_release(). */
static bool session_ending(const struct host *host)
{
	for (unsigned i = 0; i < EXPORTS_MAX; i++)
		if (host->exports.export[i].session_ended)
			return true;
	return false;
}

/* Asked before each bind: what this machine needs is not taken. Said once for each reason. */
static bool needed_here(const struct host *host, struct export *export)
{
	uint64_t now = host->daemon.loop.now;
	struct use use;

	if (export->use.reason[0] && now < export->use_again)
		return true;
	export->use_again = now + host->daemon.loop.interval;
	if (host->take_all || !device_use(&host->daemon.sysfs, export->device.busid, &use)) {
		export->use.reason[0] = '\0';
		return false;
	}
	if (strcmp(use.reason, export->use.reason) != 0)
		log_info("leaving alone %s: %s", export->device.name, use.reason);
	export->use = use;
	return true;
}

static void act(struct host *host, struct export *export)
{
	struct loop *loop = &host->daemon.loop;
	enum host_verdict verdict;

	verdict = host_judge(&export->device, driverless_for(export, loop->now));
	if (verdict == HOST_WAIT)
		loop_pass_by(loop, export->driverless + HOST_DRIVERLESS_MS);
	if (verdict == HOST_EXPORTED && export->ours && !session_ending(host) &&
	    export_recover(export, stub_status(export->sysfs, export->device.busid) == STUB_ERROR))
		export_release(export);
	if (verdict != HOST_BIND || export_held_back(export) || needed_here(host, export) ||
	    !slots_have_room(&host->exports, export))
		return;
	set_ours(host, export, true);
	export_bind(export);
}

static bool in_session(const struct host *host, const struct export *export)
{
	return export->ours && export->failed != EXPORT_ENDING &&
	       (export->job == EXPORT_ENDING ||
		stub_status(&host->daemon.sysfs, export->device.busid) == STUB_USED);
}

/* When stopping: what is ours goes back, after all its sessions are over: see stub_release(). */
static void give_back(struct host *host)
{
	bool sessions = false;

	EACH_EXPORT(host, i) {
		if (!in_session(host, i))
			continue;
		sessions = true;
		if (i->job == EXPORT_IDLE)
			export_end(i);
	}
	EACH_EXPORT(host, i)
		if (!sessions && i->ours && i->job == EXPORT_IDLE && i->failed < EXPORT_ENDING)
			export_release(i);
}

/* What can be imported now. */
static void see_offers(struct host *host)
{
	EACH_EXPORT(host, i) {
		bool offered = export_bound(i) &&
			       stub_status(i->sysfs, i->device.busid) == STUB_AVAILABLE;

		host->changed = host->changed || offered != i->offered;
		i->offered = offered;
	}
}

/* The list anew. What cannot be described is left out, and tried again in the next pass. */
static void list_offers(struct host *host)
{
	struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device device;

	if (!host->changed)
		return;
	host->changed = false;
	listing_begin(&host->exporter.listing);
	EACH_EXPORT(host, i)
		if (i->offered)
			i->offered =
				!device_describe(i->sysfs, i->device.busid, &device, interface) &&
				listing_add(&host->exporter.listing, &device, interface);
	exporter_announce(&host->exporter);
}

static bool observe(struct host *host)
{
	int error = stub_check(&host->daemon.sysfs);

	if (error == -EROFS) /* what is bound goes on, what cannot be bound says so */
		error = 0;
	EACH_EXPORT(host, i)
		i->seen = false;
	if (!error)
		error = device_scan(&host->daemon.sysfs, see, host);
	if (!daemon_sees(&host->daemon, error))
		return false;
	EACH_EXPORT(host, i)
		i->present = i->seen;
	return true;
}

static void pass(void *ctx)
{
	struct host *host = ctx;

	if (host->daemon.loop.stopping)
		loop_pass_by(&host->daemon.loop, host->daemon.stop_by);
	if (!observe(host)) {
		exporter_pass(&host->exporter);
		return;
	}
	EACH_EXPORT(host, i) {
		if (i->job != EXPORT_IDLE)
			continue;
		if (!i->present)
			leave(host, i);
		else if (!host->daemon.loop.stopping)
			act(host, i);
	}
	host->passed = true;
	if (host->daemon.loop.stopping) {
		give_back(host);
		return;
	}
	EACH_EXPORT(host, i)
		export_look(i, host->daemon.options->dead_after);
	see_offers(host);
	list_offers(host);
	exporter_pass(&host->exporter);
}

static void stop(void *ctx)
{
	struct host *host = ctx;

	exporter_close(&host->exporter);
	daemon_stop(&host->daemon);
	EACH_EXPORT(host, i)
		i->failed = EXPORT_IDLE; /* what counts now is that it is given back */
}

/* Also with a device that is about to be got out of its error state, once. */
static bool busy(const struct host *host)
{
	for (unsigned i = 0; i < EXPORTS_MAX; i++) {
		const struct export *export = &host->exports.export[i];

		if (export->job != EXPORT_IDLE ||
		    (!host->daemon.loop.stopping && export->error &&
		     export->calm.delay <= ONCE_PATIENCE_MS))
			return true;
	}
	return false;
}

static bool done(void *ctx)
{
	struct host *host = ctx;

	if (daemon_over(&host->daemon))
		return true;
	if (!host->daemon.loop.stopping && !host->daemon.options->once)
		return false;
	/* a pass that is due may have more to do */
	return host->passed && host->daemon.loop.next > host->daemon.loop.now && !busy(host);
}

static bool any_ours(const struct host *host)
{
	for (unsigned i = 0; i < EXPORTS_MAX; i++)
		if (host->exports.export[i].ours)
			return true;
	return false;
}

/* 1 when something that should have been done was not. */
static int exit_status(const struct host *host)
{
	int status = host->daemon.lost;

	for (unsigned i = 0; i < EXPORTS_MAX; i++) {
		const struct export *export = &host->exports.export[i];

		if (host->daemon.loop.stopping && export->ours)
			log_warnx("%s was not given back", export->device.busid);
		if (export->failed != EXPORT_IDLE || (host->daemon.loop.stopping && export->ours))
			status = 1;
	}
	return status;
}

int host_run(const struct daemon_options *options, const struct listener_address *listen,
	     unsigned listeners, bool take_all)
{
	static const struct daemon_role role = {
		.module = STUB_MODULE,
		.check = stub_check,
		.name = "server",
		.vhci_events = false,
		.stop_ms = STOP_MS,
		.loop = { pass, stop, done },
	};
	static struct host host;
	int status;

	if (daemon_open(&host.daemon, options, &role, &host))
		return 1;
	host.take_all = take_all;
	adopt(&host);
	if (!options->once)
		exporter_init(&host.exporter, &host.daemon.loop, &host.exports, options->dead_after,
			      listen, listeners);
	loop_run(&host.daemon.loop);
	status = exit_status(&host);
	exporter_close(&host.exporter);
	daemon_close(&host.daemon, any_ours(&host));
	return status;
}
