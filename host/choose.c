/* SPDX-License-Identifier: MIT */
/* Which devices the server leaves alone though it could take them, and why. */
#include "host/choose.h"

#include "host/judge.h"
#include "lib/str.h"
#include "sysfs/descriptors.h"
#include "sysfs/protect.h"

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
	facts->described = !device_describe(sysfs, device->busid, &described, interface);
	if (facts->described)
		rule_facts_add_classes(facts, &described, interface);
	rule_facts_add_class(facts, device->class);
}

enum rule_verdict host_choose(const struct sysfs *sysfs, const struct device *device,
			     const struct host_wishes *wishes,
			     const struct device_strings *strings, struct reason *why)
{
	enum host_verdict verdict = host_judge(device, HOST_DRIVERLESS_MS);
	enum rule_verdict wanted;
	struct rule_facts facts;

	if (verdict == HOST_HUB || verdict == HOST_IMPORTED) {
		str_format(why->text, sizeof(why->text), "%s",
			    verdict == HOST_HUB ? "it is a hub" : "it came over USB/IP");
		return RULE_DENY;
	}
	host_facts(sysfs, device, strings, &facts);
	wanted = policy_judge(&wishes->rules, &wishes->held, &facts, why);
	if (wanted == RULE_ALLOW && !wishes->take_all && protect_check(sysfs, device->busid, why))
		wanted = RULE_DENY;
	return wanted;
}
