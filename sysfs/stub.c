/* SPDX-License-Identifier: MIT */
/* usbip-host, the kernel's exporting driver: binds a device to it and gives it back. */
#include "sysfs/stub.h"

#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STUB_DIR "bus/usb/drivers/" STUB_DRIVER "/"

enum {
	SESSION_END_MS = 5000, /* limit for a session to end: it usually takes 130 to 350 ms */
	SESSION_POLL_MS = 20,
	DRAIN_MS = 100, /* for the event handler to empty its queue: it needs microseconds */
};

static const struct stub_result stub_ok = { 0, STUB_STEP_NONE };

static struct stub_result stub_failed(enum stub_step step, int error)
{
	return (struct stub_result){ error, step };
}

int stub_check(const struct sysfs *sysfs)
{
	return sysfs_can_open(sysfs, O_WRONLY, STUB_DIR "match_busid");
}

int stub_status(const struct sysfs *sysfs, const char *busid)
{
	return device_number(sysfs, busid, "usbip_status");
}

int stub_slots(const struct sysfs *sysfs, const char *busid, bool *has_slot)
{
	char text[STUB_SLOTS * 2 * (BUSID_SIZE + 1)], *cursor = text;
	ssize_t n = sysfs_read(sysfs, text, sizeof(text), STUB_DIR "match_busid");
	const char *word;
	int used = 0;

	*has_slot = false;
	if (n < 0)
		return (int)n;
	for (; (word = str_word(&cursor)); used++)
		*has_slot = *has_slot || !strcmp(word, busid);
	return used;
}

static bool device_is_present(const struct sysfs *sysfs, const char *busid)
{
	int error = sysfs_can_open(sysfs, O_PATH, device_path(busid, "idVendor").text);

	return !error || error_is_resource(error);
}

static int match_busid_write(const struct sysfs *sysfs, const char *verb, const char *busid)
{
	char value[4 + BUSID_SIZE];

	str_format(value, sizeof(value), "%s %s", verb, busid);
	return sysfs_write(sysfs, value, STUB_DIR "match_busid");
}

/* 0 or -errno, -ENODEV if the device was unplugged meanwhile. */
static int driver_unbind(const struct sysfs *sysfs, const char *driver, const char *busid)
{
	int error = sysfs_write(sysfs, busid, sysfs_path("bus/usb/drivers/%s/unbind", driver).text);

	return error && !device_is_present(sysfs, busid) ? -ENODEV : error;
}

/* Makes the kernel look for a driver of the device again; the device must have one afterwards. */
static int driver_probe(const struct sysfs *sysfs, const char *busid)
{
	struct device device;
	int error = sysfs_write(sysfs, busid, "bus/usb/drivers_probe");
	int gone = device_read(sysfs, busid, &device);

	if (gone) /* unplugged: there is no device without a driver */
		return error_is_resource(gone) ? gone : 0;
	if (device.driver[0])
		return 0;
	return error ? error : -ENXIO;
}

/* After a bind that failed, gives the device, which has no driver now, back to its own one. */
static struct stub_result stub_restore(const struct sysfs *sysfs, const char *busid,
				       enum stub_step step, int error)
{
	int probed;

	/* The entry stays in match_busid: "del" of one that is not bound does nothing. */
	if (!device_is_present(sysfs, busid))
		return stub_failed(step, -ENODEV);
	probed = driver_probe(sysfs, busid);
	if (probed)
		return stub_failed(STUB_STEP_RESTORE, probed);
	return stub_failed(step, error == -ENODEV ? -ENXIO : error); /* it is still plugged in */
}

struct stub_result stub_bind(const struct sysfs *sysfs, const char *busid)
{
	struct device device;
	int error = device_read(sysfs, busid, &device);

	if (!error && !strcmp(device.driver, STUB_DRIVER))
		return stub_ok;
	if (!error && device.driver[0])
		error = driver_unbind(sysfs, device.driver, busid);
	if (error)
		return stub_failed(STUB_STEP_UNBIND, error);
	if (!device_is_present(sysfs, busid)) /* its slot would be lost until it is back */
		return stub_failed(STUB_STEP_ADD, -ENODEV);
	error = match_busid_write(sysfs, "add", busid);
	if (error)
		return stub_restore(sysfs, busid, STUB_STEP_ADD, error);
	error = sysfs_write(sysfs, busid, STUB_DIR "bind");
	if (error)
		return stub_restore(sysfs, busid, STUB_STEP_BIND, error);
	error = device_read(sysfs, busid, &device);
	if (error_is_resource(error))
		return stub_failed(STUB_STEP_RESTORE, error);
	if (error || strcmp(device.driver, STUB_DRIVER) != 0) /* gone, or taken away again */
		return stub_restore(sysfs, busid, STUB_STEP_BIND, -EBUSY);
	return stub_ok;
}

int stub_import(const struct sysfs *sysfs, const char *busid, int fd)
{
	char value[12];

	str_format(value, sizeof(value), "%u", (unsigned)fd);
	return sysfs_write(sysfs, value, device_path(busid, "usbip_sockfd").text);
}

struct stub_result stub_end(const struct sysfs *sysfs, const char *busid, int connection)
{
	if (stub_status(sysfs, busid) != STUB_USED)
		return stub_ok;
	/* a failure means that the session has just ended by itself */
	if (connection < 0)
		sysfs_write(sysfs, "-1", device_path(busid, "usbip_sockfd").text);
	else
		shutdown(connection, SHUT_RDWR);
	for (int waited = 0; stub_status(sysfs, busid) == STUB_USED; waited += SESSION_POLL_MS) {
		if (waited >= SESSION_END_MS)
			return stub_failed(STUB_STEP_SESSION, -ETIMEDOUT);
		poll(NULL, 0, SESSION_POLL_MS);
	}
	return stub_ok;
}

/* Opens the device's node, which keeps the kernel's record of the device: fd or -1. */
static int node_open(const struct sysfs *sysfs, const char *busid)
{
	uint16_t bus, number;

	if (sysfs->usb_nodes < 0 || device_address(sysfs, busid, &bus, &number))
		return -1;
	return openat(sysfs->usb_nodes, sysfs_path("%03u/%03u", bus, number).text,
		      O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* The order must be unbind, del, rebind. "rebind" is written only after an unbind that succeeded
 * and only while the device is plugged in: else it is a use after free in the kernel. */
static struct stub_result stub_release_bound(const struct sysfs *sysfs, const char *busid)
{
	int error;

	poll(NULL, 0, DRAIN_MS);
	if (stub_status(sysfs, busid) == STUB_USED)
		return stub_failed(STUB_STEP_SESSION, -EBUSY);
	error = driver_unbind(sysfs, STUB_DRIVER, busid);
	if (error)
		return stub_failed(STUB_STEP_RELEASE, error);
	match_busid_write(sysfs, "del", busid);
	if (!device_is_present(sysfs, busid))
		return stub_failed(STUB_STEP_REBIND, -ENODEV);
	sysfs_write(sysfs, busid, STUB_DIR "rebind"); /* driver_probe() tells whether it worked */
	return stub_ok;
}

struct stub_result stub_release(const struct sysfs *sysfs, const char *busid)
{
	struct stub_result result = stub_ok;
	struct device device;
	int node, error = device_read(sysfs, busid, &device);

	if (error)
		return stub_failed(STUB_STEP_RELEASE, error);
	if (device.driver[0] && strcmp(device.driver, STUB_DRIVER) != 0)
		return stub_ok;
	node = node_open(sysfs, busid);
	if (device.driver[0])
		result = stub_release_bound(sysfs, busid);
	if (!result.error && !device_read(sysfs, busid, &device) && !device.driver[0])
		error = driver_probe(sysfs, busid);
	if (node >= 0)
		close(node);
	return error ? stub_failed(STUB_STEP_REBIND, error) : result;
}

const char *stub_step_text(enum stub_step step)
{
	static const char *const text[] = {
		[STUB_STEP_NONE] = "no process can be made for it, or it was killed",
		[STUB_STEP_UNBIND] = "its driver does not let go",
		[STUB_STEP_ADD] = "usbip-host does not take it",
		[STUB_STEP_BIND] = "usbip-host does not take it",
		[STUB_STEP_SESSION] = "usbip-host does not let go",
		[STUB_STEP_RELEASE] = "usbip-host does not let go",
		[STUB_STEP_REBIND] = "no driver takes it back",
		[STUB_STEP_RESTORE] = "no driver takes it back",
	};

	return text[step];
}
