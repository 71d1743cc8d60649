/* SPDX-License-Identifier: MIT */
/*
 * What the wire says about a device, from attributes that are shown without its lock. A device that
 * has just been bound to usbip-host has no configuration, so its interfaces are taken from its
 * descriptors: those of its first configuration.
 * Sources: USB 2.0 specification 9.5 and 9.6, drivers/usb/core/sysfs.c read_descriptors().
 */
#ifndef SYSFS_DESCRIPTORS_H
#define SYSFS_DESCRIPTORS_H

#include "proto/op.h"
#include "sysfs/sysfs.h"

/*
 * Reads a device's descriptors, as they are in its file: its own, then that of each configuration
 * with all that belongs to it. interface has OP_INTERFACES_MAX places, device->interfaces are
 * filled in, each by the first of its alternate settings. What cannot be understood is left out;
 * -EPROTO when there is not even a device descriptor.
 */
int descriptors_parse(const uint8_t *buf, size_t len, struct op_device *device,
		      struct op_interface *interface);

/* One device as a whole: 0 or -errno, -ENODEV when it is not there. */
int device_describe(const struct sysfs *sysfs, const char *busid, struct op_device *device,
		    struct op_interface *interface);

#endif
