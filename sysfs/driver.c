/* SPDX-License-Identifier: MIT */
/* The driver that a role needs: loads its module, and tells why it cannot be used. */
#include "sysfs/driver.h"

#include "lib/log.h"
#include "sysfs/modprobe.h"

#include <errno.h>
#include <poll.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
	SETUP_MS = 5000, /* for the module's devices to appear after modprobe has returned */
	SETUP_POLL_MS = 20,
};

static void log_driver_fault(const char *module, int error)
{
	struct utsname system;

	if (geteuid())
		log_error("cannot use kernel module %s: run as root", module);
	else if (error == -ENOENT && !uname(&system))
		log_error("cannot load kernel module %s: not installed for Linux %s; install your "
			  "distribution's kernel modules package",
			  module, system.release);
	else
		log_error_errno(error, "cannot use kernel module %s", module);
}

int driver_load(const struct sysfs *sysfs, const struct driver *driver)
{
	int error = driver->check(sysfs), waited = 0;

	if (error == -ENOENT && !modprobe(driver->module))
		error = driver->check(sysfs);
	for (; error == -EAGAIN && waited < SETUP_MS; waited += SETUP_POLL_MS) {
		poll(NULL, 0, SETUP_POLL_MS);
		error = driver->check(sysfs);
	}
	if (error)
		log_driver_fault(driver->module, error);
	return error;
}
