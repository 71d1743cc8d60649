/* SPDX-License-Identifier: MIT */
/* The policy: may a device be shared, and what has to be done with it now. Pure functions. */
#include "policy/policy.h"

#include "lib/str.h"

const char *policy_excludes(const struct device_facts *facts)
{
	if (facts->is_hub)
		return "it is a hub";
	return facts->is_imported ? "it came over USB/IP" : NULL;
}

enum rule_verdict policy_judge(const struct rules *rules, const struct holds *holds,
			       const struct rule_facts *facts, struct reason *why)
{
	const char *name = holds_find(holds, facts->vendor, facts->product, facts->serial,
				      facts->from, facts->busid);

	if (!name && facts->also)
		name = holds_find(holds, facts->vendor, facts->product, NULL, facts->also,
				  facts->busid);
	if (name) {
		str_format(why->text, sizeof(why->text), "it is held, until 'usbiphp %s %s'",
			   facts->from ? "attach" : "bind", facts->from ? name : facts->busid);
		return RULE_DENY;
	}
	if (!facts->serial && holds_need_serial(holds, facts->vendor, facts->product))
		return RULE_UNKNOWN;
	return rules_judge(rules, facts, why);
}

/* Whether nothing lifts that this machine needs a device, or may need it. */
static bool policy_protects(const struct policy *policy, const struct device_facts *facts)
{
	return facts->blocked ||
	       (!policy->take_all && !rules_name_device(&policy->rules, &facts->identity));
}

static bool policy_wants(const struct policy *policy, const struct device_facts *facts)
{
	return !policy->on_demand || facts->wanted;
}

/* A device that an engine has. */
static enum policy_verdict decide_exported(const struct policy *policy,
					   const struct device_facts *facts, bool allowed,
					   struct reason *why)
{
	/* what this server has not bound is not given back, but its client may be denied it */
	if (!facts->ours && !(facts->use == DEVICE_IN_USE && facts->session_denied))
		return allowed ? POLICY_KEEP : POLICY_LEAVE;
	if (facts->retry_later)
		return POLICY_WAIT;
	/* a client keeps what this machine has come to need, but not what is blocked */
	if (allowed && facts->need.answer == POLICY_YES && policy_protects(policy, facts) &&
	    (facts->use != DEVICE_IN_USE || facts->blocked)) {
		*why = facts->need.reason;
		allowed = false;
	}
	if (allowed && facts->unserved && facts->use != DEVICE_IN_USE) {
		str_copy(why->text, sizeof(why->text), facts->unserved);
		allowed = false;
	}
	if (facts->use == DEVICE_IN_USE) {
		if (allowed && !facts->session_denied)
			return POLICY_KEEP;
		return POLICY_END_SESSION;
	}
	if (allowed && facts->use != DEVICE_ERROR && policy_wants(policy, facts))
		return POLICY_KEEP;
	if (facts->session_ending ||
	    (allowed && facts->use == DEVICE_ERROR && facts->damped))
		return POLICY_WAIT;
	return POLICY_RELEASE;
}

/* A device that no engine has, and that may not be exported. */
static enum policy_verdict decide_denied(const struct device_facts *facts)
{
	if (!facts->ours || facts->has_driver)
		return POLICY_LEAVE;
	/* a bind or release of ours left it without a driver */
	return facts->retry_later || facts->session_ending ? POLICY_WAIT : POLICY_RELEASE;
}

/* A device that no engine has, and that holds and rules allow to be exported. */
static enum policy_verdict decide_allowed(const struct policy *policy,
					  const struct device_facts *facts, struct reason *why)
{
	bool protects;

	if (facts->unserved) {
		str_copy(why->text, sizeof(why->text), facts->unserved);
		return POLICY_LEAVE;
	}
	if (!facts->has_driver && facts->driverless_ms < POLICY_DRIVERLESS_MS)
		return POLICY_WAIT; /* the kernel may be about to find one */
	if (facts->retry_later || facts->damped)
		return POLICY_WAIT;
	if (facts->need.answer == POLICY_UNKNOWN)
		return POLICY_ASK_NEED;
	protects = policy_protects(policy, facts);
	if (facts->need.answer == POLICY_YES && protects) {
		*why = facts->need.reason;
		return POLICY_LEAVE;
	}
	if (facts->need.answer == POLICY_LATER && protects)
		return POLICY_WAIT;
	if (!policy_wants(policy, facts))
		return POLICY_OFFER;
	if (facts->room.answer == POLICY_UNKNOWN)
		return POLICY_ASK_ROOM;
	if (facts->room.answer == POLICY_YES)
		return POLICY_BIND;
	if (facts->others_binding)
		return POLICY_WAIT; /* not all of them may succeed */
	*why = facts->room.reason;
	return POLICY_NO_ROOM;
}

struct policy_decision policy_decide(const struct policy *policy, const struct device_facts *facts)
{
	struct policy_decision decision = { POLICY_LEAVE, RULE_DENY, { "" } };
	const char *excluded = policy_excludes(facts);

	if (excluded) {
		str_copy(decision.reason.text, sizeof(decision.reason.text), excluded);
		return decision;
	}
	decision.allowed = policy_judge(&policy->rules, &policy->holds, &facts->identity,
					&decision.reason);
	if (decision.allowed == RULE_UNKNOWN && facts->identity.serial)
		decision.verdict = POLICY_ASK_CLASSES;
	else if (decision.allowed == RULE_UNKNOWN)
		decision.verdict = facts->retry_later || facts->damped ? POLICY_WAIT :
									 POLICY_ASK_STRINGS;
	else if (facts->use != DEVICE_LOCAL)
		decision.verdict = decide_exported(policy, facts, decision.allowed == RULE_ALLOW,
						   &decision.reason);
	else if (decision.allowed == RULE_DENY)
		decision.verdict = decide_denied(facts);
	else
		decision.verdict = decide_allowed(policy, facts, &decision.reason);
	return decision;
}

bool policy_claims_port(const struct policy *policy, const char *busid)
{
	bool named;

	return !policy->on_demand && rules_allow_place(&policy->rules, busid, &named) &&
	       (named || policy->take_all) && !holds_concern_place(&policy->holds, busid);
}
