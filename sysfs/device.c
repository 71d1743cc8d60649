/* SPDX-License-Identifier: MIT */
/* The USB devices of this machine. */
#include "sysfs/device.h"

#include "lib/str.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

/* The driver is the last part of its link's target; a device without a link has no driver. */
static void device_read_driver(const struct sysfs *sysfs, struct device *device)
{
	char target[256];
	const char *name;

	if (sysfs_read_link(sysfs, target, sizeof(target), DEVICE_FILE, device->busid,
			    "driver") < 0)
		return;
	name = strrchr(target, '/');
	str_format(device->driver, sizeof(device->driver), "%s", name ? name + 1 : target);
}

int device_number(const struct sysfs *sysfs, const char *busid, const char *attribute,
		  uint32_t *value)
{
	return sysfs_read_number(sysfs, false, UINT16_MAX, value, DEVICE_FILE, busid, attribute);
}

int device_read(const struct sysfs *sysfs, const char *busid, struct device *device)
{
	static const char attribute[][13] = { "bDeviceClass", "idVendor", "idProduct" };
	char target[PATH_MAX];
	uint32_t number[3];
	int error;

	if (!busid_is_device(busid))
		return -EINVAL;
	error = (int)sysfs_read_link(sysfs, target, sizeof(target), DEVICE_DIR "%s", busid);
	for (unsigned i = 0; error >= 0 && i < 3; i++)
		error = sysfs_read_number(sysfs, true, i ? UINT16_MAX : UINT8_MAX, &number[i],
					  DEVICE_FILE, busid, attribute[i]);
	/* an entry without these attributes is no device, or not any more */
	if (error < 0)
		return error_is_resource(error) ? error : -ENODEV;
	memset(device, 0, sizeof(*device));
	error = device_number(sysfs, busid, "devnum", &device->devnum);
	if (error_is_resource(error))
		return error;
	device->class = (uint8_t)number[0];
	device->vendor = (uint16_t)number[1];
	device->product = (uint16_t)number[2];
	device->on_vhci = strstr(target, "/vhci_hcd") != NULL;
	str_format(device->busid, sizeof(device->busid), "%s", busid);
	str_format(device->name, sizeof(device->name), "%s (%04x:%04x)", busid, number[1],
		   number[2]);
	device_read_driver(sysfs, device);
	return 0;
}

struct device_scan {
	const struct sysfs *sysfs;
	void (*visit)(void *ctx, const struct device *device);
	void *ctx;
	int error; /* that ended the scan */
};

/* Entries that are no devices are left out. */
static bool device_scan_entry(void *ctx, const char *name)
{
	struct device_scan *scan = ctx;
	struct device device;
	int error = device_read(scan->sysfs, name, &device);

	if (!error)
		scan->visit(scan->ctx, &device);
	else if (error_is_resource(error))
		scan->error = error;
	return scan->error != 0;
}

int device_scan(const struct sysfs *sysfs, void (*visit)(void *ctx, const struct device *device),
		void *ctx)
{
	struct device_scan scan = { .sysfs = sysfs, .visit = visit, .ctx = ctx };
	int error = sysfs_each_entry(sysfs->root, DEVICE_DIR, device_scan_entry, &scan);

	return error > 0 ? scan.error : error;
}

static void device_read_string(const struct sysfs *sysfs, const char *busid, const char *attribute,
			       char *string)
{
	uint8_t text[SYSFS_ATTRIBUTE_SIZE];
	ssize_t n = sysfs_read_bytes(sysfs, text, sizeof(text), DEVICE_FILE, busid, attribute);
	size_t len = n > 0 && text[n - 1] == '\n' ? (size_t)n - 1 : 0;

	if (len >= DEVICE_STRING_SIZE) {
		len = DEVICE_STRING_SIZE - 1;
		while (len && (text[len] & 0xc0) == 0x80) /* in the middle of a character */
			len--;
	}
	memcpy(string, text, len);
	string[len] = '\0';
}

void device_strings_read(const struct sysfs *sysfs, const char *busid,
			 struct device_strings *strings)
{
	device_read_string(sysfs, busid, "serial", strings->serial);
	device_read_string(sysfs, busid, "product", strings->product);
	device_read_string(sysfs, busid, "manufacturer", strings->maker);
}
