/* SPDX-License-Identifier: MIT */
/* Rules: whether they match a device, and the verdict of all of them. Pure functions. */
#include "policy/rules.h"

#include "lib/str.h"

#include <string.h>

static int ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool rule_glob(const char *glob, const char *text)
{
	/* behind the last '*', and where the text that follows it was last tried */
	const char *star = NULL, *from = NULL;

	while (*text) {
		if (*glob == '*') {
			star = ++glob;
			from = text;
		} else if (*glob == '?' || ascii_lower(*glob) == ascii_lower(*text)) {
			glob++;
			text++;
		} else if (star) {
			glob = star;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}

static bool rule_includes_client(const struct rule *rule, const struct peer_id *client)
{
	if (!rule->has_to)
		return true;
	if (!client)
		return !rule->deny;
	if (rule->key)
		return client->key && rule_glob(rule->key, client->key);
	return cidr_contains(&rule->to, &client->address);
}

/* NULL: not known. */
static const char *fact_string(const struct rule_facts *facts, enum rule_string which)
{
	switch (which) {
	case RULE_BUSID:
		return facts->busid;
	case RULE_SERIAL:
		return facts->serial;
	case RULE_PRODUCT:
		return facts->serial ? facts->product_name : NULL;
	default:
		return facts->from;
	}
}

enum rule_match rule_match(const struct rule *rule, const struct rule_facts *facts)
{
	enum rule_match match = RULE_MATCHES;

	if ((facts->vendor ^ rule->vendor) & rule->vendor_mask ||
	    (facts->product ^ rule->product) & rule->product_mask ||
	    !rule_includes_client(rule, facts->to))
		return RULE_DIFFERS;
	if (rule->has_class && !(facts->class[rule->class / 8] & 1 << rule->class % 8)) {
		if (facts->described)
			return RULE_DIFFERS;
		match = RULE_NEEDS_MORE;
	}
	for (unsigned i = 0; i < RULE_STRINGS; i++) {
		const char *text = fact_string(facts, i);

		if (!rule->glob[i])
			continue;
		if (!text)
			match = RULE_NEEDS_MORE;
		else if (!rule_glob(rule->glob[i], text) &&
			 (i != RULE_FROM || !rule_glob(rule->glob[i], facts->server)))
			return RULE_DIFFERS;
	}
	return match;
}

void rule_facts_add_class(struct rule_facts *facts, uint8_t class)
{
	facts->class[class / 8] |= (uint8_t)(1 << class % 8);
}

void rule_facts_set_classes(struct rule_facts *facts, const struct op_device *device,
			    const struct op_interface *interface)
{
	memset(facts->class, 0, sizeof(facts->class));
	rule_facts_add_class(facts, device->class);
	for (unsigned i = 0; i < device->interfaces; i++)
		rule_facts_add_class(facts, interface[i].class);
}

enum rule_verdict rules_judge(const struct rules *rules, const struct rule_facts *facts,
			      const struct rule **which)
{
	const struct rule *rule = rules->rule;

	for (unsigned i = 0; i < rules->count; i++, rule++) {
		enum rule_match match = rule_match(rule, facts);

		if (match == RULE_DIFFERS)
			continue;
		*which = rule;
		if (match == RULE_NEEDS_MORE)
			return RULE_UNKNOWN;
		return rule->deny ? RULE_DENY : RULE_ALLOW;
	}
	*which = NULL;
	return RULE_ALLOW;
}

void rule_place(const struct rules *rules, const struct rule *rule, char *buf, size_t size)
{
	if (rule->line)
		str_format(buf, size, "%s:%u", rules->file, (unsigned)rule->line);
	else
		str_format(buf, size, "--rule %u", (unsigned)(rule - rules->rule) + 1);
}
