/* SPDX-License-Identifier: MIT */
/* The record of a device for the wire, from its descriptors and attributes. */
#include "sysfs/descriptors.h"

#include "lib/str.h"
#include "proto/usb.h"
#include "proto/wire.h"
#include "sysfs/device.h"

#include <errno.h>
#include <string.h>

enum {
	DESCRIPTORS_SIZE = 16384, /* longer ones are cut off */
	DEVICE_DESCRIPTOR = 1,
	DEVICE_DESCRIPTOR_SIZE = 18,
	CONFIGURATION_DESCRIPTOR = 2,
	CONFIGURATION_DESCRIPTOR_SIZE = 9,
	INTERFACE_DESCRIPTOR = 4,
	INTERFACE_DESCRIPTOR_SIZE = 9,
};

static bool descriptor_is(const uint8_t *p, size_t len, uint8_t type, uint8_t size)
{
	return len >= size && p[0] >= size && p[1] == type;
}

static void descriptors_parse_configuration(const uint8_t *p, size_t len,
					     struct op_device *device,
					     struct op_interface *interface)
{
	bool seen[256] = { false };
	size_t total = wire_load_le16(p + 2);

	device->configuration = p[5];
	if (total < len)
		len = total;
	for (size_t at = 0; at + 2 <= len && p[at] >= 2 && at + p[at] <= len; at += p[at]) {
		const uint8_t *d = p + at;

		if (!descriptor_is(d, len - at, INTERFACE_DESCRIPTOR, INTERFACE_DESCRIPTOR_SIZE) ||
		    seen[d[2]] || device->interfaces == OP_INTERFACES_MAX)
			continue;
		seen[d[2]] = true;
		interface[device->interfaces].class = d[5];
		interface[device->interfaces].subclass = d[6];
		interface[device->interfaces].protocol = d[7];
		device->interfaces++;
	}
}

int descriptors_parse(const uint8_t *buf, size_t len, struct op_device *device,
		      struct op_interface *interface)
{
	device->configuration = device->interfaces = 0;
	if (!descriptor_is(buf, len, DEVICE_DESCRIPTOR, DEVICE_DESCRIPTOR_SIZE))
		return -EPROTO;
	device->class = buf[4];
	device->subclass = buf[5];
	device->protocol = buf[6];
	device->vendor = wire_load_le16(buf + 8);
	device->product = wire_load_le16(buf + 10);
	device->bcd_device = wire_load_le16(buf + 12);
	device->configurations = buf[17];
	buf += DEVICE_DESCRIPTOR_SIZE;
	len -= DEVICE_DESCRIPTOR_SIZE;
	if (descriptor_is(buf, len, CONFIGURATION_DESCRIPTOR, CONFIGURATION_DESCRIPTOR_SIZE))
		descriptors_parse_configuration(buf, len, device, interface);
	return 0;
}

/* Reads the path below /sys from the link to the device. It only informs, so a path that is too
 * long is left out. */
static int device_read_path(const struct sysfs *sysfs, const char *busid, struct op_device *device)
{
	static const char up[] = "../../../";
	char target[OP_PATH_SIZE];
	ssize_t n = sysfs_read_link(sysfs, target, sizeof(target), DEVICE_DIR "%s", busid);

	if (n == -ENAMETOOLONG)
		return 0;
	if (n < 0)
		return -ENODEV;
	if (!strncmp(target, up, sizeof(up) - 1))
		str_format(device->path, sizeof(device->path), "/sys/%s", target + sizeof(up) - 1);
	return 0;
}

int device_describe(const struct sysfs *sysfs, const char *busid, struct op_device *device,
		    struct op_interface *interface)
{
	uint8_t descriptors[DESCRIPTORS_SIZE];
	char speed[16];
	ssize_t n;

	memset(device, 0, sizeof(*device));
	if (!busid_is_device(busid))
		return -EINVAL;
	str_format(device->busid, sizeof(device->busid), "%s", busid);
	if (device_read_path(sysfs, busid, device) ||
	    device_number(sysfs, busid, "busnum", &device->busnum) ||
	    device_number(sysfs, busid, "devnum", &device->devnum) ||
	    sysfs_read(sysfs, speed, sizeof(speed), DEVICE_FILE, busid, "speed") < 0)
		return -ENODEV;
	device->speed = usb_speed_parse(speed);
	n = sysfs_read_bytes(sysfs, descriptors, sizeof(descriptors), DEVICE_FILE, busid,
			     "descriptors");
	return n < 0 ? (int)n : descriptors_parse(descriptors, (size_t)n, device, interface);
}
