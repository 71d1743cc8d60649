/* SPDX-License-Identifier: MIT */
/* The server role: gathers the facts about a device, decides by the policy, and acts. */
#include "host/host.h"

#include "lib/util.h"

#include <string.h>

enum { ROOM_LOW = 2 /* free places of the engine: few */ };

/* Whether a changed rule denies the client the device it uses, or its key is gone or changed. */
static bool host_session_denied(const struct host *host, const struct export *export)
{
	struct peer_id who = { export->from, *export->key ? export->key : NULL, export->print };

	return export->state == EXPORT_IN_USE && export->peer[0] &&
	       (!access_allows_peer(&host->access, &who) ||
		!access_allows_device(&host->access, &export->identity, &who));
}

/* All facts but those that a verdict asks for. */
static void host_gather_facts(struct host *host, struct export *export, struct device_facts *facts)
{
	static const enum device_use use[] = {
		[EXPORT_BOUND] = DEVICE_IDLE,	    [EXPORT_AVAILABLE] = DEVICE_IDLE,
		[EXPORT_IN_USE] = DEVICE_IN_USE,    [EXPORT_RESETTING] = DEVICE_IN_USE,
		[EXPORT_ERROR] = DEVICE_ERROR,	    [EXPORT_UNPLUGGED] = DEVICE_LOCAL,
	}; /* all others are local, too */
	uint64_t now = host->daemon.loop.now;

	if (!export->identity.described)
		facts_identify(export->sysfs, &export->device,
			       export->identity.serial ? &export->reader.strings : NULL,
			       &export->identity, &export->record);
	facts_begin(export->engine, &export->device, facts);
	facts->identity = export->identity;
	facts->use = use[export->state];
	facts->ours = export->ours;
	if (export->driverless_since)
		facts->driverless_ms = now - export->driverless_since;
	facts->retry_later = now < export->backoff.until;
	facts->damped = now < export->flaps.backoff.until;
	facts->session_denied = host_session_denied(host, export);
	facts->session_ending = exports_count(&host->exports, EXPORT_ENDING) ||
				exports_count(&host->exports, EXPORT_RESETTING);
	facts->others_releasing = exports_count(&host->exports, EXPORT_RELEASING);
	facts->others_binding = exports_count(&host->exports, EXPORT_BINDING);
	if (now < export->need_again)
		facts->need = (struct policy_fact){ POLICY_YES, export->reason };
}

static void host_tell_hooks(struct host *host, const struct export *export, enum export_state job)
{
	int error = export->result.error;
	const struct hook_facts facts = {
		.event = error ? "failed" : job == EXPORT_BINDING ? "bound" : "released",
		.busid = export->device.busid,
		.vendor = export->device.vendor,
		.product = export->device.product,
		.port = -1,
		.reason = error ? export->engine->step_text(export->result.step) : NULL,
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
	bool done = export->result.outcome == ENGINE_DONE;
	bool stranded = export->result.outcome == ENGINE_STRANDED;

	/* where a device is stranded, sysfs tells how far it came, and it is given back */
	if (job == EXPORT_BINDING ? !done && !stranded : job == EXPORT_RELEASING && done)
		host_set_ours(host, export, false);
	if (logged || (done && job != EXPORT_ENDING))
		host_tell_hooks(host, export, job);
	if (job == EXPORT_BINDING)
		host_check_room(host);
	loop_pass_now(&host->daemon.loop);
}

/* The reason is kept for the status files, and logged when it changes. */
static void host_keep_reason(struct export *export, const struct policy_decision *decision)
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
	export->allowed = allowed;
}

/* Asks for a pass when a device that has to wait may be dealt with. */
static void host_wait_for(struct loop *loop, const struct export *export)
{
	uint64_t since = export->driverless_since;
	const uint64_t until[] = { since ? since + POLICY_DRIVERLESS_MS : 0, export->backoff.until,
				   export->flaps.backoff.until };

	for (size_t i = 0; i < ARRAY_SIZE(until); i++)
		if (loop->now < until[i])
			loop_pass_by(loop, until[i]);
}

void host_act(struct host *host, struct export *export)
{
	unsigned binding = exports_count(&host->exports, EXPORT_BINDING);
	struct loop *loop = &host->daemon.loop;
	struct policy_decision decision;
	struct device_facts facts;

	host_gather_facts(host, export, &facts);
	do
		decision = policy_decide(&host->policy, &facts);
	while (facts_gather(host->engine, export->sysfs, &export->device, decision.verdict,
			    &binding, &facts));
	if (facts.need.answer == POLICY_YES && loop->now >= export->need_again)
		export->need_again = loop->now + loop->interval; /* costly: not in every pass */
	host_keep_reason(export, &decision);
	switch (decision.verdict) {
	case POLICY_WAIT:
		host_wait_for(loop, export);
		break;
	case POLICY_BIND:
		host_set_ours(host, export, true);
		export_start_job(export, EXPORT_BINDING);
		break;
	case POLICY_NO_ROOM:
		export_fail_for_room(export);
		break;
	case POLICY_END_SESSION:
		log_info("%s: ending the session of %s, which is no longer allowed",
			 export->device.name, export->peer[0] ? export->peer : "its client");
		export_start_job(export, EXPORT_ENDING);
		break;
	case POLICY_RELEASE:
		export_start_job(export, EXPORT_RELEASING);
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
		if (export->state == EXPORT_IN_USE)
			export_start_job(export, EXPORT_ENDING);
		sessions |= export->state == EXPORT_ENDING || export_is_resetting(export);
	}
	EACH_EXPORT(&host->exports, export)
		if (!sessions && export->ours && export->failed != EXPORT_ENDING &&
		    export->failed != EXPORT_RELEASING && !export_has_job(export) &&
		    export->state != EXPORT_RESETTING)
			export_start_job(export, EXPORT_RELEASING);
}
