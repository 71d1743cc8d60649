/* SPDX-License-Identifier: MIT */
/* Which devices are exported: the server's decision, a pure function. */
#include "host/judge.h"

#include "sysfs/stub.h"

#include <string.h>

enum host_verdict host_judge(const struct device *device, uint64_t driverless_ms)
{
	if (device->class == DEVICE_CLASS_HUB)
		return HOST_HUB;
	if (device->on_vhci)
		return HOST_IMPORTED;
	if (!strcmp(device->driver, STUB_DRIVER))
		return HOST_EXPORTED;
	if (!device->driver[0] && driverless_ms < HOST_DRIVERLESS_MS)
		return HOST_WAIT;
	return HOST_BIND;
}
