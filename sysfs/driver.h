/* SPDX-License-Identifier: MIT */
/* The driver that a role needs, usbip-host or vhci-hcd, and the system's modprobe. */
#ifndef SYSFS_DRIVER_H
#define SYSFS_DRIVER_H

#include "sysfs/sysfs.h"

struct driver {
	const char *module;
	int (*check)(const struct sysfs *sysfs); /* stub_check() or vhci_check() */
};

/* Loads the module if the driver's files are missing, and waits up to 5 s until its devices are set
 * up. 0, or -errno after one line that tells the reason and the remedy. It blocks. */
int driver_load(const struct sysfs *sysfs, const struct driver *driver);
/* Runs modprobe for a module, waits for its end, and returns whether it succeeded. */
bool modprobe(const char *module);

#endif
