/* SPDX-License-Identifier: MIT */
/*
 * sysfs/device: any descriptors of every length up to MAX, in a block that ends with them.
 * SOURCES: sysfs/device.c lib/str.c proto/usb.c
 * HINT: sysfs/device.c:		if (!descriptor_is(d, len - at, INTERFACE_DESCRIPTOR:		//@ dynamic_split at;
 * EVA: -eva-precision 2 -eva-slevel 10000 -eva-split-limit 10000 -eva-split-return full
 */
#include "sysfs/device.h"

#include "tests/prove/prove.h"

#include <errno.h>

/* The device, its configuration and some interfaces with an endpoint. */
enum { MAX = 18 + 9 + 2 * (9 + 7) };

static uint8_t block[MAX];
static struct op_interface interface[OP_INTERFACES_MAX];

static void descriptors_parsed(size_t len)
{
	struct op_device device;
	int error;

	any_bytes(block, sizeof(block));
	error = descriptors_parse(block + sizeof(block) - len, len, &device, interface);
	/*@ assert result: error == 0 || error == -EPROTO; */
	/*@ assert whole: \initialized(&device.configuration) &&
	        \initialized(&device.interfaces); */
	if (!error) {
		/*@ assert device: \initialized(&device.class) && \initialized(&device.subclass) &&
		        \initialized(&device.protocol) && \initialized(&device.vendor) &&
		        \initialized(&device.product) && \initialized(&device.bcd_device) &&
		        \initialized(&device.configurations); */
		/*@ assert interfaces: device.interfaces <= len / 9; */
	}
}

void prove_descriptors_parse(void)
{
	size_t len = any_size(0, MAX);

	/*@ split len; */
	descriptors_parsed(len);
	END();
}
