/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/sysfs and sysfs/device on trees captured from real kernels and on made ones.
 * LINK: -Wl,--wrap=openat
 */
#include "sysfs/device.h"

#include "tests/openat.h"
#include "tests/tree.h"

static struct device seen[64];
static unsigned count;

static void show(void *ctx, const struct device *device)
{
	CHECK(ctx == &sysfs);
	must(count < LENGTH(seen), "keep all devices");
	seen[count++] = *device;
}

static int scan(void)
{
	count = 0;
	return device_scan(&sysfs, show, &sysfs);
}

static const struct device *find(const char *busid)
{
	static const struct device none;

	for (unsigned i = 0; i < count; i++)
		if (!strcmp(seen[i].busid, busid))
			return &seen[i];
	check_fault(__FILE__, __LINE__, "no %s", busid);
	return &none;
}

static void device_is(const char *busid, const char *name, const char *driver, unsigned class,
		      bool on_vhci)
{
	const struct device *d = find(busid);

	CHECK_STR(d->name, name);
	CHECK_STR(d->driver, driver);
	CHECK_INT(d->class, class);
	CHECK_INT(d->on_vhci, on_vhci);
}

static void host(const char *tree)
{
	start(tree);
	CHECK_INT(scan(), 0);
	CHECK_INT(count, 6);
	device_is("1-1", "1-1 (0409:55aa)", "usb", 9, false);
	device_is("1-1.2", "1-1.2 (0627:0001)", "usb", 0, false);
	device_is("1-2", "1-2 (0525:a4a2)", "usb", 2, false);
	device_is("1-3", "1-3 (0627:0001)", "usb", 0, false);
	device_is("2-4", "2-4 (46f4:0001)", "usbip-host", 0, false);
	device_is("2-5", "2-5 (46f4:0001)", "usb", 0, false);
	CHECK_INT(find("1-2")->vendor, 0x0525);
	CHECK_INT(find("1-2")->product, 0xa4a2);
	end();
}

static void host_trees(void)
{
	host(FIXTURES "sysfs/host-6.1.tree");
	host(FIXTURES "sysfs/host-6.12.tree");
}

static void client_trees(void)
{
	static const char *const trees[] = { FIXTURES "sysfs/client-6.1.tree",
					     FIXTURES "sysfs/client-6.12.tree" };

	for (size_t i = 0; i < LENGTH(trees); i++) {
		start(trees[i]);
		CHECK_INT(scan(), 0);
		CHECK_INT(count, 2);
		device_is("3-1", "3-1 (0627:0001)", "usb", 0, true);
		device_is("4-1", "4-1 (46f4:0001)", "usb", 0, true);
		end();
	}
}

/* One machine on both sides: the same stick as exported, and as imported. */
static void loop_tree(void)
{
	start(FIXTURES "sysfs/both-loop.tree");
	CHECK_INT(scan(), 0);
	CHECK_INT(count, 7);
	device_is("2-4", "2-4 (46f4:0001)", "usbip-host", 0, false);
	device_is("4-1", "4-1 (46f4:0001)", "usb", 0, true);
	device_is("1-1", "1-1 (0409:55aa)", "usb", 9, false);
	end();
}

#define HOME "devices/pci0000:00/usb1/1-3"

static void make_device(void)
{
	put_file(root, HOME "/idVendor", "0627\n");
	put_file(root, HOME "/idProduct", "00aF\n");
	put_file(root, HOME "/bDeviceClass", "ef\n");
	put_link(root, HOME "/driver", "../../../../bus/usb/drivers/usb");
	put_link(root, DEVICE_DIR "1-3", "../../../" HOME);
}

static void one_device(void)
{
	struct device d;

	start(NULL);
	make_device();
	CHECK_INT(device_read(&sysfs, "1-3", &d), 0);
	CHECK_STR(d.busid, "1-3");
	CHECK_STR(d.name, "1-3 (0627:00af)");
	CHECK_STR(d.driver, "usb");
	CHECK_INT(d.vendor, 0x0627);
	CHECK_INT(d.product, 0x00af);
	CHECK_INT(d.class, 0xef);
	CHECK(!d.on_vhci);
	put_link(root, HOME "/driver", "usbip-host");
	CHECK_INT(device_read(&sysfs, "1-3", &d), 0);
	CHECK_STR(d.driver, "usbip-host");
	take_away(root, HOME "/driver");
	CHECK_INT(device_read(&sysfs, "1-3", &d), 0);
	CHECK_STR(d.driver, "");
	end();
}

/* Each attribute in turn is missing, as during an unplug; or it is no number. */
static void vanished(void)
{
	static const char *const files[] = { HOME "/idVendor", HOME "/idProduct",
					     HOME "/bDeviceClass", DEVICE_DIR "1-3" };
	struct device d;

	for (size_t i = 0; i < LENGTH(files); i++) {
		start(NULL);
		make_device();
		take_away(root, files[i]);
		CHECK_INT(device_read(&sysfs, "1-3", &d), -ENODEV);
		CHECK_INT(scan(), 0);
		CHECK_INT(count, 0);
		end();
	}
}

static void rubbish(void)
{
	static const char *const texts[] = { "", "\n", "xyzw\n", "10000\n", "-1\n", "0x12\n",
					     "1 2\n", "0627\n\n", "\xff\xff\n" };
	struct device d;

	for (size_t i = 0; i < LENGTH(texts); i++) {
		start(NULL);
		make_device();
		put_file(root, HOME "/idProduct", texts[i]);
		CHECK_INT(device_read(&sysfs, "1-3", &d), -ENODEV);
		end();
	}
	start(NULL);
	make_device();
	put_file(root, HOME "/bDeviceClass", "100\n");
	CHECK_INT(device_read(&sysfs, "1-3", &d), -ENODEV);
	end();
}

static void bad_names(void)
{
	static const char *const names[] = { "", ".", "..", "usb1", "1-3:1.0", "../1-3",
					     "1-3/../1-3", "0-1" };
	struct device d;

	start(NULL);
	make_device();
	put_link(root, DEVICE_DIR "usb1", "../../../" HOME);
	put_link(root, DEVICE_DIR "1-3:1.0", "../../../" HOME);
	for (size_t i = 0; i < LENGTH(names); i++)
		CHECK(device_read(&sysfs, names[i], &d) < 0);
	CHECK_INT(device_read(&sysfs, "1-4", &d), -ENODEV);
	CHECK_INT(scan(), 0);
	CHECK_INT(count, 1);
	end();
}

/* The name of a driver that does not fit is cut off, not written behind its end. */
static void long_driver(void)
{
	struct device *d = calloc(1, sizeof(*d));

	start(NULL);
	make_device();
	put_link(root, HOME "/driver", "../drivers/a_driver_whose_name_is_longer_than_any_real_one");
	CHECK_INT(device_read(&sysfs, "1-3", d), 0);
	CHECK(strlen(d->driver) < sizeof(d->driver));
	end();
	free(d);
}

static void no_usb(void)
{
	start(NULL);
	CHECK_INT(scan(), -ENOENT);
	end();
	CHECK(sysfs_open(&sysfs, "/nonexistent/sys") == -ENOENT);
}

static void is_directory(int dir, const char *path)
{
	struct stat st, want;

	must(!stat(path, &want), path);
	CHECK(!fstat(dir, &st) && st.st_ino == want.st_ino && st.st_dev == want.st_dev);
}

/* Whether a directory is the kernel's is told by what it is, not by how its path is written. */
static void kernels_or_fake(void)
{
	static const char *const paths[] = { "/sys", "/sys/", "//sys", "/sys/.", "/proc/../sys", "sys" };
	char link[TEMP_SIZE + 8], here[PATH_MAX];

	must(getcwd(here, sizeof(here)) && !chdir("/"), "change the directory");
	for (size_t i = 0; i < LENGTH(paths); i++) {
		must(!sysfs_open(&sysfs, paths[i]), paths[i]);
		CHECK(!sysfs.fake);
		is_directory(sysfs.proc, "/proc");
		is_directory(sysfs.run, "/run");
		is_directory(sysfs.dev, "/dev");
		is_directory(sysfs.etc, "/etc");
		sysfs_close(&sysfs);
	}
	must(!chdir(here), "go back");
	start(NULL);
	CHECK(sysfs.fake);
	CHECK_INT(sysfs.usb_nodes, -ENOENT);
	CHECK_INT(sysfs.proc, -ENOENT);
	CHECK_INT(sysfs.run, -ENOENT);
	CHECK_INT(sysfs.dev, -ENOENT);
	CHECK_INT(sysfs.etc, -ENOENT);
	sysfs_close(&sysfs);
	put_link(root, "link", "/sys");
	snprintf(link, sizeof(link), "%s/link", root);
	must(!sysfs_open(&sysfs, link), link);
	CHECK(!sysfs.fake);
	end();
}

static void put_interface(const char *name, const char *driver)
{
	char path[100], target[100];

	snprintf(path, sizeof(path), HOME "/%s/bInterfaceNumber", name);
	put_file(root, path, "00\n");
	if (!driver)
		return;
	snprintf(path, sizeof(path), HOME "/%s/driver", name);
	snprintf(target, sizeof(target), "../../../../../bus/usb/drivers/%s", driver);
	put_link(root, path, target);
}

static void drivers_are(const char *want)
{
	char *drivers = block(NULL, 64);

	device_read_drivers(&sysfs, "1-3", drivers, 64);
	CHECK_STR(drivers, want);
	block_free(drivers);
}

/* Those of its interfaces tell more than its own one. */
static void drivers(void)
{
	char *few = block(NULL, 8);

	start(NULL);
	make_device();
	drivers_are("usb");
	put_interface("1-3:1.0", NULL);
	drivers_are("usb");
	put_interface("1-3:1.0", "usbhid");
	drivers_are("usbhid");
	put_interface("1-3:1.1", "usbhid");
	drivers_are("usbhid");
	put_file(root, HOME "/ep_00/type", "Control\n");
	put_link(root, HOME "/ep_00/driver", "../drivers/none");
	drivers_are("usbhid");
	end();
	start(NULL); /* one name is a part of another; entries come in no order */
	make_device();
	put_interface("1-3:1.0", "snd-usb-audio");
	put_interface("1-3:1.1", "usb");
	put_interface("1-3:1.2", "snd");
	put_interface("1-3:1.3", "audio");
	put_interface("1-3:1.4", "snd-usb-audio");
	device_read_drivers(&sysfs, "1-3", few, 8);
	CHECK_INT(strlen(few), 7);
	block_free(few);
	few = block(NULL, 64);
	device_read_drivers(&sysfs, "1-3", few, 64);
	CHECK_INT(strlen(few), strlen("snd-usb-audio, usb, snd, audio"));
	CHECK(strstr(few, "snd-usb-audio") && strstr(few, ", "));
	block_free(few);
	take_away(root, HOME "/driver");
	for (char *name = (char[]){ HOME "/1-3:1.0" }; name[sizeof(HOME "/1-3:1.0") - 2] < '5';
	     name[sizeof(HOME "/1-3:1.0") - 2]++)
		take_away(root, name);
	drivers_are("?");
	end();
	start(NULL);
	drivers_are("?"); /* it was unplugged */
	end();
}

/* Only a 0 forbids it. */
static void authorized(void)
{
	start(NULL);
	make_device();
	CHECK(device_is_authorized(&sysfs, "1-3")); /* an old kernel has no such file */
	put_file(root, HOME "/authorized", "1\n");
	CHECK(device_is_authorized(&sysfs, "1-3"));
	put_file(root, HOME "/authorized", "0\n");
	CHECK(!device_is_authorized(&sysfs, "1-3"));
	end();
}

/* A directory beside the kernel's sysfs that cannot be opened leaves its error. */
static void no_descriptor_to_open(void)
{
	unsigned before = open_files();

	must(!sysfs_open(&sysfs, "/sys"), "open /sys");
	sysfs_close(&sysfs);
	CHECK_INT(open_files(), before);
	for (int n = 0; n < 6; n++) {
		open_fails = n;
		CHECK_INT(sysfs_open(&sysfs, "/sys"), n ? 0 : -EMFILE);
		open_fails = -1;
		if (n) {
			const int handle[] = { sysfs.usb_nodes, sysfs.proc, sysfs.run, sysfs.dev,
					       sysfs.etc };

			CHECK(!sysfs.fake);
			for (int i = 0; i < 5; i++) /* a container may have no /dev/bus/usb */
				CHECK(i == n - 1 ? handle[i] == -EMFILE : handle[i] >= 0 || !i);
			sysfs_close(&sysfs);
		}
		CHECK_INT(open_files(), before);
	}
}

/* More entries than one getdents() returns, with names of every kind among them. */
static void many(void)
{
	start(NULL);
	make_device();
	for (int i = 1; i <= 60; i++) {
		char path[80];

		snprintf(path, sizeof(path), DEVICE_DIR "%d-1.2.3.4", i);
		put_link(root, path, "../../../" HOME);
		snprintf(path, sizeof(path), DEVICE_DIR "%d-1.2.3.4:1.0", i);
		put_link(root, path, "../../../" HOME);
	}
	CHECK_INT(scan(), 0);
	CHECK_INT(count, 61);
	end();
}

static void attributes(void)
{
	static char long_text[SYSFS_ATTRIBUTE_SIZE + 2];
	char buf[8];

	start(NULL);
	put_file(root, "dir/a", "1234567\n");
	CHECK_INT(sysfs_read(&sysfs, buf, 8, "dir/a"), -EFBIG);
	CHECK_STR(buf, "");
	put_file(root, "dir/a", "123456\n");
	CHECK_INT(sysfs_read(&sysfs, buf, 8, "dir/a"), 6);
	CHECK_STR(buf, "123456");
	put_file(root, "dir/a", "12\n\n");
	CHECK_INT(sysfs_read(&sysfs, buf, 8, "dir/a"), 3);
	CHECK_STR(buf, "12\n");
	put_file(root, "dir/a", "");
	CHECK_INT(sysfs_read(&sysfs, buf, 8, "dir/a"), 0);
	CHECK_STR(buf, "");
	strcpy(buf, "x");
	CHECK_INT(sysfs_read(&sysfs, buf, 8, "dir/b"), -ENOENT);
	CHECK_STR(buf, "");
	CHECK(sysfs_read(&sysfs, buf, 8, "dir") < 0);
	put_file(root, "dir/a", "17\n");
	CHECK_INT(sysfs_read_number(&sysfs, true, 255, "dir/a"), 0x17);
	CHECK_INT(sysfs_read_number(&sysfs, false, 255, "dir/a"), 17);
	CHECK_INT(sysfs_read_number(&sysfs, false, 16, "dir/a"), -ERANGE);
	CHECK_INT(sysfs_read_number(&sysfs, false, 255, "dir/b"), -ENOENT);
	put_file(root, "dir/a", "x\n");
	CHECK_INT(sysfs_read_number(&sysfs, false, 16, "dir/a"), -EINVAL);
	CHECK(!sysfs_can_open(&sysfs, O_PATH, "dir/a"));
	CHECK_INT(sysfs_can_open(&sysfs, O_WRONLY, "dir/b"), -ENOENT);
	memset(long_text, 'x', sizeof(long_text) - 1);
	put_file(root, "dir/a", long_text);
	CHECK_INT(sysfs_read(&sysfs, long_text, sizeof(long_text) - 1, "dir/a"), -EFBIG);
	end();
}

/* In one write, without a newline. */
static void write_attribute(void)
{
	char path[TEMP_SIZE + 8], *text;

	start(NULL);
	put_file(root, "dir/a", "");
	CHECK_INT(sysfs_write(&sysfs, "add 1-1", "dir/a"), 0);
	snprintf(path, sizeof(path), "%s/dir/a", root);
	text = file_read(path, NULL);
	CHECK_STR(text, "add 1-1");
	free(text);
	CHECK_INT(sysfs_write(&sysfs, "1", "dir/b"), -ENOENT);
	CHECK(!is_there(root, "dir/b"));
	end();
}

static void links(void)
{
	char *buf = block(NULL, 6);

	start(NULL);
	put_link(root, "dir/l", "12345");
	CHECK_INT(sysfs_read_link(&sysfs, buf, 6, "dir/l"), 5);
	CHECK_STR(buf, "12345");
	put_link(root, "dir/l", "123456");
	CHECK_INT(sysfs_read_link(&sysfs, buf, 6, "dir/l"), -ENAMETOOLONG);
	CHECK_INT(sysfs_read_link(&sysfs, buf, 6, "dir/m"), -ENOENT);
	end();
	block_free(buf);
}

/* A scan without enough descriptors is an error: no device counts as gone. */
static void no_descriptor(void)
{
	int n = 0;

	start(NULL);
	make_device();
	while (open_fails < 0) {
		open_fails = n++;
		CHECK_INT(scan(), open_fails < 0 ? -EMFILE : 0);
	}
	CHECK_INT(count, 1);
	CHECK_INT(n, 1 + 5);
	open_fails = -1;
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	host(FIXTURES "sysfs/host-6.12.tree");
	vanished();
	attributes();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_device: captured hosts", host_trees);
	RUN("t_device: captured clients", client_trees);
	RUN("t_device: a captured machine that imports its own", loop_tree);
	RUN("t_device: one device", one_device);
	RUN("t_device: attributes that vanished", vanished);
	RUN("t_device: attributes that are no numbers", rubbish);
	RUN("t_device: names that are no devices", bad_names);
	RUN("t_device: a long driver name", long_driver);
	RUN("t_device: no USB at all", no_usb);
	RUN("t_device: the kernel's sysfs by any name", kernels_or_fake);
	RUN("t_device: no descriptor for /proc and /run", no_descriptor_to_open);
	RUN("t_device: the drivers of its interfaces", drivers);
	RUN("t_device: authorized or not", authorized);
	RUN("t_device: many devices", many);
	RUN("t_device: attributes", attributes);
	RUN("t_device: an attribute is written without newline", write_attribute);
	RUN("t_device: links", links);
	RUN("t_device: a scan without descriptors", no_descriptor);
	RUN("t_device: no descriptor is left open", no_leak);
	return check_status();
}
