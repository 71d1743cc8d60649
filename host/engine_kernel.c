/* SPDX-License-Identifier: MIT */
/* The engine of the kernel: usbip-host. */
#include "host/engine.h"

#include "sysfs/stub.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static bool kernel_has(const struct device *device)
{
	return !strcmp(device->driver, STUB_DRIVER);
}

static enum engine_status kernel_status(const struct sysfs *sysfs, const char *busid)
{
	int status = stub_status(sysfs, busid);

	return status == STUB_AVAILABLE ? ENGINE_AVAILABLE :
	       status == STUB_USED	? ENGINE_IN_USE :
	       status == STUB_ERROR	? ENGINE_ERROR :
					  ENGINE_UNKNOWN;
}

/* The sandbox leaves the daemon the USB buses of its start. A device of another one could be bound,
 * but its session could not be handed over. */
static bool is_out_of_reach(const struct sysfs *sysfs, const char *busid)
{
	struct sysfs_path path = sysfs_path("bus/usb/devices/%s/authorized", busid);

	return sysfs_can_open(sysfs, O_WRONLY, path.text) == -EACCES;
}

static unsigned kernel_room(const struct sysfs *sysfs, const char *busid)
{
	bool listed;
	int used = stub_slots(sysfs, busid, &listed);

	if (*busid && is_out_of_reach(sysfs, busid))
		return 0;
	return used < 0 || listed  ? ENGINE_ROOM_ANY :
	       used < STUB_SLOTS ? (unsigned)(STUB_SLOTS - used) :
				     0;
}

#define TEXT(number) #number
#define TEXT_OF(number) TEXT(number)

static struct engine_result kernel_result(struct stub_result stub)
{
	struct engine_result result = { stub.error, ENGINE_FAILED, (int)stub.step };

	if (!stub.error)
		result.outcome = ENGINE_DONE;
	else if (stub.step == STUB_STEP_RESTORE)
		result.outcome = ENGINE_STRANDED;
	else if (stub.error == -ENODEV)
		result.outcome = ENGINE_GONE;
	else if (stub.error == -EBUSY && stub.step == STUB_STEP_SESSION)
		result.outcome = ENGINE_BUSY;
	else if (stub.error == -ENOMEM && stub.step == STUB_STEP_ADD)
		result.outcome = ENGINE_FULL;
	return result;
}

static struct engine_result kernel_bind(const struct sysfs *sysfs, const char *busid)
{
	return kernel_result(stub_bind(sysfs, busid));
}

static struct engine_result kernel_end(const struct sysfs *sysfs, const char *busid, int connection)
{
	return kernel_result(stub_end(sysfs, busid, connection));
}

static struct engine_result kernel_release(const struct sysfs *sysfs, const char *busid)
{
	return kernel_result(stub_release(sysfs, busid));
}

static const char *kernel_step_text(int step)
{
	return stub_step_text((enum stub_step)step);
}

const struct engine engine_kernel = {
	.name = STUB_DRIVER,
	.check = stub_check,
	.has = kernel_has,
	.status = kernel_status,
	.room = kernel_room,
	.full = "knows at most " TEXT_OF(STUB_SLOTS) " bus ids, none of a bus "
		"newer than the server",
	.bind = kernel_bind,
	.end = kernel_end,
	.release = kernel_release,
	.import = stub_import,
	.step_text = kernel_step_text,
};
