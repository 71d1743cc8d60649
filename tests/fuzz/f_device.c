/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: device_read() on a tree whose attributes are the input, split at zero bytes: idVendor,
 * idProduct, bDeviceClass, usbip_status, and the target of the link to its driver.
 */
#include "sysfs/stub.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ATTRIBUTES = 4 };

static struct sysfs sysfs;
static int attribute[ATTRIBUTES], home;
static char root[64];

static void clean(void)
{
	static const char *const names[] = { "d/idVendor", "d/idProduct", "d/bDeviceClass",
					     "d/usbip_status", "d/driver", "bus/usb/devices/1-1" };
	static const char *const dirs[] = { "d", "bus/usb/devices", "bus/usb", "bus" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlinkat(sysfs.root, names[i], 0);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		unlinkat(sysfs.root, dirs[i], AT_REMOVEDIR);
	rmdir(root);
}

static void make_tree(void)
{
	static const char *const names[] = { "idVendor", "idProduct", "bDeviceClass",
					     "usbip_status" };
	int dir;

	/* in memory, if there is such a directory: it is written in every run */
	snprintf(root, sizeof(root), "%s/usbiphp-fuzz.XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	HOLDS(mkdtemp(root) && !sysfs_open(&sysfs, root));
	dir = sysfs.root;
	HOLDS(!mkdirat(dir, "bus", 0755) && !mkdirat(dir, "bus/usb", 0755) &&
	      !mkdirat(dir, "bus/usb/devices", 0755) && !mkdirat(dir, "d", 0755));
	HOLDS(!symlinkat("../../../d", dir, "bus/usb/devices/1-1"));
	home = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < ATTRIBUTES; i++) {
		attribute[i] = openat(home, names[i], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		HOLDS(attribute[i] >= 0);
	}
	atexit(clean);
}

static void set_attributes(const uint8_t *data, size_t size)
{
	char target[400];

	for (int i = 0; i < ATTRIBUTES; i++) {
		size_t len = strnlen((const char *)data, size);

		HOLDS(!ftruncate(attribute[i], 0));
		HOLDS(pwrite(attribute[i], data, len, 0) == (ssize_t)len);
		data += len + (len < size);
		size -= len + (len < size);
	}
	unlinkat(home, "driver", 0);
	if (!size || size >= sizeof(target))
		return;
	memcpy(target, data, size);
	target[size] = '\0';
	if (target[0])
		HOLDS(!symlinkat(target, home, "driver"));
}

/* The value of the attribute, if it is a number, by other code than the product's. */
static long value_of(int fd)
{
	char text[32], *end;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	HOLDS(n >= 0);
	text[n] = '\0';
	n = strtol(text, &end, 16);
	return *end && strcmp(end, "\n") ? -1 : n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct device *device = malloc(sizeof(*device));
	char name[64];
	int error;

	HOLDS(device);
	if (!home)
		make_tree();
	set_attributes(data, size);
	error = device_read(&sysfs, "1-1", device);
	HOLDS(error == 0 || error == -ENODEV);
	if (!error) {
		HOLDS(device->vendor == value_of(attribute[0]));
		HOLDS(device->product == value_of(attribute[1]));
		HOLDS(device->class == value_of(attribute[2]));
		snprintf(name, sizeof(name), "1-1 (%04x:%04x)", device->vendor, device->product);
		HOLDS(!strcmp(device->name, name) && !strcmp(device->busid, "1-1"));
		HOLDS(memchr(device->driver, 0, sizeof(device->driver)));
		HOLDS(!strchr(device->driver, '/') && !device->on_vhci);
	}
	error = stub_status(&sysfs, "1-1");
	HOLDS(error >= -ERANGE - 4096 && error <= UINT16_MAX);
	free(device);
	return 0;
}
