/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/device: the descriptors of real devices compared with the attributes of their
 * kernel, and made ones with every oddity; each cut off at every byte.
 */
#include "sysfs/device.h"

#include "tests/tree.h"

enum { BUF_MAX = 70000 };

/* The descriptors that are being made. */
static uint8_t buf[BUF_MAX];
static size_t len;

static struct op_device device;
static struct op_interface *interface; /* in a block of the exact size */

static void put(const void *bytes, size_t n)
{
	must(len + n <= BUF_MAX, "make descriptors");
	memcpy(buf + len, bytes, n);
	len += n;
}

#define PUT(...) put((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void put_device(void)
{
	len = 0;
	PUT(18, 1, 0x10, 3, 0xef, 2, 1, 64, 0x34, 0x12, 0x78, 0x56, 0xbc, 0x9a, 1, 2, 3, 2);
}

/* total: the length of the configuration with all descriptors that belong to it. */
static void put_configuration(size_t total)
{
	PUT(9, 2, (uint8_t)total, (uint8_t)(total >> 8), 7, 5, 0, 0x80, 50);
}

static void put_interface(uint8_t number, uint8_t alternate, uint8_t class)
{
	PUT(9, 4, number, alternate, 0, class, (uint8_t)(class + 1), (uint8_t)(class + 2), 0);
}

static void put_endpoint(void)
{
	PUT(7, 5, 0x81, 2, 0, 2, 0);
}

static int parse_bytes(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = block(bytes, n);
	int error;

	memset(&device, 0xee, sizeof(device));
	error = descriptors_parse(exact, n, &device, interface);
	block_free(exact);
	return error;
}

static int parse(void)
{
	return parse_bytes(buf, len);
}

/* Each class, its subclass and protocol as put_interface() makes them. */
static void interfaces_are(const uint8_t *class, unsigned n)
{
	CHECK_INT(device.interfaces, n);
	for (unsigned i = 0; i < n && i < device.interfaces; i++) {
		CHECK_INT(interface[i].class, class[i]);
		CHECK_INT(interface[i].subclass, (uint8_t)(class[i] + 1));
		CHECK_INT(interface[i].protocol, (uint8_t)(class[i] + 2));
	}
}

#define INTERFACES(...)                                                                            \
	interfaces_are((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void device_is_ours(void)
{
	CHECK_INT(device.class, 0xef);
	CHECK_INT(device.subclass, 2);
	CHECK_INT(device.protocol, 1);
	CHECK_INT(device.vendor, 0x1234);
	CHECK_INT(device.product, 0x5678);
	CHECK_INT(device.bcd_device, 0x9abc);
	CHECK_INT(device.configurations, 2);
}

static void simple(void)
{
	put_device();
	put_configuration(9 + 2 * (9 + 7));
	put_interface(0, 0, 8);
	put_endpoint();
	put_interface(1, 0, 3);
	put_endpoint();
	CHECK_INT(parse(), 0);
	device_is_ours();
	CHECK_INT(device.configuration, 5);
	INTERFACES(8, 3);
}

/* Alternate settings are no interfaces of their own; the first of each counts. */
static void alternate_settings(void)
{
	put_device();
	put_configuration(9 + 6 * 9 + 2 * 7);
	put_interface(1, 0, 0x0e);
	put_interface(1, 1, 0x20);
	put_endpoint();
	put_interface(0, 0, 1);
	put_interface(1, 2, 0x30);
	put_endpoint();
	put_interface(0, 1, 0x40);
	put_interface(255, 3, 0x50);
	CHECK_INT(parse(), 0);
	INTERFACES(0x0e, 1, 0x50);
}

/* Interface association, class-specific, SuperSpeed companion and unknown ones: stepped over. */
static void other_descriptors(void)
{
	put_device();
	put_configuration(9 + 8 + 9 + 13 + 5 + 7 + 6 + 2 + 9 + 9 + 11);
	PUT(8, 0x0b, 0, 2, 0x0e, 3, 0, 0);
	put_interface(0, 0, 0x0e);
	PUT(13, 0x24, 1, 0, 1, 9, 4, 9, 0, 0, 7, 7, 7); /* its content looks like an interface */
	PUT(5, 0x24, 6, 0, 1);
	put_endpoint();
	PUT(6, 0x30, 15, 0, 0, 0);
	PUT(2, 0xff);
	PUT(9, 0x21, 0x11, 1, 0, 1, 0x22, 0x3f, 0);
	put_interface(1, 0, 0x0e);
	PUT(11, 4, 2, 0, 0, 0x60, 0x61, 0x62, 0, 1, 2); /* longer than an interface is today */
	CHECK_INT(parse(), 0);
	INTERFACES(0x0e, 0x0e, 0x60);
}

static void several_configurations(void)
{
	put_device();
	put_configuration(9 + 9);
	put_interface(0, 0, 8);
	PUT(9, 2, 27, 0, 2, 6, 0, 0x80, 50);
	put_interface(0, 0, 3);
	put_interface(1, 0, 2);
	CHECK_INT(parse(), 0);
	CHECK_INT(device.configuration, 5);
	INTERFACES(8);
}

static void no_configuration(void)
{
	put_device();
	CHECK_INT(parse(), 0);
	device_is_ours();
	CHECK_INT(device.configuration, 0);
	interfaces_are(NULL, 0);
	/* another descriptor in its place */
	put_interface(0, 0, 8);
	CHECK_INT(parse(), 0);
	CHECK_INT(device.configuration, 0);
	interfaces_are(NULL, 0);
	/* one that is too short to be one */
	put_device();
	PUT(8, 2, 18, 0, 1, 5, 0, 0x80);
	put_interface(0, 0, 8);
	CHECK_INT(parse(), 0);
	CHECK_INT(device.configuration, 0);
	interfaces_are(NULL, 0);
}

/* A length of 0 must not end in an endless loop. */
static void no_length(void)
{
	for (uint8_t length = 0; length < 2; length++) {
		put_device();
		put_configuration(9 + 9 + 2 + 9);
		put_interface(0, 0, 8);
		PUT(length, 5);
		put_interface(1, 0, 3);
		CHECK_INT(parse(), 0);
		INTERFACES(8);
	}
}

static void length_beyond_the_end(void)
{
	put_device();
	put_configuration(9 + 9 + 9);
	put_interface(0, 0, 8);
	put_interface(1, 0, 3);
	for (int length = 10; length < 256; length++) {
		buf[18 + 9 + 9] = (uint8_t)length;
		CHECK_INT(parse(), 0);
		INTERFACES(8);
	}
	/* too short for an interface */
	buf[18 + 9 + 9] = 8;
	CHECK_INT(parse(), 0);
	INTERFACES(8);
	/* the first of all */
	buf[18 + 9] = 200;
	CHECK_INT(parse(), 0);
	interfaces_are(NULL, 0);
}

/* The configuration's own length may be longer. */
static void long_configuration(void)
{
	put_device();
	PUT(12, 2, 21, 0, 1, 9, 0, 0x80, 50, 9, 4, 9);
	put_interface(0, 0, 8);
	CHECK_INT(parse(), 0);
	CHECK_INT(device.configuration, 9);
	INTERFACES(8);
	buf[18] = 255;
	CHECK_INT(parse(), 0);
	interfaces_are(NULL, 0);
}

static void total_length(void)
{
	static const uint8_t class[] = { 8, 3 };

	for (unsigned total = 0; total < 300; total++) {
		put_device();
		put_configuration(total);
		put_interface(0, 0, 8);
		put_interface(1, 0, 3);
		CHECK_INT(parse(), 0);
		interfaces_are(class, total < 18 ? 0 : total < 27 ? 1 : 2);
	}
	put_device();
	put_configuration(0xffff);
	put_interface(0, 0, 8);
	CHECK_INT(parse(), 0);
	INTERFACES(8);
}

/* 256 numbers are possible, 255 fit; each counts once. */
static void most_interfaces(void)
{
	static uint8_t class[256];

	put_device();
	put_configuration(9 + 2 * 256 * 9);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 256; i++) {
			class[i] = (uint8_t)(i * 3);
			put_interface((uint8_t)(255 - i), 0, (uint8_t)(class[i] + round));
		}
	CHECK_INT(parse(), 0);
	interfaces_are(class, 255);
}

static void no_device(void)
{
	put_device();
	put_configuration(18);
	put_interface(0, 0, 8);
	for (int length = 0; length < 18; length++) {
		buf[0] = (uint8_t)length;
		CHECK_INT(parse(), -EPROTO);
		CHECK_INT(device.interfaces, 0);
		CHECK_INT(device.configuration, 0);
	}
	buf[0] = 18;
	for (int type = 0; type < 256; type++) {
		buf[1] = (uint8_t)type;
		CHECK_INT(parse(), type == 1 ? 0 : -EPROTO);
	}
	/* in the file each has the fixed size, whatever its length byte says */
	buf[0] = 19;
	buf[1] = 1;
	CHECK_INT(parse(), 0);
	INTERFACES(8);
}

/* Exactly the content of the first bytes of well-formed descriptors. */
static void truncated(const uint8_t *bytes, size_t whole)
{
	struct op_interface *want = block(NULL, OP_INTERFACES_MAX * sizeof(*want));
	unsigned interfaces;

	CHECK_INT(parse_bytes(bytes, whole), 0);
	interfaces = device.interfaces;
	memcpy(want, interface, interfaces * sizeof(*want));
	for (size_t cut = 0; cut <= whole; cut++) {
		bool seen[256] = { false };
		unsigned n = 0;

		CHECK_INT(parse_bytes(bytes, cut), cut < 18 ? -EPROTO : 0);
		if (cut < 18)
			continue;
		for (size_t at = 18; at < cut && at + bytes[at] <= cut; at += bytes[at]) {
			n += bytes[at + 1] == 4 && !seen[bytes[at + 2]];
			seen[bytes[at + 2]] = seen[bytes[at + 2]] || bytes[at + 1] == 4;
		}
		CHECK_INT(device.interfaces, n < interfaces ? n : interfaces);
		CHECK_BYTES(interface, want, device.interfaces * sizeof(*want));
		CHECK_INT(device.configuration, cut < 27 ? 0 : bytes[23]);
	}
	block_free(want);
}

static void every_truncation(void)
{
	simple();
	truncated(buf, len);
	alternate_settings();
	truncated(buf, len);
	other_descriptors();
	truncated(buf, len);
	most_interfaces();
	truncated(buf, len);
}

/* Whatever the bytes: it ends, within its bounds. */
static void every_byte(void)
{
	other_descriptors();
	for (size_t at = 0; at < len; at++) {
		uint8_t was = buf[at];

		for (int value = 0; value < 256; value++) {
			buf[at] = (uint8_t)value;
			parse();
		}
		buf[at] = was;
	}
}

/* Devices in trees. */
static unsigned described;

/* A number of the tree, read without any code of the product; -1: the file is empty. */
static long number(const char *busid, const char *name, int base)
{
	char path[PATH_MAX], *text, *stop;
	long n;

	snprintf(path, sizeof(path), "%s/" DEVICE_DIR "%s/%s", root, busid, name);
	text = file_read(path, NULL);
	must(text, path);
	n = strtol(text, &stop, base);
	if (stop == text)
		n = -1;
	free(text);
	return n;
}

/* The interfaces as the kernel shows them, if the device is configured. */
static void interfaces_as_shown(const char *busid, long configuration)
{
	for (unsigned i = 0; i < device.interfaces; i++) {
		char home[300];

		snprintf(home, sizeof(home), "%s/%s:%ld.%u", busid, busid, configuration, i);
		CHECK_INT(interface[i].class, number(home, "bInterfaceClass", 16));
		CHECK_INT(interface[i].subclass, number(home, "bInterfaceSubClass", 16));
		CHECK_INT(interface[i].protocol, number(home, "bInterfaceProtocol", 16));
	}
}

static void path_is(const char *busid)
{
	char path[PATH_MAX], real[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" DEVICE_DIR "%s", root, busid);
	must(realpath(path, real), path);
	snprintf(path, sizeof(path), "/sys%s", real + strlen(root));
	CHECK_STR(device.path, path);
}

static const char *speed_text(uint32_t speed)
{
	static const char *const text[] = { "unknown", "1.5\n",	 "12\n",   "480\n",
					    "53.3-480\n", "5000\n", "10000\n" };

	return text[speed % 7];
}

static void speed_is_shown(const char *busid)
{
	char path[PATH_MAX], *text;

	snprintf(path, sizeof(path), "%s/" DEVICE_DIR "%s/speed", root, busid);
	text = file_read(path, NULL);
	must(text, path);
	CHECK_STR(text, speed_text(device.speed));
	free(text);
}

static void as_shown(void *ctx, const struct device *d)
{
	const char *busid = d->busid;
	long configuration = number(busid, "bConfigurationValue", 10);

	(void)ctx;
	memset(&device, 0xee, sizeof(device));
	CHECK_INT(device_describe(&sysfs, busid, &device, interface), 0);
	CHECK_STR(device.busid, busid);
	path_is(busid);
	speed_is_shown(busid);
	CHECK_INT(device.busnum, number(busid, "busnum", 10));
	CHECK_INT(device.devnum, number(busid, "devnum", 10));
	CHECK_INT(device.vendor, d->vendor);
	CHECK_INT(device.product, d->product);
	CHECK_INT(device.bcd_device, number(busid, "bcdDevice", 16));
	CHECK_INT(device.class, d->class);
	CHECK_INT(device.subclass, number(busid, "bDeviceSubClass", 16));
	CHECK_INT(device.protocol, number(busid, "bDeviceProtocol", 16));
	CHECK_INT(device.configurations, number(busid, "bNumConfigurations", 10));
	if (!strcmp(busid, "1-2")) { /* its kernel has chosen the second configuration, which has the value 1 */
		CHECK_INT(configuration, 1);
		CHECK_INT(device.configuration, 2);
	} else if (configuration >= 0) {
		CHECK_INT(device.configuration, configuration);
		CHECK_INT(device.interfaces, number(busid, "bNumInterfaces", 10));
		interfaces_as_shown(busid, configuration);
	} else { /* bound, and the same stick as 2-5 */
		CHECK_STR(busid, "2-4");
		CHECK_INT(device.interfaces, 1);
		CHECK_BYTES(interface, ((const uint8_t[]){ 8, 6, 0x50 }), 3);
	}
	described++;
}

static void descriptors_truncated(void *ctx, const struct device *d)
{
	char path[PATH_MAX];
	size_t n;
	char *bytes;

	(void)ctx;
	snprintf(path, sizeof(path), "%s/" DEVICE_DIR "%s/descriptors", root, d->busid);
	bytes = file_read(path, &n);
	must(bytes, path);
	truncated((const uint8_t *)bytes, n);
	free(bytes);
}

static void captured(const char *path, const char *name)
{
	check_begin("t_descriptors: the devices of %s", name);
	start(path);
	described = 0;
	CHECK_INT(device_scan(&sysfs, as_shown, NULL), 0);
	CHECK(described >= 2);
	CHECK_INT(device_scan(&sysfs, descriptors_truncated, NULL), 0);
	end();
	check_end();
}

#define HOME "devices/pci0000:00/usb1/1-3"

static void put_described(const char *target)
{
	put_link(root, DEVICE_DIR "1-3", target);
	put_file(root, HOME "/busnum", "1\n");
	put_file(root, HOME "/devnum", "127\n");
	put_file(root, HOME "/speed", "480\n");
	simple();
	put_bytes(root, HOME "/descriptors", buf, len);
}

static int describe(const char *busid)
{
	memset(&device, 0xee, sizeof(device));
	return device_describe(&sysfs, busid, &device, interface);
}

static void whole(void)
{
	start(NULL);
	put_described("../../../" HOME);
	CHECK_INT(describe("1-3"), 0);
	CHECK_STR(device.path, "/sys/" HOME);
	CHECK_STR(device.busid, "1-3");
	CHECK_INT(device.busnum, 1);
	CHECK_INT(device.devnum, 127);
	CHECK_INT(device.speed, 3);
	device_is_ours();
	INTERFACES(8, 3);
	end();
}

static void files_missing(void)
{
	static const char *const names[] = { HOME "/busnum", HOME "/devnum", HOME "/speed",
					     HOME "/descriptors", DEVICE_DIR "1-3" };

	for (size_t i = 0; i < LENGTH(names); i++) {
		int error;

		start(NULL);
		put_described("../../../" HOME);
		take_away(root, names[i]);
		error = describe("1-3");
		if (strstr(names[i], "descriptors"))
			CHECK_INT(error, -ENOENT);
		else
			CHECK_INT(error, -ENODEV);
		CHECK_INT(describe("1-4"), -ENODEV);
		end();
	}
}

static void files_odd(void)
{
	start(NULL);
	put_described("../../../" HOME);
	put_file(root, HOME "/speed", "unknown\n");
	CHECK_INT(describe("1-3"), 0);
	CHECK_INT(device.speed, 0);
	put_file(root, HOME "/devnum", "65535\n");
	CHECK_INT(describe("1-3"), 0);
	CHECK_INT(device.devnum, 65535);
	put_file(root, HOME "/devnum", "65536\n"); /* a devid has only 16 bits for it */
	CHECK_INT(describe("1-3"), -ENODEV);
	put_file(root, HOME "/devnum", "-1\n");
	CHECK_INT(describe("1-3"), -ENODEV);
	put_file(root, HOME "/devnum", "1\n");
	put_file(root, HOME "/descriptors", "");
	CHECK_INT(describe("1-3"), -EPROTO);
	end();
}

static void no_bus_id(void)
{
	static const char *const names[] = { "", "usb1", "1-3:1.0", "../1-3", "1-3/", "1-3 " };

	start(NULL);
	put_described("../../../" HOME);
	for (size_t i = 0; i < LENGTH(names); i++)
		CHECK_INT(describe(names[i]), -EINVAL);
	end();
}

/* A link to elsewhere gives no path; one too long for the wire leaves it out. */
static void paths(void)
{
	char target[300] = "../../../";

	start(NULL);
	put_described("../../../" HOME);
	snprintf(target, sizeof(target), "%s/" HOME, root);
	put_link(root, DEVICE_DIR "1-3", target);
	CHECK_INT(describe("1-3"), 0);
	CHECK_STR(device.path, "");
	for (size_t n = 250; n < 260; n++) {
		/* as many "./" as it takes */
		strcpy(target, "../../../");
		while (strlen(target) + strlen(HOME) + 2 <= n)
			strcat(target, "./");
		if (strlen(target) + strlen(HOME) < n)
			strcat(target, "/");
		strcat(target, HOME);
		CHECK_INT(strlen(target), n);
		put_link(root, DEVICE_DIR "1-3", target);
		CHECK_INT(describe("1-3"), 0);
		CHECK_INT(strlen(device.path), n < OP_PATH_SIZE ? n + 5 - 9 : 0);
		CHECK(n >= OP_PATH_SIZE || !strcmp(device.path + 5, target + 9));
		INTERFACES(8, 3);
	}
	end();
}

/* 16 KiB are read: of the last descriptor that crosses the end nothing counts. */
static void big_descriptors(void)
{
	for (unsigned shift = 0; shift < 12; shift++) {
		static const uint8_t class[] = { 8, 3 };

		start(NULL);
		put_described("../../../" HOME);
		put_device();
		put_configuration(0xffff);
		put_interface(0, 0, 8);
		while (len < 16384 - 9 - 100)
			put_endpoint();
		PUT((uint8_t)(16384 - 9 - 2 + shift - len), 0xff);
		memset(buf + len, 4, 200);
		len = 16384 - 9 - 2 + shift;
		put_interface(1, 0, 3);
		put_interface(2, 0, 1);
		while (len < 60000)
			put_endpoint();
		put_bytes(root, HOME "/descriptors", buf, len);
		CHECK_INT(describe("1-3"), 0);
		interfaces_are(class, shift <= 2 ? 2 : 1);
		end();
	}
}

int main(void)
{
	interface = block(NULL, OP_INTERFACES_MAX * sizeof(*interface));
	RUN("t_descriptors: two interfaces", simple);
	RUN("t_descriptors: alternate settings", alternate_settings);
	RUN("t_descriptors: other descriptors", other_descriptors);
	RUN("t_descriptors: several configurations", several_configurations);
	RUN("t_descriptors: no configuration", no_configuration);
	RUN("t_descriptors: a descriptor without a length", no_length);
	RUN("t_descriptors: a descriptor that goes beyond the end", length_beyond_the_end);
	RUN("t_descriptors: a longer configuration descriptor", long_configuration);
	RUN("t_descriptors: total lengths that are wrong", total_length);
	RUN("t_descriptors: more interfaces than fit", most_interfaces);
	RUN("t_descriptors: no device descriptor", no_device);
	RUN("t_descriptors: every truncation", every_truncation);
	RUN("t_descriptors: every value of every byte", every_byte);
	each_file(FIXTURES "sysfs", ".tree", captured);
	RUN("t_descriptors: a device as a whole", whole);
	RUN("t_descriptors: files that are missing", files_missing);
	RUN("t_descriptors: files that say odd things", files_odd);
	RUN("t_descriptors: what is no bus id", no_bus_id);
	RUN("t_descriptors: paths", paths);
	RUN("t_descriptors: descriptors of more than 16 KiB", big_descriptors);
	block_free(interface);
	return check_status();
}
