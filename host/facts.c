/* SPDX-License-Identifier: MIT */
/* Gathers the facts about a device of this machine for policy_decide(). */
#include "host/export.h"

#include "lib/str.h"
#include "sysfs/protect.h"

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

void facts_begin(const struct engine *engine, const struct device *device,
		 struct device_facts *facts)
{
	memset(facts, 0, sizeof(*facts));
	facts->is_hub = device->class == DEVICE_CLASS_HUB;
	facts->is_imported = device->on_vhci;
	facts->has_driver = device->driver[0];
	if (engine->has(device))
		facts->use = DEVICE_IDLE;
}

static void ask_room(const struct engine *engine, const struct sysfs *sysfs, const char *busid,
		     unsigned *binding, struct policy_fact *fact)
{
	struct engine_room room;

	fact->answer = POLICY_YES;
	if (engine->room(sysfs, busid, &room) || room.listed)
		return;
	if (room.used + (*binding)++ < room.max)
		return;
	fact->answer = POLICY_NO;
	str_format(fact->reason.text, sizeof(fact->reason.text), "%s knows at most %u bus ids",
		   engine->name, room.max);
}

bool facts_gather(const struct engine *engine, const struct sysfs *sysfs,
		  const struct device *device, enum policy_verdict verdict, unsigned *binding,
		  struct device_facts *facts)
{
	const char *busid = device->busid;
	struct policy_fact *need = &facts->need;

	if (verdict == POLICY_ASK_NEED)
		need->answer = protect_check(sysfs, busid, &need->reason) ? POLICY_YES : POLICY_NO;
	else if (verdict == POLICY_ASK_ROOM)
		ask_room(engine, sysfs, busid, binding, &facts->room);
	else
		return false;
	return true;
}
