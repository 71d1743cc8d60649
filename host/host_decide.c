/* SPDX-License-Identifier: MIT */
/* The server role: gathers the facts about a device, and asks the policy. */
#include "host/host_state.h"

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

struct policy_decision host_decide(struct host *host, struct export *export)
{
	struct policy_decision decision;
	struct device_facts facts;

	host_gather_facts(host, export, &facts);
	do
		decision = policy_decide(&host->policy, &facts);
	while (host_gather_asked(host, export, decision.verdict, &facts));
	return decision;
}
