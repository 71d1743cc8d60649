/* SPDX-License-Identifier: MIT */
/* Which devices the server leaves alone though it could take them, and why. */
#ifndef HOST_CHOOSE_H
#define HOST_CHOOSE_H

#include "policy/policy.h"
#include "sysfs/device.h"

struct host_wishes {
	struct rules rules;
	struct holds held; /* in the role "server" */
	bool take_all;	  /* also what this machine needs */
};

/* What is known of it; device and strings must outlive facts. strings is NULL: not known. */
void host_facts(const struct sysfs *sysfs, const struct device *device,
		const struct device_strings *strings, struct rule_facts *facts);

/*
 * By what the device is (a hub, imported), what a person wants, and what this machine needs. why is
 * set with RULE_DENY.
 */
enum rule_verdict host_choose(const struct sysfs *sysfs, const struct device *device,
			      const struct host_wishes *wishes,
			      const struct device_strings *strings, struct reason *why);

#endif
