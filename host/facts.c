/* SPDX-License-Identifier: MIT */
/* Gathers the facts about a device of this machine for policy_decide(). */
#include "host/export.h"

#include "lib/str.h"
#include "lib/util.h"

#include <string.h>

void facts_identify(const struct sysfs *sysfs, const struct device *device,
		    const struct device_strings *strings, struct rule_facts *identity,
		    struct device_record *record)
{
	struct op_device *described = &record->device;

	memset(identity, 0, sizeof(*identity));
	identity->busid = device->busid;
	identity->vendor = device->vendor;
	identity->product = device->product;
	identity->serial = strings ? strings->serial : NULL;
	identity->product_name = strings ? strings->product : NULL;
	/* a device that the kernel is resetting has no number: clients need it */
	identity->described =
		!device_describe(sysfs, device->busid, described, record->interface) &&
		described->devnum;
	if (identity->described)
		rule_facts_set_classes(identity, described, record->interface);
	rule_facts_add_class(identity, device->class);
}

void facts_begin(const struct device *device, struct device_facts *facts)
{
	memset(facts, 0, sizeof(*facts));
	facts->is_hub = device->class == DEVICE_CLASS_HUB;
	facts->is_imported = device->on_vhci;
	facts->has_driver = device->driver[0];
	if (engine_find(device))
		facts->use = DEVICE_IDLE;
}

void facts_set_need(const struct protect_item *item, struct device_facts *facts)
{
	static const enum policy_answer answer[] = {
		[PROTECT_FREE] = POLICY_NO,
		[PROTECT_LATER] = POLICY_LATER,
		[PROTECT_NEEDED] = POLICY_YES,
	};

	facts->need.answer = answer[item->answer];
	facts->need.reason = item->reason;
	facts->blocked = item->blocked;
}
