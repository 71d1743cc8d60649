/* SPDX-License-Identifier: MIT */
/* Which devices the server leaves alone though it could take them, and why. */
#ifndef HOST_CHOOSE_H
#define HOST_CHOOSE_H

#include "loop/held.h"
#include "loop/rules.h"
#include "sysfs/device.h"
#include "sysfs/use.h"

struct host_wishes {
	struct rules rules;
	struct held held; /* in the role "server" */
	bool take_all;	  /* also what this machine needs */
};

enum host_choice {
	HOST_TAKE,
	HOST_LEAVE,
	HOST_NEEDS_STRINGS, /* to know */
};

/* What is known of it; device and strings must outlive facts. strings is NULL: not known. */
void host_facts(const struct sysfs *sysfs, const struct device *device,
		const struct device_strings *strings, struct rule_facts *facts);

/* By what a person wants: held, or denied to everybody. why is set with HOST_LEAVE. */
enum host_choice host_wanted(const struct host_wishes *wishes, const struct rule_facts *facts,
			     struct use *why);

/* The same, and by what the device is (a hub, imported) and what this machine needs. */
enum host_choice host_choose(const struct sysfs *sysfs, const struct device *device,
			     const struct host_wishes *wishes,
			     const struct device_strings *strings, struct use *why);

#endif
