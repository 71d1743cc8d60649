/* SPDX-License-Identifier: MIT */
/* The server role: every device that may be exported is bound to usbip-host, and kept so. */
#include "host/host.h"

#include "host/choose.h"
#include "host/judge.h"
#include "host/server.h"
#include "host/slots.h"
#include "host/status_files.h"
#include "lib/log.h"
#include "lib/str.h"
#include "sysfs/descriptors.h"
#include "sysfs/protect.h"

#include <errno.h>
#include <string.h>

enum {
	STOP_MS = 30000, /* for all devices to be given back */
	ONCE_PATIENCE_MS = 1000,
};

static const char bound_file[] = "bound";

struct host {
	bool changed; /* the list of what is on offer */
	bool full;    /* said that there are more devices than that */
	bool passed;  /* at least one pass has looked */
	struct daemon daemon;
	int slots_said;	/* so many are in use, it was said */
	int save_error; /* said */
	struct exports exports;
	struct access access;
	struct host_server server;
	struct status_files status_files;
	struct host_wishes wishes;
};

/* What is ours must be in the file before it is taken, so that a killed daemon's heir knows. */
static void save_bound(struct host *host)
{
	char text[EXPORTS_MAX * BUSID_SIZE];
	size_t len = 0;
	int error;

	EACH_EXPORT(&host->exports, i)
		if (i->ours)
			len += str_format(text + len, sizeof(text) - len, "%s\n", i->device.busid);
	error = rundir_save(&host->daemon.rundir, bound_file, text, len);
	if (error && error != host->save_error)
		log_warning_errno(error, "cannot write %s/%s", host->daemon.rundir.path, bound_file);
	host->save_error = error;
}

static void set_ours(struct host *host, struct export *export, bool ours)
{
	if (export->ours == ours)
		return;
	export->ours = ours;
	save_bound(host);
}

static void tell_hooks(struct host *host, const struct export *export, enum export_job job)
{
	const struct hook_facts facts = {
		.event = export->result.error	? "failed"
			 : job == EXPORT_BINDING ? "bound"
						 : "released",
		.busid = export->device.busid,
		.vendor = export->device.vendor,
		.product = export->device.product,
		.port = -1,
		.reason = export->result.error ? stub_step_text(export->result.step) : NULL,
	};

	if (export->news || (!export->result.error && job != EXPORT_ENDING))
		hook_runner_tell(&host->daemon.runner, &facts);
}

static void job_ended(struct export *export, enum export_job job)
{
	struct host *host = export->ctx;
	bool failed = export->result.error != 0;
	/* without a driver, or nobody knows how far it came: sysfs tells, and it is given back */
	bool astray = export->result.step == STUB_STEP_RESTORE || export->result.error == -ECHILD;

	if (job == EXPORT_BINDING ? failed && !astray : !failed && job == EXPORT_RELEASING)
		set_ours(host, export, false);
	tell_hooks(host, export, job);
	if (job == EXPORT_BINDING)
		slots_look(&host->daemon.sysfs, &host->slots_said);
	loop_pass_now(&host->daemon.loop);
}

static struct export *add(struct host *host, const char *busid)
{
	struct export *export = exports_find(&host->exports, "");

	if (!export) {
		if (!host->full)
			log_warning("more than %u devices: the others are left alone", EXPORTS_MAX);
		host->full = true;
		return NULL;
	}
	memset(export, 0, sizeof(*export));
	str_format(export->device.busid, sizeof(export->device.busid), "%s", busid);
	export->child.pipe.fd = -1;
	session_watch_init(&export->session, &host->daemon.loop);
	export->sysfs = &host->daemon.sysfs;
	export->loop = &host->daemon.loop;
	export->ended = job_ended;
	export->ctx = host;
	if (!host->passed)
		status_files_load_session(&host->daemon.rundir, export);
	return export;
}

/* What an earlier run has bound is ours; the first pass drops what is not there any more. */
static void adopt(struct host *host)
{
	char text[EXPORTS_MAX * BUSID_SIZE + 1], *cursor = text;
	const char *busid;
	struct export *export;

	if (host->daemon.rundir.stale)
		rundir_save(&host->daemon.rundir, bound_file, NULL, 0);
	rundir_load(&host->daemon.rundir, bound_file, text, sizeof(text));
	while ((busid = str_word(&cursor))) {
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
	if (export->job == EXPORT_IDLE) {
		uint32_t devnum = export->device.devnum;

		export->device = *device;
		if (!device->devnum)
			export->device.devnum = devnum;
	}
}

static void leave(struct host *host, struct export *export)
{
	if (host->passed && !export->away && (export->bound_at || !export->calm.delay))
		log_info("%s is gone", export->device.name);
	set_ours(host, export, false);
	export_drop_session(export);
	status_files_forget_session(&host->daemon.rundir, export);
	host->changed |= export->offered;
	export->offered = false;
	export->driverless = 0;
	if (!export_left(export))
		return;
	memset(export, 0, sizeof(*export));
	host->full = false;
}

/* Of any device: see stub_release(). */
static bool session_ending(struct host *host)
{
	EACH_EXPORT(&host->exports, i)
		if (i->session.ended || i->job == EXPORT_ENDING)
			return true;
	return false;
}

/* Said once for each reason. */
static void leave_alone(struct export *export, const struct reason *why)
{
	bool taken = export->ours && !strcmp(export->device.driver, STUB_DRIVER);

	if (strcmp(why->text, export->use.text) != 0)
		log_info("%s %s: %s", taken ? "letting go" : "leaving alone", export->device.name,
			 why->text);
	export->use = *why;
	export->use_again = 0;
}

/* By what a person has set, which is looked at in each pass. */
static enum rule_verdict choose(struct host *host, struct export *export)
{
	struct rule_facts *facts = &export->facts;
	enum rule_verdict wanted;
	struct reason why;

	if (!facts->described)
		host_facts(export->sysfs, &export->device,
			   facts->serial ? &export->strings : NULL, facts);
	wanted = policy_judge(&host->wishes.rules, &host->wishes.held, facts, &why);
	host->changed |= export->wanted != (wanted == RULE_ALLOW);
	if (wanted == RULE_ALLOW && !export->wanted)
		export->use.text[0] = '\0'; /* it was a person's */
	export->wanted = wanted == RULE_ALLOW;
	if (wanted == RULE_DENY)
		leave_alone(export, &why);
	return wanted;
}

/* Asked before each bind, at most once an interval: what this machine needs is not taken. */
static bool needed_here(const struct host *host, struct export *export)
{
	uint64_t now = host->daemon.loop.now;
	struct reason use;

	if (now < export->use_again)
		return true;
	if (host->wishes.take_all || !protect_check(export->sysfs, export->device.busid, &use)) {
		export->use.text[0] = '\0';
		return false;
	}
	leave_alone(export, &use);
	export->use_again = now + host->daemon.loop.interval;
	return true;
}

/* Whether a changed rule denies it the device it uses, or its key is gone or another one. */
static bool session_denied(const struct host *host, const struct export *export)
{
	struct peer_id who = { export->from, *export->key ? export->key : NULL, export->print };

	if (!export->peer[0])
		return false;
	return !access_allows_peer(&host->access, &who) ||
	       (access_depends_on_peer(&host->access) &&
		!access_allows_device(&host->access, export, &who));
}

static bool releasing(struct host *host)
{
	EACH_EXPORT(&host->exports, i)
		if (i->job == EXPORT_RELEASING)
			return true;
	return false;
}

/* What is bound: it stays so, unless it is in its error state or is not wanted any more. */
static void keep(struct host *host, struct export *export)
{
	struct loop *loop = &host->daemon.loop;
	int status = stub_status(export->sysfs, export->device.busid);
	bool ending = session_ending(host);

	if (loop->now < export->backoff.until) {
		loop_pass_by(loop, export->backoff.until);
	} else if (status == STUB_USED && !ending && !releasing(host) &&
		   (!export->wanted || session_denied(host, export))) {
		log_info("taking %s from %s, as it is not allowed any more", export->device.name,
			 export->peer[0] ? export->peer : "who uses it");
		export_end(export);
	} else if (!ending && (!export->wanted ? status != STUB_USED
					       : export_recover(export, status == STUB_ERROR))) {
		export_release(export);
	}
}

static void act(struct host *host, struct export *export)
{
	struct loop *loop = &host->daemon.loop;
	enum rule_verdict wanted = choose(host, export);
	enum host_verdict verdict;

	verdict = host_judge(&export->device, driverless_for(export, loop->now));
	if (verdict == HOST_WAIT)
		loop_pass_by(loop, export->driverless + HOST_DRIVERLESS_MS);
	if (wanted == RULE_UNKNOWN) {
		/* if its strings are known, its classes are not: each pass tries to read them */
		if (!export->facts.serial && !export_held_back(export))
			export_read(export);
		return;
	}
	if (export->ours && (verdict == HOST_EXPORTED ||
			     (wanted == RULE_DENY && !export->device.driver[0])))
		keep(host, export);
	if (verdict != HOST_BIND || wanted == RULE_DENY || export_held_back(export) ||
	    needed_here(host, export) || !slots_have_room(&host->exports, export))
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

	EACH_EXPORT(&host->exports, i) {
		if (!in_session(host, i))
			continue;
		sessions = true;
		if (i->job == EXPORT_IDLE)
			export_end(i);
	}
	EACH_EXPORT(&host->exports, i)
		if (!sessions && i->ours && i->job == EXPORT_IDLE && i->failed < EXPORT_ENDING)
			export_release(i);
}

/* What can be imported now. */
static void see_offers(struct host *host)
{
	EACH_EXPORT(&host->exports, i) {
		bool offered = export_bound(i) && i->wanted &&
			       stub_status(i->sysfs, i->device.busid) == STUB_AVAILABLE;

		host->changed |= offered != i->offered;
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
	devlist_clear(&host->server.devlist);
	EACH_EXPORT(&host->exports, i)
		if (i->offered)
			i->offered =
				!device_describe(i->sysfs, i->device.busid, &device, interface) &&
				devlist_add(&host->server.devlist, &device, interface);
	host_server_announce(&host->server);
}

static bool observe(struct host *host)
{
	int error = stub_check(&host->daemon.sysfs);

	if (error == -EROFS) /* what is bound goes on, what cannot be bound says so */
		error = 0;
	EACH_EXPORT(&host->exports, i)
		i->seen = false;
	if (!error)
		error = device_scan(&host->daemon.sysfs, see, host);
	if (!daemon_check_driver(&host->daemon, error))
		return false;
	EACH_EXPORT(&host->exports, i)
		i->present = i->seen;
	return true;
}

/* What a person has changed counts at once. */
static void obey(struct host *host)
{
	if (!daemon_reload(&host->daemon, &host->wishes.rules, &host->wishes.held))
		return;
	host_server_keys_changed(&host->server);
	host->changed = true;
	EACH_EXPORT(&host->exports, i)
		i->use_again = 0;
}

static void pass(void *ctx)
{
	struct host *host = ctx;

	obey(host);
	if (!observe(host)) {
		host_server_pass(&host->server);
		return;
	}
	EACH_EXPORT(&host->exports, i) {
		export_await(i);
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
	EACH_EXPORT(&host->exports, i)
		export_look(i, host->daemon.options->dead_after);
	see_offers(host);
	status_files_update(&host->status_files, &host->daemon.rundir, &host->exports, false);
	list_offers(host);
	host_server_pass(&host->server);
}

static void stop(void *ctx)
{
	struct host *host = ctx;

	host_server_close(&host->server);
	EACH_EXPORT(&host->exports, i)
		i->failed = EXPORT_IDLE; /* what counts now is that it is given back */
}

/* Also with a device that is about to be got out of its error state, once. */
static bool busy(struct host *host)
{
	EACH_EXPORT(&host->exports, i)
		if (i->job != EXPORT_IDLE || (!host->daemon.loop.stopping && i->error &&
					      i->calm.delay <= ONCE_PATIENCE_MS))
			return true;
	return false;
}

static bool done(void *ctx)
{
	struct host *host = ctx;

	if (!host->daemon.loop.stopping && !host->daemon.options->once)
		return false;
	if (host->daemon.loop.next <= host->daemon.loop.now)
		return false; /* a pass that is due may have more to do */
	return host->passed && !hook_runner_busy(&host->daemon.runner) && !busy(host);
}

static bool any_ours(struct host *host)
{
	EACH_EXPORT(&host->exports, i)
		if (i->ours)
			return true;
	return false;
}

/* 1 when something that should have been done was not. */
static int exit_status(struct host *host)
{
	int status = host->daemon.lost;

	EACH_EXPORT(&host->exports, i) {
		if (i->failed != EXPORT_IDLE)
			status = 1;
		if (!host->daemon.loop.stopping || !i->ours)
			continue;
		log_warning("%s was not given back", i->device.busid);
		status = 1;
	}
	return status;
}

int host_run(const struct daemon_options *options, const struct listener_address *listen,
	     unsigned listeners, const struct cidr_list *networks, bool take_all)
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

	status = daemon_open(&host.daemon, options, &role, &host.wishes.rules, &host);
	if (status)
		return status;
	host.wishes.take_all = take_all;
	host.access.rules = &host.wishes.rules;
	host.access.networks = networks;
	host.access.keys = options->keys;
	adopt(&host);
	if (!options->once)
		host_server_init(&host.server, &host.daemon.loop, &host.exports, &host.access,
				 options->dead_after, listen, listeners);
	daemon_run(&host.daemon, NULL, false);
	status = exit_status(&host);
	host_server_close(&host.server);
	status_files_update(&host.status_files, &host.daemon.rundir, &host.exports, true);
	daemon_close(&host.daemon, any_ours(&host));
	return status;
}
