/* SPDX-License-Identifier: MIT */
/* Fuzz entry: uevent_parse(). Only a message that is terminated and has both keys matters. */
#include "sysfs/device.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum uevent event = uevent_parse((const char *)data, size);

	HOLDS(event >= UEVENT_OTHER && event <= UEVENT_IMPORTED);
	if (event != UEVENT_OTHER) {
		HOLDS(size && !data[size - 1]);
		HOLDS(memmem(data, size, "DEVTYPE=usb_device", 19));
		HOLDS(memmem(data, size, "ACTION=remove", 14) ||
		      memmem(data, size, "ACTION=bind", 12));
		HOLDS(event == UEVENT_LOCAL || memmem(data, size, "/vhci_hcd", 9));
	}
	HOLDS(uevent_parse((const char *)data, size) == event);
	return 0;
}
