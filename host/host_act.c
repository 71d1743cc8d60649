/* SPDX-License-Identifier: MIT */
/* The server role: carries out decisions about devices. */
#include "host/host_state.h"

#include "lib/log.h"
#include "lib/str.h"

#include <string.h>

enum { ROOM_LOW = 2 /* free places of the engine: few */ };

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
	error = rundir_save(rundir, HOST_BOUND_FILE, text, len);
	if (error)
		log_once(&host->save_log, LOG_LEVEL_WARNING, error, "cannot write %s/%s",
			 rundir->path, HOST_BOUND_FILE);
	else
		log_once_clear(&host->save_log);
}

void host_set_ours(struct host *host, struct export *export, bool ours)
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

void host_job_ended(struct export *export, enum export_state job, bool logged)
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

void host_act(struct host *host, struct export *export,
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

void host_give_back(struct host *host)
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
