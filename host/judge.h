/* SPDX-License-Identifier: MIT */
/* Which devices are exported: the server's decision, a pure function. */
#ifndef HOST_JUDGE_H
#define HOST_JUDGE_H

#include "sysfs/device.h"

#include <stdint.h>

enum host_verdict {
	HOST_BIND,	/* to be given to usbip-host */
	HOST_EXPORTED,	/* usbip-host has it already */
	HOST_HUB,	/* never: usbip-host refuses hubs, and what is behind one is what counts */
	HOST_IMPORTED,	/* never: it came in over USB/IP and would go round in a circle */
	HOST_WAIT,	/* no driver yet: the kernel may be about to give it one */
};

/* A device without a driver for so long has been looked at and found none. */
enum { HOST_DRIVERLESS_MS = 2000 };

/* driverless_ms: for how long the device has been seen without a driver. */
enum host_verdict host_judge(const struct device *device, uint64_t driverless_ms);

#endif
