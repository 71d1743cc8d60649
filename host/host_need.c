/* SPDX-License-Identifier: MIT */
/*
 * The server role: asks the inspector which devices this host needs, and remembers its answers. A
 * host that has lost every link gets its network cards back.
 */
#include "host/host.h"

#include "lib/str.h"
#include "lib/util.h"

enum {
	/* How long an answer counts; "needed" counts for an interval, as does "free" for a device
	 * that is only offered. */
	FREE_MS = 1000, /* the device is bound at once */
	LATER_MS = 500,
	ASK_MS = 10000, /* the limit for an answer */
	PAUSE_MS = 200, /* between two questions for the sake of clients */
	/* When a device is settled: */
	SETTLE_MS = 10000,	 /* its disk has spun up */
	SETTLE_START_MS = 60000, /* this host has booted, its network is there */

	LINK_MS = 10000,      /* between two questions about links, while cards are exported */
	LINK_LOST_MS = 60000, /* a switch has restarted by then */
};

void host_need_facts(struct host *host, struct export *export, struct device_facts *facts)
{
	struct export_need *need = &export->need;
	uint64_t now = host->daemon.loop.now;

	if (!need->settled)
		need->settled = now + (need->at_start ? SETTLE_START_MS : SETTLE_MS);
	if (now < need->until || need->item.lasting)
		facts_set_need(&need->item, facts);
	if (now < need->until)
		loop_pass_by(&host->daemon.loop, need->until);
	if (export_is_bound(export) &&
	    !device_is_authorized(export->sysfs, export->device.busid)) {
		facts->need.answer = POLICY_YES;
		str_copy(facts->need.reason.text, sizeof(facts->need.reason.text), PROTECT_BLOCKED);
		facts->blocked = true;
	}
}

void host_want_need(struct export *export)
{
	struct export_need *need = &export->need;
	bool demanded = need->demanded > need->asked_at;
	uint64_t at = need->asked_at + (demanded ? PAUSE_MS : 0);

	need->wanted = !need->asked && export->loop->now >= at;
	if (export->loop->now < at)
		loop_pass_by(export->loop, at);
}

bool host_need_is_open(const struct export *export)
{
	const struct export_need *need = &export->need;

	return need->wanted || need->asked ||
	       (export->state == EXPORT_LEFT_ALONE && export->allowed &&
		need->item.answer == PROTECT_LATER);
}

/* A network card that this server has bound, and that no client uses. */
static bool export_is_idle_card(const struct export *export)
{
	return export->ours && export->need.item.network &&
	       (export->state == EXPORT_BOUND || export->state == EXPORT_AVAILABLE);
}

static bool host_has_idle_card(struct host *host)
{
	EACH_EXPORT(&host->exports, export)
		if (export_is_idle_card(export))
			return true;
	return false;
}

/* After each answer. A host that has had no link for LINK_LOST_MS needs its cards. */
static void host_note_link(struct host *host, bool has_link)
{
	uint64_t now = host->daemon.loop.now;

	host->link_next = now + LINK_MS;
	if (has_link)
		host->link_lost = 0;
	else if (!host->link_lost)
		host->link_lost = now;
	if (has_link || now - host->link_lost < LINK_LOST_MS)
		return;
	EACH_EXPORT(&host->exports, export)
		if (export_is_idle_card(export)) {
			protect_need(&export->need.item, PROTECT_NO_LINK);
			export->need.item.lasting = true;
		}
}

void host_ask_needs(struct host *host)
{
	struct inspector *inspector = &host->daemon.inspector;
	struct protect_survey *survey = &inspector->survey;
	uint64_t now = host->daemon.loop.now;
	bool cards = host_has_idle_card(host);

	inspector_pass(inspector);
	if (!cards)
		host->link_lost = host->link_next = 0;
	else if (now < host->link_next)
		loop_pass_by(&host->daemon.loop, host->link_next);
	if (inspector->state == INSPECTOR_ASKED)
		return;
	if (!host->settled)
		host->settled = now + SETTLE_START_MS;
	survey->starting = now < host->settled;
	survey->count = 0;
	EACH_EXPORT(&host->exports, export) {
		struct protect_item *item = &survey->item[survey->count];

		if (!export->need.wanted)
			continue;
		*item = (struct protect_item){
			.stage = now >= export->need.settled ? PROTECT_SETTLED :
				 export->need.at_start	     ? PROTECT_AT_START :
							       PROTECT_PLUGGED_IN,
		};
		str_copy(item->busid, sizeof(item->busid), export->device.busid);
		survey->count++;
		export->need.wanted = false;
		export->need.asked = true;
		export->need.asked_at = now;
	}
	if (survey->count || (cards && now >= host->link_next))
		inspector_ask(inspector, ASK_MS);
}

static uint64_t host_need_counts_ms(const struct host *host, const struct protect_item *item)
{
	bool offered = host->policy.on_demand &&
		       !host_server_has_waiting(&host->server, item->busid);

	if (item->answer == PROTECT_LATER)
		return LATER_MS;
	return item->answer == PROTECT_NEEDED || offered ? host->daemon.loop.interval : FREE_MS;
}

void host_needs_answered(struct inspector *inspector)
{
	struct host *host = container_of(inspector, struct daemon, inspector)->ctx;
	struct loop *loop = &host->daemon.loop;

	host_note_link(host, inspector->survey.has_link);
	for (unsigned i = 0; i < inspector->survey.count; i++) {
		const struct protect_item *item = &inspector->survey.item[i];
		struct export *export = exports_find(&host->exports, item->busid);

		if (!export || !export->need.asked) /* it was unplugged meanwhile */
			continue;
		export->need.asked = false;
		export->need.item = *item;
		if (export->need.asked_at >= export->need.demanded)
			export->need.until = loop->now + host_need_counts_ms(host, item);
		if (item->answer == PROTECT_LATER)
			log_debug("%s: waits: %s", export->device.name, item->reason.text);
	}
	loop_pass_now(loop);
}
