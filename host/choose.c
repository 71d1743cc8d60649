/* SPDX-License-Identifier: MIT */
/* Which devices the server leaves alone though it could take them, and why. */
#include "host/choose.h"

#include "host/judge.h"
#include "proto/text.h"
#include "sysfs/describe.h"

#include <string.h>

void host_facts(const struct sysfs *sysfs, const struct device *device,
		const struct device_strings *strings, struct rule_facts *facts)
{
	struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device described;

	memset(facts, 0, sizeof(*facts));
	facts->busid = device->busid;
	facts->vendor = device->vendor;
	facts->product = device->product;
	facts->serial = strings ? strings->serial : NULL;
	facts->name = strings ? strings->product : NULL;
	rule_facts_class(facts, device->class);
	facts->described = !device_describe(sysfs, device->busid, &described, interface);
	for (unsigned i = 0; facts->described && i < described.interfaces; i++)
		rule_facts_class(facts, interface[i].class);
}

enum host_choice host_wanted(const struct host_wishes *wishes, const struct rule_facts *facts,
			     struct use *why)
{
	const struct rule *rule;
	char place[96];

	if (held_find(&wishes->held, facts->vendor, facts->product, facts->serial, NULL,
		      facts->busid)) {
		text_format(why->reason, sizeof(why->reason),
			    "it is held, until 'usbiphp bind %s'", facts->busid);
		return HOST_LEAVE;
	}
	if (!facts->serial && held_needs_serial(&wishes->held, facts->vendor, facts->product))
		return HOST_NEEDS_STRINGS;
	switch (rules_judge(&wishes->rules, facts, &rule)) {
	case RULE_UNKNOWN:
		return HOST_NEEDS_STRINGS;
	case RULE_ALLOW:
		return HOST_TAKE;
	case RULE_DENY:
		break;
	}
	rule_place(&wishes->rules, rule, place, sizeof(place));
	text_format(why->reason, sizeof(why->reason), "denied by %s", place);
	return HOST_LEAVE;
}

enum host_choice host_choose(const struct sysfs *sysfs, const struct device *device,
			     const struct host_wishes *wishes,
			     const struct device_strings *strings, struct use *why)
{
	enum host_verdict verdict = host_judge(device, HOST_DRIVERLESS_MS);
	enum host_choice choice;
	struct rule_facts facts;

	if (verdict == HOST_HUB || verdict == HOST_IMPORTED) {
		text_format(why->reason, sizeof(why->reason), "%s",
			    verdict == HOST_HUB ? "it is a hub" : "it came over USB/IP");
		return HOST_LEAVE;
	}
	host_facts(sysfs, device, strings, &facts);
	choice = host_wanted(wishes, &facts, why);
	if (choice == HOST_TAKE && !wishes->take_all && device_use(sysfs, device->busid, why))
		choice = HOST_LEAVE;
	return choice;
}
