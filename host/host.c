/* SPDX-License-Identifier: MIT */
/* The server role: every device that may be exported is bound to an engine, and kept so. */
#include "host/host.h"

#include "host/facts.h"
#include "host/server.h"
#include "host/status_files.h"
#include "lib/log.h"
#include "lib/log_once.h"
#include "lib/str.h"

#include <errno.h>
#include <string.h>

enum {
	STOP_MS = 30000,	 /* for all devices to be given back */
	ONCE_PATIENCE_MS = 1000, /* --once waits so long for a device in its error state */
	ROOM_LOW = 2,		 /* so many free places of the engine are few */
};

static const char bound_file[] = "bound";

struct host {
	bool list_changed; /* the list that clients get has to be made again */
	bool passed;	   /* at least one pass has observed the devices */
	struct daemon daemon;
	const struct engine *engine;
	struct log_once full_log, room_log, save_log;
	struct exports exports;
	struct access access;
	struct host_server server;
	struct status_files status_files;
	struct policy policy;
};

/* A device is in the file before it is bound: the next run knows it if this one is killed. */
static void host_save_bound(struct host *host)
{
	const struct rundir *rundir = &host->daemon.rundir;
	char text[EXPORTS_MAX * BUSID_SIZE];
	size_t len = 0;
	int error;

	EACH_EXPORT(&host->exports, export)
		if (export->ours)
			len += str_format(text + len, sizeof(text) - len, "%s\n",
					  export->device.busid);
	error = rundir_save(rundir, bound_file, text, len);
	if (error)
		log_once(&host->save_log, LOG_LEVEL_WARNING, error, "cannot write %s/%s",
			 rundir->path, bound_file);
	else
		log_once_clear(&host->save_log);
}

static void host_set_ours(struct host *host, struct export *export, bool ours)
{
	if (export->ours == ours)
		return;
	export->ours = ours;
	host_save_bound(host);
}

static void host_tell_hooks(struct host *host, const struct export *export, enum export_state job)
{
	const struct hook_facts facts = {
		.event = export->result.error	? "failed"
			 : job == EXPORT_BINDING ? "bound"
						 : "released",
		.busid = export->device.busid,
		.vendor = export->device.vendor,
		.product = export->device.product,
		.port = -1,
		.reason = export->result.error ? export->engine->step_text(export->result.step) :
						 NULL,
	};

	hook_runner_tell(&host->daemon.runner, &facts);
}

/* An engine keeps a place for devices that are unplugged while they are bound. */
static void host_check_room(struct host *host)
{
	struct engine_room room;

	if (host->engine->room(&host->daemon.sysfs, "", &room))
		return;
	if (room.used + ROOM_LOW >= room.max)
		log_once(&host->room_log, LOG_LEVEL_WARNING, 0,
			 "%s holds %u of at most %u bus ids, until the next boot",
			 host->engine->name, room.used, room.max);
	else
		log_once_clear(&host->room_log);
}

static void host_job_ended(struct export *export, enum export_state job, bool logged)
{
	struct host *host = export->ctx;
	enum engine_outcome outcome = export->result.outcome;

	/* where a device is stranded, sysfs tells how far it came, and it is given back */
	if (job == EXPORT_BINDING && outcome != ENGINE_DONE && outcome != ENGINE_STRANDED)
		host_set_ours(host, export, false);
	if (job == EXPORT_RELEASING && outcome == ENGINE_DONE)
		host_set_ours(host, export, false);
	if (logged || (outcome == ENGINE_DONE && job != EXPORT_ENDING))
		host_tell_hooks(host, export, job);
	if (job == EXPORT_BINDING)
		host_check_room(host);
	loop_pass_now(&host->daemon.loop);
}

static struct export *host_add_export(struct host *host, const char *busid,
				      enum export_state state)
{
	struct export *export = exports_add(&host->exports, &host->daemon.loop, busid, state);

	if (!export) {
		log_once(&host->full_log, LOG_LEVEL_WARNING, 0,
			 "more than %u devices: the others are left alone", EXPORTS_MAX);
		return NULL;
	}
	export->sysfs = &host->daemon.sysfs;
	export->engine = host->engine;
	export->job_ended = host_job_ended;
	export->ctx = host;
	if (!host->passed)
		status_files_load_session(&host->daemon.rundir, export);
	return export;
}

/* Devices that an earlier run has bound are ours; the first pass drops those that are not there. */
static void host_adopt_bound(struct host *host)
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
		export = host_add_export(host, busid, EXPORT_ADOPTED);
		if (export)
			export->ours = true;
	}
}

/* Observe. */

/* For device_scan(). Devices that can never be exported take no place. */
static void host_observe_device(void *ctx, const struct device *device)
{
	static const struct rule_facts no_identity;
	struct host *host = ctx;
	struct export *export = exports_find(&host->exports, device->busid);
	struct device_facts facts;
	struct reason why;

	facts_begin(host->engine, device, &no_identity, &facts);
	if (policy_excludes(&facts, &why)) {
		if (!host->passed)
			log_debug("%s: left alone: %s", device->name, why.text);
		return;
	}
	if (!export)
		export = host_add_export(host, device->busid, EXPORT_LEFT_ALONE);
	if (!export)
		return;
	export_observe(export, device);
	if (export->listed && !export->identity.described) /* its record was another device's */
		host->list_changed = true;
}

static void host_observe_unplugged(struct host *host, struct export *export)
{
	if (export->state != EXPORT_UNPLUGGED) {
		if (host->passed && (export->bound_at || !export->flaps.backoff.delay))
			log_info("%s: unplugged", export->device.name);
		host_set_ours(host, export, false);
		status_files_forget_session(&host->daemon.rundir, export);
		host->list_changed |= export->listed;
		export->listed = false;
		export_unplug(export);
	}
	if (export_is_forgettable(export)) {
		export_forget(export);
		log_once_clear(&host->full_log);
	}
}

/* False: the devices could not be observed. */
static bool host_observe(struct host *host)
{
	int error = host->engine->check(&host->daemon.sysfs);

	if (error == -EROFS) /* bound devices go on, and a bind that fails is logged */
		error = 0;
	EACH_EXPORT(&host->exports, export)
		export->seen = false;
	if (!error)
		error = device_scan(&host->daemon.sysfs, host_observe_device, host);
	if (!daemon_check_driver(&host->daemon, error))
		return false;
	EACH_EXPORT(&host->exports, export) {
		strings_reader_pass(&export->reader);
		if (export->seen)
			export_refresh(export, host->daemon.options->dead_after);
		else if (!export_has_job(export))
			host_observe_unplugged(host, export);
	}
	host->passed = true;
	return true;
}

/* Decide. */

/* Whether a changed rule denies the client the device it uses, or its key is gone or changed. */
static bool host_session_denied(const struct host *host, const struct export *export)
{
	struct peer_id who = { export->from, *export->key ? export->key : NULL, export->print };

	if (!export->peer[0])
		return false;
	return !access_allows_peer(&host->access, &who) ||
	       (access_depends_on_peer(&host->access) &&
		!access_allows_device(&host->access, export, &who));
}

static enum device_use export_use(const struct export *export)
{
	switch (export->state) {
	case EXPORT_BOUND:
	case EXPORT_AVAILABLE:
		return DEVICE_IDLE;
	case EXPORT_IN_USE:
	case EXPORT_RESETTING:
		return DEVICE_IN_USE;
	case EXPORT_ERROR:
		return DEVICE_ERROR;
	default:
		return DEVICE_LOCAL;
	}
}

/* All facts but those that a verdict asks for. */
static void host_gather_facts(struct host *host, struct export *export, struct device_facts *facts)
{
	uint64_t now = host->daemon.loop.now;

	if (!export->identity.described)
		facts_identify(export->sysfs, &export->device,
			       export->identity.serial ? &export->reader.strings : NULL,
			       &export->identity, &export->record);
	facts_begin(export->engine, &export->device, &export->identity, facts);
	facts->use = export_use(export);
	facts->ours = export->ours;
	if (export->driverless_since)
		facts->driverless_ms = now - export->driverless_since;
	facts->retry_later = now < export->backoff.until;
	facts->damped = now < export->flaps.backoff.until;
	facts->session_denied =
		export->state == EXPORT_IN_USE && host_session_denied(host, export);
	facts->session_ending = exports_count(&host->exports, EXPORT_ENDING) ||
				exports_count(&host->exports, EXPORT_RESETTING);
	facts->others_releasing = exports_count(&host->exports, EXPORT_RELEASING);
	facts->others_binding = exports_count(&host->exports, EXPORT_BINDING);
	if (now < export->need_again)
		facts->need = (struct policy_fact){ POLICY_YES, export->reason };
}

/* Gathers the facts that a verdict asks for, if that can be done at once. */
static bool host_gather_asked(struct host *host, struct export *export,
			      enum policy_verdict verdict, struct device_facts *facts)
{
	switch (verdict) {
	case POLICY_ASK_NEED:
		facts_ask_need(export->sysfs, &export->device, &facts->need);
		if (facts->need.answer == POLICY_YES) /* at most once an interval */
			export->need_again = host->daemon.loop.now + host->daemon.loop.interval;
		return true;
	case POLICY_ASK_ROOM:
		facts_ask_room(export->engine, export->sysfs, &export->device,
			       exports_count(&host->exports, EXPORT_BINDING), &facts->room);
		return true;
	default:
		return false;
	}
}

static struct policy_decision host_decide(struct host *host, struct export *export)
{
	struct policy_decision decision;
	struct device_facts facts;

	host_gather_facts(host, export, &facts);
	do
		decision = policy_decide(&host->policy, &facts);
	while (host_gather_asked(host, export, decision.verdict, &facts));
	return decision;
}

/* Act. */

/* The reason is kept for the status files, and logged when it changes. */
static void host_keep_reason(struct host *host, struct export *export,
			     const struct policy_decision *decision)
{
	const struct reason *reason = &decision->reason;
	bool allowed = decision->allowed == RULE_ALLOW;

	if (decision->allowed == RULE_DENY)
		export->need_again = 0;
	if (reason->text[0]) {
		if (strcmp(reason->text, export->reason.text) != 0 &&
		    decision->verdict != POLICY_NO_ROOM)
			log_info("%s: %s: %s", export->device.name,
				 export->ours && export_is_bound(export) ? "to be given back" :
									   "left alone",
				 reason->text);
		export->reason = *reason;
	} else if (decision->verdict == POLICY_BIND || (allowed && !export->allowed)) {
		export->reason.text[0] = '\0';
	}
	host->list_changed |= export->allowed != allowed;
	export->allowed = allowed;
}

/* Asks for a pass when a device that has to wait may be dealt with. */
static void host_wait_for(struct host *host, const struct export *export)
{
	struct loop *loop = &host->daemon.loop;

	if (export->driverless_since &&
	    loop->now < export->driverless_since + POLICY_DRIVERLESS_MS)
		loop_pass_by(loop, export->driverless_since + POLICY_DRIVERLESS_MS);
	if (loop->now < export->backoff.until)
		loop_pass_by(loop, export->backoff.until);
	if (loop->now < export->flaps.backoff.until)
		loop_pass_by(loop, export->flaps.backoff.until);
}

static void host_act(struct host *host, struct export *export,
		     const struct policy_decision *decision)
{
	host_keep_reason(host, export, decision);
	switch (decision->verdict) {
	case POLICY_WAIT:
		host_wait_for(host, export);
		break;
	case POLICY_BIND:
		host_set_ours(host, export, true);
		export_bind(export);
		break;
	case POLICY_NO_ROOM:
		export_fail_for_room(export);
		break;
	case POLICY_END_SESSION:
		log_info("%s: ending the session of %s, which is no longer allowed",
			 export->device.name, export->peer[0] ? export->peer : "its client");
		export_end_session(export);
		break;
	case POLICY_RELEASE:
		export_release(export);
		break;
	case POLICY_ASK_STRINGS:
		export_read_strings(export);
		break;
	default: /* nothing to do; POLICY_ASK_CLASSES: each pass tries to read them */
		break;
	}
}

/* When stopping: all devices of ours go back, after all sessions have ended: see stub_release(). */
static void host_give_back(struct host *host)
{
	bool sessions = false;

	EACH_EXPORT(&host->exports, export) {
		if (!export->ours || export->failed == EXPORT_ENDING)
			continue;
		if (export->state == EXPORT_IN_USE || export->state == EXPORT_RESETTING)
			export_end_session(export);
		sessions |= export->state == EXPORT_ENDING;
	}
	EACH_EXPORT(&host->exports, export)
		if (!sessions && export->ours && export->failed != EXPORT_ENDING &&
		    export->failed != EXPORT_RELEASING && !export_has_job(export))
			export_release(export);
}

/* Makes the list for clients again if it has changed. Devices without a record are left out, and
 * tried again in the next pass. */
static void host_update_list(struct host *host)
{
	struct devlist *devlist = &host->server.devlist;

	EACH_EXPORT(&host->exports, export) {
		bool listed = export->state == EXPORT_AVAILABLE && export->allowed &&
			      export->identity.described;

		host->list_changed |= listed != export->listed;
		export->listed = listed;
	}
	if (!host->list_changed)
		return;
	host->list_changed = false;
	devlist_clear(devlist);
	EACH_EXPORT(&host->exports, export)
		if (export->listed)
			export->listed = devlist_add(devlist, &export->record.device,
						     export->record.interface);
	host_server_announce(&host->server);
}

/* Changes of rules, holds and keys count at once. */
static void host_reload(struct host *host)
{
	if (!daemon_reload(&host->daemon, &host->policy.rules, &host->policy.holds))
		return;
	host_server_keys_changed(&host->server);
	host->list_changed = true;
	EACH_EXPORT(&host->exports, export)
		export->need_again = 0;
}

static void host_pass(void *ctx)
{
	struct host *host = ctx;
	bool stopping = host->daemon.loop.stopping;

	host_reload(host);
	if (!host_observe(host)) {
		host_server_pass(&host->server);
		return;
	}
	if (stopping) {
		host_give_back(host);
		return;
	}
	EACH_EXPORT(&host->exports, export) {
		struct policy_decision decision;

		if (!export->seen || export_has_job(export) ||
		    strings_reader_running(&export->reader))
			continue;
		decision = host_decide(host, export);
		host_act(host, export, &decision);
	}
	host_update_list(host);
	status_files_update(&host->status_files, &host->daemon.rundir, &host->exports, false);
	host_server_pass(&host->server);
}

static void host_stop(void *ctx)
{
	struct host *host = ctx;

	host_server_close(&host->server);
	EACH_EXPORT(&host->exports, export)
		export->failed = EXPORT_UNUSED; /* from now on only giving it back counts */
}

/* A job or reader is under way, or a device is about to be got out of its error state, once. */
static bool host_is_busy(struct host *host)
{
	bool stopping = host->daemon.loop.stopping;

	EACH_EXPORT(&host->exports, export)
		if (export_has_job(export) || strings_reader_running(&export->reader) ||
		    (!stopping && export->state == EXPORT_ERROR &&
		     export->flaps.backoff.delay <= ONCE_PATIENCE_MS))
			return true;
	return false;
}

static bool host_is_done(void *ctx)
{
	struct host *host = ctx;

	if (!host->daemon.loop.stopping && !host->daemon.options->once)
		return false;
	if (host->daemon.loop.next <= host->daemon.loop.now)
		return false; /* a pass that is due may have more to do */
	return host->passed && !hook_runner_busy(&host->daemon.runner) && !host_is_busy(host);
}

static bool host_has_bound(struct host *host)
{
	EACH_EXPORT(&host->exports, export)
		if (export->ours)
			return true;
	return false;
}

/* 1 when something that should have been done was not. */
static int host_exit_status(struct host *host)
{
	int status = host->daemon.lost;

	EACH_EXPORT(&host->exports, export) {
		if (export->failed != EXPORT_UNUSED)
			status = 1;
		if (!host->daemon.loop.stopping || !export->ours)
			continue;
		log_warning("%s: not given back", export->device.busid);
		status = 1;
	}
	return status;
}

int host_run(const struct daemon_options *options, const struct listener_address *listen,
	     unsigned listeners, const struct cidr_list *networks, bool take_all)
{
	const struct daemon_role role = {
		.module = engine_kernel.module,
		.check = engine_kernel.check,
		.name = "server",
		.vhci_events = false,
		.stop_ms = STOP_MS,
		.loop = { host_pass, host_stop, host_is_done },
	};
	static struct host host;
	int status;

	host.engine = &engine_kernel;
	status = daemon_open(&host.daemon, options, &role, &host.policy.rules, &host);
	if (status)
		return status;
	host.policy.take_all = take_all;
	host.access.rules = &host.policy.rules;
	host.access.networks = networks;
	host.access.keys = options->keys;
	host_adopt_bound(&host);
	if (!options->once)
		host_server_init(&host.server, &host.daemon.loop, &host.exports, &host.access,
				 options->dead_after, listen, listeners);
	daemon_run(&host.daemon, NULL, false);
	status = host_exit_status(&host);
	host_server_close(&host.server);
	status_files_update(&host.status_files, &host.daemon.rundir, &host.exports, true);
	daemon_close(&host.daemon, host_has_bound(&host));
	return status;
}
