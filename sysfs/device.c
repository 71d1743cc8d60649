/* SPDX-License-Identifier: MIT */
/* The USB devices of this machine, and their records for the wire. */
#include "sysfs/device.h"

#include "lib/str.h"
#include "proto/wire.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum {
	DESCRIPTORS_SIZE = 16384, /* longer ones are cut off */
	DEVICE_DESCRIPTOR = 1,
	DEVICE_DESCRIPTOR_SIZE = 18,
	CONFIGURATION_DESCRIPTOR = 2,
	INTERFACE_DESCRIPTOR = 4,
	OTHER_DESCRIPTOR_SIZE = 9, /* of these two */
};

struct sysfs_path device_path(const char *busid, const char *attribute)
{
	return sysfs_path(DEVICE_DIR "%s/%s", busid, attribute);
}

int device_number(const struct sysfs *sysfs, const char *busid, const char *attribute)
{
	return sysfs_read_number(sysfs, false, UINT16_MAX, device_path(busid, attribute).text);
}

int device_address(const struct sysfs *sysfs, const char *busid, uint16_t *bus, uint16_t *number)
{
	int first = device_number(sysfs, busid, "busnum");
	int second = device_number(sysfs, busid, "devnum");

	if (first < 0 || second < 0)
		return first < 0 ? first : second;
	*bus = (uint16_t)first;
	*number = (uint16_t)second;
	return 0;
}

bool device_is_authorized(const struct sysfs *sysfs, const char *busid)
{
	return device_number(sysfs, busid, "authorized") != 0;
}

int device_read_link(const struct sysfs *sysfs, const char *link, char name[DEVICE_DRIVER_SIZE])
{
	char target[PATH_MAX], *slash;
	ssize_t n = sysfs_read_link(sysfs, target, sizeof(target), link);

	if (n < 0)
		return (int)n;
	slash = strrchr(target, '/'); /* "../../../../bus/usb/drivers/usbhid" */
	str_copy(name, DEVICE_DRIVER_SIZE, slash ? slash + 1 : target);
	return 0;
}

int device_read(const struct sysfs *sysfs, const char *busid, struct device *device)
{
	static const char attribute[][13] = { "bDeviceClass", "idVendor", "idProduct" };
	struct sysfs_path link = sysfs_path(DEVICE_DIR "%s", busid);
	char target[PATH_MAX];
	int number[3], devnum, error;

	if (!busid_is_device(busid))
		return -EINVAL;
	error = (int)sysfs_read_link(sysfs, target, sizeof(target), link.text);
	for (unsigned i = 0; error >= 0 && i < 3; i++)
		error = number[i] = sysfs_read_number(sysfs, true, i ? UINT16_MAX : UINT8_MAX,
						      device_path(busid, attribute[i]).text);
	/* an entry without these attributes is no device, or not any more */
	if (error < 0)
		return error_is_resource(error) ? error : -ENODEV;
	devnum = device_number(sysfs, busid, "devnum");
	if (error_is_resource(devnum))
		return devnum;
	memset(device, 0, sizeof(*device));
	device->class = (uint8_t)number[0];
	device->vendor = (uint16_t)number[1];
	device->product = (uint16_t)number[2];
	device->devnum = devnum < 0 ? 0 : (uint32_t)devnum;
	device->on_vhci = strstr(target, "/vhci_hcd") != NULL;
	str_copy(device->busid, sizeof(device->busid), busid);
	str_format(device->name, sizeof(device->name), "%s (%04x:%04x)", busid, device->vendor,
		   device->product);
	device_read_link(sysfs, device_path(busid, "driver").text, device->driver);
	return 0;
}

struct driver_list {
	const struct sysfs *sysfs;
	const char *busid;
	char *text;
	size_t size;
};

static bool drivers_include(const char *list, const char *driver)
{
	size_t len = strlen(driver);

	for (const char *at = list; (at = strstr(at, driver)); at += len)
		if ((at == list || at[-1] == ' ') && (!at[len] || at[len] == ','))
			return true;
	return false;
}

/* Of the entries of a device, "1-1:1.0" is an interface. */
static bool drivers_add_interface(void *ctx, const char *name)
{
	struct driver_list *list = ctx;
	size_t len = strlen(list->text);
	char driver[DEVICE_DRIVER_SIZE];
	struct sysfs_path link = sysfs_path(DEVICE_DIR "%s/%s/driver", list->busid, name);

	if (strchr(name, ':') && !device_read_link(list->sysfs, link.text, driver) &&
	    !drivers_include(list->text, driver))
		str_format(list->text + len, list->size - len, "%s%s", len ? ", " : "", driver);
	return false;
}

void device_read_drivers(const struct sysfs *sysfs, const char *busid, char *drivers, size_t size)
{
	struct driver_list list = { sysfs, busid, drivers, size };
	char driver[DEVICE_DRIVER_SIZE];

	*drivers = '\0';
	sysfs_each_entry(sysfs->root, sysfs_path(DEVICE_DIR "%s", busid).text,
			 drivers_add_interface, &list);
	if (*drivers)
		return;
	if (device_read_link(sysfs, device_path(busid, "driver").text, driver))
		str_copy(driver, sizeof(driver), "?");
	str_copy(drivers, size, driver);
}

struct device_scan {
	const struct sysfs *sysfs;
	void (*visit)(void *ctx, const struct device *device);
	void *ctx;
	int error;
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

		if (!descriptor_is(d, len - at, INTERFACE_DESCRIPTOR, OTHER_DESCRIPTOR_SIZE) ||
		    seen[d[2]] || device->interfaces == OP_INTERFACES_MAX)
			continue;
		seen[d[2]] = true;
		interface[device->interfaces++] = (struct op_interface){ d[5], d[6], d[7] };
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
	if (descriptor_is(buf, len, CONFIGURATION_DESCRIPTOR, OTHER_DESCRIPTOR_SIZE))
		descriptors_parse_configuration(buf, len, device, interface);
	return 0;
}

int device_describe(const struct sysfs *sysfs, const char *busid, struct op_device *device,
		    struct op_interface *interface)
{
	static const char up[] = "../../../";
	struct sysfs_path link = sysfs_path(DEVICE_DIR "%s", busid);
	static uint8_t descriptors[DESCRIPTORS_SIZE]; /* the stack would be touched as a whole */
	char target[OP_PATH_SIZE], speed[16];
	int busnum, devnum;
	ssize_t n;

	memset(device, 0, sizeof(*device));
	if (!busid_is_device(busid))
		return -EINVAL;
	str_copy(device->busid, sizeof(device->busid), busid);
	/* the path below /sys only informs: one that is too long is left out */
	n = sysfs_read_link(sysfs, target, sizeof(target), link.text);
	if (n >= 0 && !strncmp(target, up, sizeof(up) - 1))
		str_format(device->path, sizeof(device->path), "/sys/%s", target + sizeof(up) - 1);
	busnum = device_number(sysfs, busid, "busnum");
	devnum = device_number(sysfs, busid, "devnum");
	if ((n < 0 && n != -ENAMETOOLONG) || busnum < 0 || devnum < 0 ||
	    sysfs_read(sysfs, speed, sizeof(speed), device_path(busid, "speed").text) < 0)
		return -ENODEV;
	device->busnum = (uint32_t)busnum;
	device->devnum = (uint32_t)devnum;
	device->speed = usb_speed_parse(speed);
	n = sysfs_read_bytes(sysfs, descriptors, sizeof(descriptors),
			     device_path(busid, "descriptors").text);
	return n < 0 ? (int)n : descriptors_parse(descriptors, (size_t)n, device, interface);
}

static void device_read_string(const struct sysfs *sysfs, const char *busid, const char *attribute,
			       char *string)
{
	char text[SYSFS_ATTRIBUTE_SIZE];
	ssize_t n = sysfs_read_bytes(sysfs, text, sizeof(text), device_path(busid, attribute).text);
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
