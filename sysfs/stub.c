/* SPDX-License-Identifier: MIT */
/* usbip-host, the kernel's exporting driver: takes a device from its driver and gives it back. */
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
	SESSION_END_MS = 5000, /* for a session to end: 130 to 350 ms are usual */
	SESSION_POLL_MS = 20,
	DRAIN_MS = 100, /* for the event handler to forget a session that ended: microseconds */
};

static const struct stub_result ok = { 0, STUB_STEP_NONE };

static struct stub_result failed(enum stub_step step, int error)
{
	struct stub_result result = { error, step };

	return result;
}

int stub_check(const struct sysfs *sysfs)
{
	return sysfs_can_open(sysfs, O_WRONLY, STUB_DIR "match_busid");
}

int stub_status(const struct sysfs *sysfs, const char *busid)
{
	uint32_t status;
	int error = device_number(sysfs, busid, "usbip_status", &status);

	return error ? error : (int)status;
}

int stub_slots(const struct sysfs *sysfs, const char *busid, bool *held)
{
	char text[STUB_SLOTS * 2 * (BUSID_SIZE + 1)], *cursor = text;
	ssize_t n = sysfs_read(sysfs, text, sizeof(text), STUB_DIR "match_busid");
	const char *word;
	int used = 0;

	*held = false;
	if (n < 0)
		return (int)n;
	while ((word = str_word(&cursor))) {
		used++;
		*held = *held || !strcmp(word, busid);
	}
	return used;
}

static bool present(const struct sysfs *sysfs, const char *busid)
{
	int error = sysfs_can_open(sysfs, O_PATH, DEVICE_FILE, busid, "idVendor");

	return !error || error_is_resource(error);
}

static int match_busid(const struct sysfs *sysfs, const char *verb, const char *busid)
{
	char value[4 + BUSID_SIZE];

	str_format(value, sizeof(value), "%s %s", verb, busid);
	return sysfs_write(sysfs, value, STUB_DIR "match_busid");
}

/* 0, also -ENODEV when the device left meanwhile. */
static int unbind(const struct sysfs *sysfs, const char *driver, const char *busid)
{
	int error = sysfs_write(sysfs, busid, "bus/usb/drivers/%s/unbind", driver);

	return error && !present(sysfs, busid) ? -ENODEV : error;
}

/* Lets the kernel look for the device's driver again; the device must have one afterwards. */
static int probe(const struct sysfs *sysfs, const char *busid)
{
	struct device device;
	int error = sysfs_write(sysfs, busid, "bus/usb/drivers_probe");
	int gone = device_read(sysfs, busid, &device);

	if (gone) /* it left: nobody is stranded */
		return error_is_resource(gone) ? gone : 0;
	if (device.driver[0])
		return 0;
	return error ? error : -ENXIO;
}

struct stub_result stub_bind(const struct sysfs *sysfs, const char *busid)
{
	enum stub_step step = STUB_STEP_UNBIND;
	struct device device;
	int error = device_read(sysfs, busid, &device), again;

	if (!error && !strcmp(device.driver, STUB_DRIVER))
		return ok;
	if (!error && device.driver[0])
		error = unbind(sysfs, device.driver, busid);
	if (error)
		return failed(step, error);
	step = STUB_STEP_ADD;
	if (!present(sysfs, busid)) /* its slot would be lost until it is back */
		return failed(step, -ENODEV);
	error = match_busid(sysfs, "add", busid);
	if (!error) {
		step = STUB_STEP_BIND;
		error = sysfs_write(sysfs, busid, STUB_DIR "bind");
	}
	if (!error) {
		error = device_read(sysfs, busid, &device);
		if (error)
			return failed(error_is_resource(error) ? STUB_STEP_RESTORE : step, error);
		if (!strcmp(device.driver, STUB_DRIVER))
			return ok;
		error = -EBUSY; /* somebody took it away again */
	}
	/* The entry stays in match_busid: "del" of one that is not bound does nothing. */
	if (!present(sysfs, busid))
		return failed(step, -ENODEV);
	again = probe(sysfs, busid);
	if (again)
		return failed(STUB_STEP_RESTORE, again);
	return failed(step, error == -ENODEV ? -ENXIO : error); /* it did not leave */
}

int stub_import(const struct sysfs *sysfs, const char *busid, int fd)
{
	char value[12];

	str_format(value, sizeof(value), "%u", (unsigned)fd);
	return sysfs_write(sysfs, value, DEVICE_FILE, busid, "usbip_sockfd");
}

struct stub_result stub_end(const struct sysfs *sysfs, const char *busid, int connection)
{
	int waited = 0;

	if (stub_status(sysfs, busid) != STUB_USED)
		return ok;
	/* a failure means that it has just ended by itself */
	if (connection < 0)
		sysfs_write(sysfs, "-1", DEVICE_FILE, busid, "usbip_sockfd");
	else
		shutdown(connection, SHUT_RDWR);
	while (stub_status(sysfs, busid) == STUB_USED) {
		if (waited >= SESSION_END_MS)
			return failed(STUB_STEP_SESSION, -ETIMEDOUT);
		poll(NULL, 0, SESSION_POLL_MS);
		waited += SESSION_POLL_MS;
	}
	return ok;
}

/* An open device node, which keeps the kernel's record of the device; -1 where it cannot be. */
static int hold(const struct sysfs *sysfs, const char *busid)
{
	uint32_t busnum, devnum;
	char path[16];

	if (sysfs->usb_nodes < 0 ||
	    device_number(sysfs, busid, "busnum", &busnum) ||
	    device_number(sysfs, busid, "devnum", &devnum))
		return -1;
	str_format(path, sizeof(path), "%03u/%03u", busnum, devnum);
	return openat(sysfs->usb_nodes, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/*
 * unbind, del, rebind: no other order. "rebind" is written only after an unbind that succeeded, and
 * only while the device is there: else it is a use after free in the kernel.
 */
static struct stub_result release_bound(const struct sysfs *sysfs, const char *busid)
{
	int error;

	poll(NULL, 0, DRAIN_MS);
	if (stub_status(sysfs, busid) == STUB_USED)
		return failed(STUB_STEP_SESSION, -EBUSY);
	error = unbind(sysfs, STUB_DRIVER, busid);
	if (error)
		return failed(STUB_STEP_RELEASE, error);
	match_busid(sysfs, "del", busid);
	if (!present(sysfs, busid))
		return failed(STUB_STEP_REBIND, -ENODEV);
	sysfs_write(sysfs, busid, STUB_DIR "rebind"); /* judged by its effect, in probe() */
	return ok;
}

struct stub_result stub_release(const struct sysfs *sysfs, const char *busid)
{
	struct stub_result result = ok;
	struct device device;
	int error = device_read(sysfs, busid, &device);
	int node;

	if (error)
		return failed(STUB_STEP_RELEASE, error);
	if (device.driver[0] && strcmp(device.driver, STUB_DRIVER) != 0)
		return ok;
	node = hold(sysfs, busid);
	if (device.driver[0])
		result = release_bound(sysfs, busid);
	if (!result.error && !device_read(sysfs, busid, &device) && !device.driver[0]) {
		error = probe(sysfs, busid);
		if (error)
			result = failed(STUB_STEP_REBIND, error);
	}
	if (node >= 0)
		close(node);
	return result;
}

const char *stub_step_text(enum stub_step step)
{
	switch (step) {
	case STUB_STEP_NONE:
		return "no process can be made for it, or it was killed";
	case STUB_STEP_UNBIND:
		return "its driver does not let go";
	case STUB_STEP_ADD:
	case STUB_STEP_BIND:
		return "usbip-host does not take it";
	case STUB_STEP_SESSION:
	case STUB_STEP_RELEASE:
		return "usbip-host does not let go";
	default:
		return "no driver takes it back";
	}
}
