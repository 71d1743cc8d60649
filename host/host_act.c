/* SPDX-License-Identifier: MIT */
/* The server role: gathers the facts about a device, decides by the policy, and acts. */
#include "host/host.h"

#include "lib/util.h"

#include <errno.h>
#include <string.h>

enum { HELD_BACK_POLL_MS = 500 };

/* Whether a changed rule denies the client the device it uses, or its key is gone or changed. */
static bool host_session_denied(const struct host *host, const struct export *export)
{
	struct peer_id who = { export->from, *export->key ? export->key : NULL, export->print };

	return export->state == EXPORT_IN_USE && export->peer[0] &&
	       (!access_allows_peer(&host->access, &who) ||
		!access_allows_device(&host->access, &export->identity, &who));
}

/* Whether other devices have such a job. A bind that is stuck holds up no other. Only devices that
 * usbip-host has hold each other up. *coming: how many are about to take places there. */
static void host_gather_jobs(struct host *host, const struct export *export,
			     struct device_facts *facts, unsigned *coming)
{
	EACH_EXPORT(&host->exports, other) {
		bool kernel = other->engine == &engine_kernel;

		if (kernel && export->engine == &engine_kernel)
			facts->session_ending |= other->state == EXPORT_ENDING ||
						 other->state == EXPORT_RESETTING;
		if (other->state != EXPORT_BINDING || other->stuck.text[0])
			continue;
		facts->others_binding = true;
		*coming += kernel;
	}
}

/* All facts but those that a verdict asks for. */
static void host_gather_facts(struct host *host, struct export *export, struct device_facts *facts,
			      unsigned *coming)
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
	facts_begin(&export->device, facts);
	facts->identity = export->identity;
	facts->use = use[export->state];
	facts->ours = export->ours;
	if (export->driverless_since)
		facts->driverless_ms = now - export->driverless_since;
	facts->unserved = host->unserved ? "this server does not listen on all its addresses" :
					    NULL;
	facts->wanted = host_server_has_waiting(&host->server, export->device.busid);
	facts->retry_later = now < export->backoff.until;
	facts->damped = now < export->flaps.backoff.until;
	export->flaps.steady = rules_are_steady(&host->policy.rules, &export->identity);
	facts->session_denied = host_session_denied(host, export);
	host_gather_jobs(host, export, facts, coming);
	host_need_facts(host, export, facts);
}

/* One line for all devices of which the programs that use them cannot be seen. */
static void host_log_reason(struct host *host, const struct export *export,
			    const struct reason *reason)
{
	const struct protect_item *need = &export->need.item;

	if (need->unseen && !strcmp(reason->text, need->reason.text)) {
		log_once(&host->unseen_log, LOG_LEVEL_WARNING, 0,
			 PROTECT_UNSEEN, protect_sight_text(need->unseen));
		log_debug("%s: left alone: %s", export->device.name, reason->text);
		return;
	}
	log_info("%s: %s: %s", export->device.name,
		 export->ours && export_is_bound(export) ? "to be given back" : "left alone",
		 reason->text);
}

/* The reason is kept for the status files, and logged when it changes. */
static void host_keep_reason(struct host *host, struct export *export,
			     const struct policy_decision *decision)
{
	const struct reason *reason = &decision->reason;
	bool allowed = decision->allowed == RULE_ALLOW;

	if (reason->text[0]) {
		if (strcmp(reason->text, export->reason.text) != 0 &&
		    decision->verdict != POLICY_NO_ROOM)
			host_log_reason(host, export, reason);
		export->reason = *reason;
	} else if (decision->verdict == POLICY_BIND || decision->verdict == POLICY_OFFER ||
		   (allowed && !export->allowed)) {
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

/* For a device that no engine has. While those that are being bound may fill usbip-host up, the
 * others wait. */
static void host_choose_engine(struct host *host, struct export *export, unsigned coming,
			       struct policy_fact *room)
{
	unsigned others = coming;
	struct engine_choice choice;

	engine_choose(&host->engines, export->sysfs, export->device.busid, &coming, &choice);
	export->engine = choice.engine;
	room->answer = POLICY_YES;
	if (choice.error == -ENOSPC || (others && choice.engine != &engine_kernel))
		room->answer = POLICY_NO;
	room->reason = choice.why;
}

static void host_offer(struct export *export, bool offer)
{
	if (offer && !export->offered)
		log_info("%s: offered to clients", export->device.name);
	export->offered = offer;
}

/* On demand: whether clients see the device, and what one is told that asks for it. */
static void host_set_answer(struct export *export, enum policy_verdict verdict, bool failed)
{
	export->answer = EXPORT_WAIT;
	switch (verdict) {
	case POLICY_ASK_STRINGS:
	case POLICY_ASK_CLASSES:
	case POLICY_ASK_NEED:
	case POLICY_ASK_ROOM:
		return;
	case POLICY_LEAVE:
		export->answer = OP_BUSY;
		break;
	case POLICY_NO_ROOM:
		export->answer = OP_NA;
		break;
	case POLICY_WAIT:
		if (failed)
			export->answer = OP_DEV_ERR;
		break;
	default:
		break;
	}
	host_offer(export, verdict == POLICY_OFFER);
}

void host_act(struct host *host, struct export *export)
{
	struct loop *loop = &host->daemon.loop;
	struct policy_decision decision;
	struct device_facts facts;
	unsigned coming = 0;

	host_gather_facts(host, export, &facts, &coming);
	decision = policy_decide(&host->policy, &facts);
	if (decision.verdict == POLICY_ASK_ROOM) {
		host_choose_engine(host, export, coming, &facts.room);
		decision = policy_decide(&host->policy, &facts);
	}
	host_keep_reason(host, export, &decision);
	if (host->policy.on_demand)
		host_set_answer(export, decision.verdict, facts.retry_later);
	switch (decision.verdict) {
	case POLICY_WAIT:
		host_wait_for(loop, export);
		break;
	case POLICY_BIND:
		host_set_ours(host, export, true);
		host_start_job(host, export, EXPORT_BINDING);
		break;
	case POLICY_NO_ROOM:
		export_fail_for_room(export);
		break;
	case POLICY_END_SESSION:
		log_info("%s: ending the session of %s, which is no longer allowed",
			 export->device.name, export->peer[0] ? export->peer : "its client");
		host_start_job(host, export, EXPORT_ENDING);
		break;
	case POLICY_RELEASE:
		host_start_job(host, export, EXPORT_RELEASING);
		break;
	case POLICY_LEAVE:
	case POLICY_OFFER:
		if (export->held && export->state == EXPORT_LEFT_ALONE)
			host_start_job(host, export, EXPORT_RELEASING);
		break;
	case POLICY_ASK_STRINGS:
		export_read_strings(export);
		break;
	case POLICY_ASK_NEED:
		host_want_need(export);
		break;
	default: /* nothing to do; POLICY_ASK_CLASSES: each pass tries to read them */
		break;
	}
}

static bool export_is_used(const struct export *export)
{
	return export->state == EXPORT_IN_USE || export->state == EXPORT_RESETTING;
}

/* Ends all sessions. Sets *resetting if a device is still in use or being reset. Returns whether
 * sessions may still end. */
static bool host_end_sessions(struct host *host, bool *resetting)
{
	bool ending = false;

	EACH_EXPORT(&host->exports, export) {
		if (!export->ours)
			continue;
		if (export->state == EXPORT_IN_USE && export->failed != EXPORT_ENDING) {
			export->was_used = true;
			host_start_job(host, export, EXPORT_ENDING);
		}
		export->was_used = export->was_used || export->state == EXPORT_RESETTING;
		ending |= export->state == EXPORT_ENDING || export_is_resetting(export);
		*resetting |= export_is_used(export);
	}
	return ending;
}

void host_give_back(struct host *host)
{
	struct loop *loop = &host->daemon.loop;
	bool resetting = false, ending = host_end_sessions(host, &resetting);

	host->held_back = false;
	EACH_EXPORT(&host->exports, export) {
		if (ending || !export->ours || export_is_used(export) || export_has_job(export) ||
		    export->failed == EXPORT_RELEASING)
			continue;
		/* the kernel's event handler may have it in its queue, behind that one */
		if (resetting && export->was_used)
			host->held_back = true;
		else
			host_start_job(host, export, EXPORT_RELEASING);
	}
	if (host->held_back)
		loop_pass_by(loop, loop->now + HELD_BACK_POLL_MS);
}
