/* SPDX-License-Identifier: MIT */
/* Fuzz entry: descriptors_parse(). Each interface number is counted once, and the interfaces are those of the input. */
#include "proto/usb.h"
#include "sysfs/device.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct op_interface interface[OP_INTERFACES_MAX], again[OP_INTERFACES_MAX];
	static uint8_t record[OP_RECORD_MAX];
	struct op_device a, b;
	char *text = fuzz_string(data, size);

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	HOLDS(usb_speed_parse(text) <= 6);
	free(text);
	if (descriptors_parse(data, size, &a, interface)) {
		HOLDS(size < 18 || data[0] < 18 || data[1] != 1);
		return 0;
	}
	HOLDS(size >= 18 && a.vendor == (data[8] | data[9] << 8) && a.configurations == data[17]);
	HOLDS(!a.interfaces || size >= 27 + 9u * a.interfaces);
	HOLDS(!descriptors_parse(data, size, &b, again));
	HOLDS(!memcmp(&a, &b, sizeof(a)));
	HOLDS(!memcmp(interface, again, a.interfaces * sizeof(*interface)));
	HOLDS(op_record_encode(record, sizeof(record), &a, interface) > 0);
	return 0;
}
