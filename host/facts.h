/* SPDX-License-Identifier: MIT */
/*
 * Gathers the facts about a device of this machine for policy_decide(). The daemon, "usbiphp list"
 * and --dry-run use the same functions, so that they come to the same decision.
 */
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
/* The facts that are known from the scan; all others are zeros. No system calls. */
void facts_begin(const struct engine *engine, const struct device *device,
		 const struct rule_facts *identity, struct device_facts *facts);

/* For POLICY_ASK_NEED; costs many system calls. */
void facts_ask_need(const struct sysfs *sysfs, const struct device *device,
		    struct policy_fact *need);
/*
 * For POLICY_ASK_ROOM. others: devices that are about to be bound, which the engine has not counted
 * yet. If its room cannot be found out the answer is yes: the bind will tell. Returns whether the
 * device would take room that it does not have yet.
 */
bool facts_ask_room(const struct engine *engine, const struct sysfs *sysfs,
		    const struct device *device, unsigned others, struct policy_fact *room);

#endif
