/* SPDX-License-Identifier: MIT */
/* Gathers the facts about a device for policy_decide(). The daemon, "usbiphp list" and --dry-run
 * use the same functions, so that they come to the same decision. */
#ifndef HOST_FACTS_H
#define HOST_FACTS_H

#include "host/engine.h"
#include "policy/policy.h"
#include "proto/op.h"
#include "sysfs/device.h"

/* A device as clients see it in a device list. The reply to an import describes it anew. */
struct device_record {
	struct op_device device;
	struct op_interface interface[OP_INTERFACES_MAX];
};

/*
 * The facts that rules ask for. Reads the device's descriptors once, for rules and for clients;
 * identity->described is false if that failed, and *record is not valid then. device and strings
 * must outlive identity; strings is NULL while they are not known.
 */
void facts_identify(const struct sysfs *sysfs, const struct device *device,
		    const struct device_strings *strings, struct rule_facts *identity,
		    struct device_record *record);
/* The facts that the scan tells; the others, with the identity, are zeros. No system calls. */
void facts_begin(const struct engine *engine, const struct device *device,
		 struct device_facts *facts);

/* Gathers what POLICY_ASK_NEED (by many system calls) or POLICY_ASK_ROOM asks for; returns false
 * for other verdicts. *binding: how many devices are about to be bound, which the engine has not
 * counted yet, and then this one, if it needs room. Room that cannot be found out counts as there:
 * the bind will tell. */
bool facts_gather(const struct engine *engine, const struct sysfs *sysfs,
		  const struct device *device, enum policy_verdict verdict, unsigned *binding,
		  struct device_facts *facts);

#endif
