/* SPDX-License-Identifier: MIT */
/* The USB devices of this machine. */
#include "sysfs/device.h"

#include "proto/text.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

/* The last part of the driver link's target; no link means no driver. */
static void read_driver(const struct sysfs *sysfs, struct device *device)
{
	char target[256];
	const char *name;

	if (sysfs_link(sysfs, target, sizeof(target), DEVICE_FILE, device->busid, "driver") < 0)
		return;
	name = strrchr(target, '/');
	text_format(device->driver, sizeof(device->driver), "%s", name ? name + 1 : target);
}

/* -errno: what of it cannot be read is no device, or not any more. */
static int read_numbers(const struct sysfs *sysfs, struct device *device)
{
	uint32_t vendor, product, class;
	int error = sysfs_read_number(sysfs, true, 0xffff, &vendor, DEVICE_FILE, device->busid,
				      "idVendor");

	if (!error)
		error = sysfs_read_number(sysfs, true, 0xffff, &product, DEVICE_FILE, device->busid,
					  "idProduct");
	if (!error)
		error = sysfs_read_number(sysfs, true, 0xff, &class, DEVICE_FILE, device->busid,
					  "bDeviceClass");
	if (error)
		return sysfs_short(error) ? error : -ENODEV;
	device->vendor = (uint16_t)vendor;
	device->product = (uint16_t)product;
	device->class = (uint8_t)class;
	return 0;
}

int device_read(const struct sysfs *sysfs, const char *busid, struct device *device)
{
	char target[PATH_MAX];
	ssize_t n;
	int error;

	if (!busid_is_device(busid))
		return -EINVAL;
	n = sysfs_link(sysfs, target, sizeof(target), DEVICE_DIR "%s", busid);
	if (n < 0)
		return sysfs_short((int)n) ? (int)n : -ENODEV;
	memset(device, 0, sizeof(*device));
	text_format(device->busid, sizeof(device->busid), "%s", busid);
	error = read_numbers(sysfs, device);
	if (error)
		return error;
	error = sysfs_read_number(sysfs, false, UINT16_MAX, &device->devnum, DEVICE_FILE, busid,
				  "devnum");
	if (sysfs_short(error))
		return error;
	text_format(device->name, sizeof(device->name), "%s (%04x:%04x)", busid,
		    (unsigned)device->vendor, (unsigned)device->product);
	device->on_vhci = strstr(target, "/vhci_hcd") != NULL;
	read_driver(sysfs, device);
	return 0;
}

struct scan {
	const struct sysfs *sysfs;
	void (*show)(void *ctx, const struct device *device);
	void *ctx;
	int error; /* what made it give up */
};

/* What is no device is left out. */
static bool see(void *ctx, const char *name)
{
	struct scan *scan = ctx;
	struct device device;
	int error = device_read(scan->sysfs, name, &device);

	if (!error)
		scan->show(scan->ctx, &device);
	else if (sysfs_short(error))
		scan->error = error;
	return scan->error != 0;
}

int device_scan(const struct sysfs *sysfs, void (*show)(void *ctx, const struct device *device),
		void *ctx)
{
	struct scan scan = { .sysfs = sysfs, .show = show, .ctx = ctx };
	int error = sysfs_entries(sysfs->root, DEVICE_DIR, see, &scan);

	return error > 0 ? scan.error : error;
}
