/* SPDX-License-Identifier: MIT */
/*
 * Tests of usbfs/device: which ioctls it makes, in which order, and what it does when one fails.
 * LINK: -Wl,--wrap=usbfs_ioctl,--wrap=usbfs_map,--wrap=usbfs_unmap,--wrap=uname
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64
 */
#include "usbfs/buffers.h"
#include "usbfs/device.h"

#include "tests/check.h"
#include "tests/usbfs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const uint8_t descriptors[] = {
	18, 1, 0, 2, 0, 0, 0, 64, 0x27, 6, 1, 0, 0, 1, 0, 0, 0, 2, /* device */
	9, 2, 27, 0, 2, 3, 0, 0x80, 50,				   /* configuration 3 */
	9, 4, 0, 0, 0, 3, 1, 1, 0, 9, 4, 5, 0, 0, 8, 6, 80, 0,	   /* interfaces 0, 5 */
	9, 2, 18, 0, 1, 2, 0, 0x80, 50,				   /* configuration 2 */
	9, 4, 1, 0, 0, 255, 0, 0, 0,				   /* interface 1 */
};

static struct {
	struct usbfs_device device;
	int nodes;
	char dir[64];
	const char *release;	  /* of the kernel */
	uint64_t now, map_reads;  /* a clock that shows that reading a map takes so long */
	unsigned looks;
} t;

int __wrap_uname(struct utsname *name);
int __wrap_clock_gettime(clockid_t id, struct timespec *time);
int __wrap___clock_gettime64(clockid_t id, struct timespec *time);

int __wrap_uname(struct utsname *name)
{
	memset(name, 0, sizeof(*name));
	strcpy(name->release, t.release);
	return 0;
}

/* The map is read first, four times, and plain memory as often. */
int __wrap_clock_gettime(clockid_t id, struct timespec *time)
{
	(void)id;
	t.now += t.looks++ < 8 ? t.map_reads : 100000;
	time->tv_sec = (time_t)(t.now / 1000000000);
	time->tv_nsec = (long)(t.now % 1000000000);
	return 0;
}

int __wrap___clock_gettime64(clockid_t id, struct timespec *time)
{
	return __wrap_clock_gettime(id, time);
}

static void write_node(const char *path, const void *bytes, size_t len)
{
	int fd = openat(t.nodes, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0 && write(fd, bytes, len) == (ssize_t)len, "write a node");
	close(fd);
}

static void make_nodes(void)
{
	snprintf(t.dir, sizeof(t.dir), "/tmp/usbiphp-t_usbfs.XXXXXX");
	must(mkdtemp(t.dir) != NULL, "make a directory");
	t.nodes = open(t.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(!mkdirat(t.nodes, "003", 0700), "make a bus");
	write_node("003/001", "", 0);
	write_node("003/012", descriptors, sizeof(descriptors));
}

static void remove_nodes(void)
{
	unlinkat(t.nodes, "003/001", 0);
	unlinkat(t.nodes, "003/012", 0);
	unlinkat(t.nodes, "003", AT_REMOVEDIR);
	close(t.nodes);
	rmdir(t.dir);
}

static void fail(unsigned long request, unsigned after, unsigned times, int error)
{
	fake.fail_number = _IOC_NR(request);
	fake.fail_after = after;
	fake.fail_times = times;
	fake.fail_error = error;
}

/* Opens and claims it. */
static void take(uint8_t configuration)
{
	fake_reset();
	t.release = "6.1.0-49-amd64";
	t.map_reads = 100000;
	t.looks = 0;
	CHECK_INT(usbfs_open(&t.device, t.nodes, 3, 12, configuration), 0);
	CHECK_INT(fcntl(t.device.fd, F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK_INT(usbfs_claim(&t.device), 0);
}

static void drop(void)
{
	usbfs_close(&t.device);
	CHECK_INT(t.device.fd, -1);
	CHECK_INT(fake.maps, 0);
	CHECK_STR(fake.fault ? fake.fault : "", "");
}

static void opens(void)
{
	unsigned files = open_files();

	take(3);
	CHECK_INT(t.device.len, sizeof(descriptors));
	CHECK(!memcmp(t.device.descriptors, descriptors, sizeof(descriptors)));
	CHECK_INT(t.device.endpoints.interfaces, 2);
	CHECK_INT(t.device.memory, USBFS_MEMORY);
	CHECK(!t.device.never_reset && !t.device.used);
	CHECK_STR(fake.log, "claim 0, claim 5");
	drop();
	CHECK_INT(usbfs_open(&t.device, t.nodes, 3, 13, 1), -ENOENT);
	CHECK_INT(usbfs_open(&t.device, t.nodes, 4, 12, 1), -ENOENT);
	write_node("003/012", descriptors, 17);
	CHECK_INT(usbfs_open(&t.device, t.nodes, 3, 12, 1), -EPROTO);
	memset(t.device.descriptors, 9, sizeof(t.device.descriptors));
	write_node("003/012", t.device.descriptors, USBFS_DESCRIPTORS_MAX);
	CHECK_INT(usbfs_open(&t.device, t.nodes, 3, 12, 1), -EFBIG);
	write_node("003/012", descriptors, sizeof(descriptors));
	fake_reset();
	fail(USBDEVFS_GET_CAPABILITIES, 0, 1, -ENOTTY);
	CHECK_INT(usbfs_open(&t.device, t.nodes, 3, 12, 3), 0);
	CHECK(!t.device.maps_are_cheap);
	drop();
	CHECK_INT(open_files(), files);
}

static void claims(void)
{
	/* what came into a claimed port has no configuration */
	take(0);
	CHECK_STR(fake.log, "configure 3, claim 0, claim 5");
	CHECK_INT(t.device.endpoints.configuration, 3);
	drop();
	take(2);
	CHECK_STR(fake.log, "claim 1");
	drop();
	take(3);
	fake.log[0] = '\0';
	fake.driver = "usbfs";
	CHECK_INT(usbfs_claim(&t.device), -EBUSY);
	CHECK_STR(fake.log, "");
	fake.driver_from = 5; /* of the second one only */
	CHECK_INT(usbfs_claim(&t.device), -EBUSY);
	CHECK_STR(fake.log, "");
	fake.driver = "usbhid";
	CHECK_INT(usbfs_claim(&t.device), 0);
	fake.driver = NULL;
	fail(USBDEVFS_DISCONNECT_CLAIM, 1, 1, -ENODEV);
	CHECK_INT(usbfs_claim(&t.device), -ENODEV);
	drop();
	take(0);
	t.device.endpoints.configuration = 0;
	fail(USBDEVFS_SETCONFIGURATION, 0, 1, -EIO);
	CHECK_INT(usbfs_claim(&t.device), -EIO);
	drop();
}

static void ports(void)
{
	unsigned files = open_files();
	struct usbfs_port port;
	int fd;

	fake_reset();
	fd = usbfs_claim_port(t.nodes, 3, 1, 7);
	CHECK(fd >= 0);
	CHECK_STR(fake.log, "port 7, may sleep 0");
	port = (struct usbfs_port){ fd, 7 };
	fake.log[0] = '\0';
	usbfs_release_port(&port);
	usbfs_release_port(&port);
	CHECK_STR(fake.log, "release port 7");
	CHECK_INT(port.fd, -1);
	fail(USBDEVFS_CLAIM_PORT, 0, 1, -EBUSY);
	CHECK_INT(usbfs_claim_port(t.nodes, 3, 1, 7), -EBUSY);
	CHECK_INT(usbfs_claim_port(t.nodes, 3, 2, 7), -ENOENT);
	CHECK_INT(open_files(), files);
}

static void gives_back(void)
{
	unsigned files = open_files();
	struct usbfs_port port[3];

	/* unused: there is nothing to reset */
	take(3);
	fake.log[0] = '\0';
	CHECK_INT(usbfs_give_back(&t.device, NULL, 0), 0);
	CHECK_STR(fake.log, "release 0, release 5, connect 0, connect 5");
	drop();
	take(3);
	fake.log[0] = '\0';
	t.device.used = true;
	port[0] = (struct usbfs_port){ usbfs_claim_port(t.nodes, 3, 1, 7), 7 };
	port[1] = (struct usbfs_port){ -1, 9 };
	port[2] = (struct usbfs_port){ usbfs_claim_port(t.nodes, 3, 1, 8), 8 };
	fake.log[0] = '\0';
	CHECK_INT(usbfs_give_back(&t.device, port, 3), 0);
	CHECK_STR(fake.log, "release 0, release 5, reset 0, release 0, release 5, "
			    "release port 7, release port 8, connect 0, connect 5");
	CHECK(port[0].fd == -1 && port[1].fd == -1 && port[2].fd == -1);
	drop();
	CHECK_INT(open_files(), files);
	/* another configuration: the kernel looks for drivers itself, but none for the port's */
	take(3);
	CHECK_INT(usbfs_set_configuration(&t.device, 2), 0);
	fake.log[0] = '\0';
	CHECK_INT(usbfs_give_back(&t.device, NULL, 0), 0);
	CHECK_STR(fake.log, "release 1, configure 3, connect 0, connect 5");
	drop();
	/* it had none: it keeps the one that it got */
	take(0);
	fake.log[0] = '\0';
	CHECK_INT(usbfs_give_back(&t.device, NULL, 0), 0);
	CHECK_STR(fake.log, "release 0, release 5, connect 0, connect 5");
	drop();
	take(0);
	CHECK_INT(usbfs_set_configuration(&t.device, 2), 0);
	fake.log[0] = '\0';
	CHECK_INT(usbfs_give_back(&t.device, NULL, 0), 0);
	CHECK_STR(fake.log, "release 1, configure 3, connect 0, connect 5");
	drop();
	take(2);
	CHECK_INT(usbfs_set_configuration(&t.device, 0), 0);
	CHECK_INT(usbfs_configure(&t.device), 0);
	fake.log[0] = '\0';
	CHECK_INT(usbfs_give_back(&t.device, NULL, 0), 0);
	CHECK_STR(fake.log, "release 0, release 5, configure 2, connect 1");
	drop();
	/* it is gone, or is another one after the reset; the ports are given back */
	for (int error = 0; error < 2; error++) {
		take(3);
		t.device.used = true;
		CHECK_INT(usbfs_set_configuration(&t.device, 2), 0);
		port[0].fd = usbfs_claim_port(t.nodes, 3, 1, 7);
		fake.log[0] = '\0';
		fail(USBDEVFS_RESET, 0, 1, error ? -EINVAL : -ENODEV);
		CHECK_INT(usbfs_give_back(&t.device, port, 1), -ENODEV);
		CHECK(!strstr(fake.log, "configure"));
		CHECK_INT(port[0].fd, -1);
		drop();
	}
	/* a reset that fails does not keep the drivers away */
	take(3);
	t.device.used = true;
	fake.log[0] = '\0';
	fail(USBDEVFS_RESET, 0, 1, -EIO);
	CHECK_INT(usbfs_give_back(&t.device, NULL, 0), -EIO);
	CHECK_STR(fake.log, "release 0, release 5, connect 0, connect 5");
	drop();
}

static void resets(void)
{
	take(3);
	t.device.used = true;
	fake.log[0] = '\0';
	CHECK_INT(usbfs_reset(&t.device), 0);
	CHECK_STR(fake.log, "reset 0, release 0, release 5, claim 0, claim 5");
	CHECK(!t.device.used);
	fail(USBDEVFS_RESET, 0, 1, -EINVAL);
	CHECK_INT(usbfs_reset(&t.device), -ENODEV);
	/* the device is left alone: only what a reset means for its drivers is done */
	t.device.never_reset = true;
	fake.log[0] = '\0';
	CHECK_INT(usbfs_reset(&t.device), 0);
	CHECK_STR(fake.log, "release 0, release 5, claim 0, claim 5");
	drop();
}

static void never_reset(void)
{
	static const uint16_t id[] = { 0x1210, 0x001c }; /* as the kernel writes them into a node */
	uint8_t changed[sizeof(descriptors)];

	memcpy(changed, descriptors, sizeof(descriptors));
	memcpy(changed + 8, id, sizeof(id));
	write_node("003/012", changed, sizeof(changed));
	take(3);
	CHECK(t.device.never_reset);
	drop();
	write_node("003/012", descriptors, sizeof(descriptors));
}

static void configures(void)
{
	take(3);
	fake.log[0] = '\0';
	CHECK_INT(usbfs_set_configuration(&t.device, 0), 0);
	CHECK_STR(fake.log, "release 0, release 5, configure 0");
	CHECK_INT(t.device.endpoints.configuration, 0);
	CHECK_INT(t.device.endpoints.interfaces, 0);
	CHECK_INT(usbfs_set_configuration(&t.device, 3), 0);
	fail(USBDEVFS_SETCONFIGURATION, 0, 1, -EINVAL);
	fake.log[0] = '\0';
	CHECK_INT(usbfs_set_configuration(&t.device, 9), -EINVAL);
	CHECK_STR(fake.log, "release 0, release 5, claim 0, claim 5");
	CHECK_INT(t.device.endpoints.configuration, 3);
	/* it failed on the way: the device has none now, but its endpoint 0 */
	fail(USBDEVFS_SETCONFIGURATION, 0, 1, -EPIPE);
	fake.unconfigured = true;
	CHECK_INT(usbfs_set_configuration(&t.device, 2), -EPIPE);
	CHECK_INT(t.device.endpoints.configuration, 0);
	CHECK_INT(t.device.endpoints.interfaces, 0);
	CHECK(t.device.endpoints.in[0].exists);
	/* it gets one when it is claimed again, after a session */
	fake.log[0] = '\0';
	CHECK_INT(usbfs_reset(&t.device), 0);
	CHECK_STR(fake.log, "reset 0, configure 3, claim 0, claim 5");
	/* the claim fails for another reason: it has what it had */
	fail(USBDEVFS_SETCONFIGURATION, 0, 1, -EPIPE);
	fake.driver = "usbfs";
	CHECK_INT(usbfs_set_configuration(&t.device, 2), -EPIPE);
	CHECK_INT(t.device.endpoints.configuration, 3);
	fake.driver = NULL;
	fail(USBDEVFS_DISCONNECT_CLAIM, 0, 1, -ENODEV);
	CHECK_INT(usbfs_set_configuration(&t.device, 3), -ENODEV);
	CHECK_INT(usbfs_set_interface(&t.device, 5, 0), 0);
	CHECK_INT(usbfs_set_interface(&t.device, 5, 7), -EINVAL);
	drop();
}

static void maps(void)
{
	static const struct {
		const char *release;
		uint64_t reads; /* 100,000 for plain memory */
		bool cheap;
	} cases[] = {
		{ "6.1.0-49-amd64", 100000, true }, { "5.7.0", 100000, true },
		{ "5.6.19", 100000, false },	    { "4.19", 100000, false },
		{ "10.0", 100000, true },	    { "6", 100000, true },
		{ "5", 100000, false },		    { "6.12", 390000, true },
		{ "6.12", 3500000, false },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		fake_reset();
		t.release = cases[i].release;
		t.map_reads = cases[i].reads;
		t.looks = 0;
		CHECK_INT(usbfs_maps_are_cheap(3), cases[i].cheap);
		CHECK_INT(fake.maps, 0);
	}
	fake_reset();
	t.release = "6.1";
	fake.memory = 1000;
	CHECK(!usbfs_maps_are_cheap(3));
	take(3);
	CHECK(t.device.maps_are_cheap);
	drop();
	t.release = "5.6.19";
	CHECK_INT(usbfs_open(&t.device, t.nodes, 3, 12, 3), 0);
	CHECK(!t.device.maps_are_cheap);
	drop();
}

static void classes(void)
{
	struct usbfs_buffers buffers = { .fd = 3 };
	struct usbfs_buffer buffer = { 0 };

	CHECK_INT(usbfs_buffer_class(0), 0);
	CHECK_INT(usbfs_buffer_class(512), 0);
	CHECK_INT(usbfs_buffer_class(513), 1);
	CHECK_INT(usbfs_buffer_class(USBFS_BUFFER_MAX / 2), USBFS_CLASSES - 2);
	CHECK_INT(usbfs_buffer_class(USBFS_BUFFER_MAX), USBFS_CLASSES - 1);
	CHECK(usbfs_buffer_grow(&buffers, &buffer, 100));
	CHECK(usbfs_buffer_grow(&buffers, &buffer, 4097));
	CHECK_INT(buffer.size, 8192);
	CHECK_INT(fake.plains, 1);
	usbfs_buffer_free(&buffers, &buffer);
	CHECK_INT(fake.plains, 0);
}

int main(void)
{
	make_nodes();
	RUN("open", opens);
	RUN("claim", claims);
	RUN("ports", ports);
	RUN("reset", resets);
	RUN("a device that must not be reset", never_reset);
	RUN("configurations and settings", configures);
	RUN("give back", gives_back);
	RUN("whether maps are cheap", maps);
	RUN("sizes of buffers", classes);
	remove_nodes();
	return check_status();
}
