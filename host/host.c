/* SPDX-License-Identifier: MIT */
/* The server role: every device that may be exported is bound to usbip-host, and kept so. */
#include "host/host.h"

#include "host/export.h"
#include "host/judge.h"
#include "loop/log.h"
#include "proto/text.h"

#include <errno.h>
#include <string.h>

enum {
	/* usbip-host holds 16; the rest is for devices that wait or fail */
	EXPORTS_MAX = 128,
	STOP_MS = 30000, /* for all devices to be given back */
};

static const char bound_file[] = "bound";

struct host {
	struct daemon daemon;
	struct export export[EXPORTS_MAX];
	bool full;	/* said that there are more devices than that */
	bool passed;	/* at least one pass has looked */
	int save_error; /* said */
};

static struct export *find(struct host *host, const char *busid)
{
	for (unsigned i = 0; i < EXPORTS_MAX; i++)
		if (!strcmp(host->export[i].device.busid, busid))
			return &host->export[i];
	return NULL;
}

/* What is ours must be in the file before it is taken, so that a killed daemon's heir knows. */
static void save_bound(struct host *host)
{
	char text[EXPORTS_MAX * BUSID_SIZE];
	size_t len = 0;
	int error;

	for (unsigned i = 0; i < EXPORTS_MAX; i++)
		if (host->export[i].ours)
			len += text_format(text + len, sizeof(text) - len, "%s\n",
					   host->export[i].device.busid);
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
	loop_pass_now(&host->daemon.loop);
}

static struct export *add(struct host *host, const char *busid)
{
	struct export *export = find(host, "");

	if (!export) {
		if (!host->full)
			log_warnx("more than %u devices: the others are left alone", EXPORTS_MAX);
		host->full = true;
		return NULL;
	}
	memset(export, 0, sizeof(*export));
	text_format(export->device.busid, sizeof(export->device.busid), "%s", busid);
	export->child.pipe.fd = -1;
	export->sysfs = &host->daemon.sysfs;
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

	state_load(&host->daemon.state, bound_file, text, sizeof(text));
	while ((busid = text_word(&cursor))) {
		export = busid_is_device(busid) && !find(host, busid) ? add(host, busid) : NULL;
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
	struct export *export = find(host, device->busid);
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
	export->present = true;
	if (export->job == EXPORT_IDLE)
		export->device = *device;
}

static void forget(struct host *host, struct export *export)
{
	if (host->passed)
		log_info("%s is gone", export->device.name);
	set_ours(host, export, false);
	memset(export, 0, sizeof(*export));
	host->full = false;
}

static void act(struct host *host, struct export *export)
{
	struct loop *loop = &host->daemon.loop;
	enum host_verdict verdict;

	verdict = host_judge(&export->device, driverless_for(export, loop->now));
	if (verdict == HOST_WAIT)
		loop_pass_by(loop, export->driverless + HOST_DRIVERLESS_MS);
	if (verdict != HOST_BIND)
		return;
	if (loop->now < export->backoff.until) {
		loop_pass_by(loop, export->backoff.until);
		return;
	}
	set_ours(host, export, true);
	export_bind(export, loop);
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

	for (unsigned i = 0; i < EXPORTS_MAX; i++) {
		struct export *export = &host->export[i];

		if (!in_session(host, export))
			continue;
		sessions = true;
		if (export->job == EXPORT_IDLE)
			export_end(export, &host->daemon.loop);
	}
	for (unsigned i = 0; !sessions && i < EXPORTS_MAX; i++) {
		struct export *export = &host->export[i];

		if (export->ours && export->job == EXPORT_IDLE &&
		    export->failed < EXPORT_ENDING)
			export_release(export, &host->daemon.loop);
	}
	loop_pass_by(&host->daemon.loop, host->daemon.stop_by);
}

static void pass(void *ctx)
{
	struct host *host = ctx;
	int error;

	for (unsigned i = 0; i < EXPORTS_MAX; i++)
		host->export[i].present = false;
	error = stub_check(&host->daemon.sysfs);
	if (!error)
		error = device_scan(&host->daemon.sysfs, see, host);
	if (error)
		daemon_lost(&host->daemon, error);
	for (unsigned i = 0; i < EXPORTS_MAX; i++) {
		struct export *export = &host->export[i];

		if (!export->device.busid[0] || export->job != EXPORT_IDLE)
			continue;
		if (!export->present)
			forget(host, export);
		else if (!host->daemon.loop.stopping)
			act(host, export);
	}
	host->passed = true;
	if (host->daemon.loop.stopping)
		give_back(host);
}

static void stop(void *ctx)
{
	struct host *host = ctx;

	daemon_stop(&host->daemon);
}

static bool busy(const struct host *host)
{
	for (unsigned i = 0; i < EXPORTS_MAX; i++)
		if (host->export[i].job != EXPORT_IDLE)
			return true;
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

/* 1 when something that should have been done was not. */
static int exit_status(const struct host *host)
{
	int status = host->daemon.lost;

	for (unsigned i = 0; i < EXPORTS_MAX; i++) {
		const struct export *export = &host->export[i];

		if (host->daemon.loop.stopping && export->ours)
			log_warnx("%s was not given back", export->device.busid);
		if (export->failed != EXPORT_IDLE || (host->daemon.loop.stopping && export->ours))
			status = 1;
	}
	return status;
}

int host_run(const struct daemon_options *options)
{
	static const struct daemon_role role = {
		.module = STUB_MODULE,
		.check = stub_check,
		.lock = "server.lock",
		.vhci_events = false,
		.stop_ms = STOP_MS,
		.loop = { pass, stop, done },
	};
	static struct host host;
	int status;

	if (daemon_open(&host.daemon, options, &role, &host))
		return 1;
	adopt(&host);
	loop_run(&host.daemon.loop);
	status = exit_status(&host);
	daemon_close(&host.daemon);
	return status;
}
