/* SPDX-License-Identifier: MIT */
/* Whether a person wants a device to be taken. */
#include "policy/policy.h"

#include "lib/str.h"

enum rule_verdict policy_judge(const struct rules *rules, const struct holds *held,
			     const struct rule_facts *facts, struct reason *why)
{
	const char *name = holds_find(held, facts->vendor, facts->product, facts->serial,
				     facts->from, facts->busid);
	enum rule_verdict verdict;
	const struct rule *rule;
	char place[96];

	if (name) {
		str_format(why->text, sizeof(why->text), "it is held, until 'usbiphp %s %s'",
			    facts->from ? "attach" : "bind", facts->from ? name : facts->busid);
		return RULE_DENY;
	}
	if (!facts->serial && holds_need_serial(held, facts->vendor, facts->product))
		return RULE_UNKNOWN;
	verdict = rules_judge(rules, facts, &rule);
	if (verdict == RULE_DENY) {
		rule_place(rules, rule, place, sizeof(place));
		str_format(why->text, sizeof(why->text), "denied by %s", place);
	}
	return verdict;
}
