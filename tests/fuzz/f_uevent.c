/* SPDX-License-Identifier: MIT */
/* Fuzz entry: uevent_parse(). Only a message that is terminated and has both keys matters. */
#include "sysfs/uevent.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uevent event, again;
	bool matters = uevent_parse((const char *)data, size, &event);

	if (matters) {
		HOLDS(size && !data[size - 1]);
		HOLDS(memmem(data, size, "DEVTYPE=usb_device", 19));
		HOLDS(memmem(data, size, "ACTION=remove", 14) ||
		      memmem(data, size, "ACTION=bind", 12));
		HOLDS(!event.stub || memmem(data, size, "DRIVER=usbip-host", 18));
		HOLDS(!event.on_vhci || memmem(data, size, "/vhci_hcd", 9));
	}
	HOLDS(uevent_parse((const char *)data, size, &again) == matters);
	HOLDS(event.stub == again.stub && event.on_vhci == again.on_vhci);
	return 0;
}
