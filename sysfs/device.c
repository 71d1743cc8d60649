/* SPDX-License-Identifier: MIT */
/* The USB devices of this machine. */
#include "sysfs/device.h"

#include "proto/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

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

int device_read(const struct sysfs *sysfs, const char *busid, struct device *device)
{
	char target[PATH_MAX];
	uint32_t vendor, product, class;

	if (!busid_is_device(busid))
		return -EINVAL;
	if (sysfs_link(sysfs, target, sizeof(target), DEVICE_DIR "%s", busid) < 0 ||
	    sysfs_read_number(sysfs, true, 0xffff, &vendor, DEVICE_FILE, busid, "idVendor") ||
	    sysfs_read_number(sysfs, true, 0xffff, &product, DEVICE_FILE, busid, "idProduct") ||
	    sysfs_read_number(sysfs, true, 0xff, &class, DEVICE_FILE, busid, "bDeviceClass"))
		return -ENODEV;
	memset(device, 0, sizeof(*device));
	text_format(device->busid, sizeof(device->busid), "%s", busid);
	text_format(device->name, sizeof(device->name), "%s (%04x:%04x)", busid, (unsigned)vendor,
		    (unsigned)product);
	device->vendor = (uint16_t)vendor;
	device->product = (uint16_t)product;
	device->class = (uint8_t)class;
	device->on_vhci = strstr(target, "/vhci_hcd") != NULL;
	read_driver(sysfs, device);
	return 0;
}

/* What getdents64(2) fills in: opendir() would bring an allocator along. */
struct entry {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

int device_scan(const struct sysfs *sysfs, void (*show)(void *ctx, const struct device *device),
		void *ctx)
{
	int dir = openat(sysfs->root, DEVICE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct entry) char buf[2048];
	struct device device;
	long n;

	if (dir < 0)
		return -errno;
	while ((n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			const struct entry *entry = (const void *)(buf + at);

			if (!device_read(sysfs, entry->name, &device))
				show(ctx, &device);
			at += entry->length;
		}
	n = n < 0 ? -errno : 0;
	close(dir);
	return (int)n;
}
