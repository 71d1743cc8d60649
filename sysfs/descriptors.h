/* SPDX-License-Identifier: MIT */
/*
 * The record of a device for OP_REP_DEVLIST and OP_REP_IMPORT, from attributes that the kernel
 * shows without taking the lock of the device. A device that was just bound to usbip-host has no
 * configuration, so its interfaces are taken from its descriptors: those of its first
 * configuration.
 * Sources: USB 2.0 specification 9.5 and 9.6, drivers/usb/core/sysfs.c read_descriptors().
 */
#ifndef SYSFS_DESCRIPTORS_H
#define SYSFS_DESCRIPTORS_H

#include "proto/op.h"
#include "sysfs/sysfs.h"

/*
 * Parses the content of the attribute "descriptors": the device descriptor, then each configuration
 * descriptor, followed by the descriptors that belong to it. interface has room for
 * OP_INTERFACES_MAX; device->interfaces of them are set, each from the first of its alternate
 * settings. Malformed parts are left out. Returns 0, or -EPROTO if there is no device descriptor.
 */
int descriptors_parse(const uint8_t *buf, size_t len, struct op_device *device,
		      struct op_interface *interface);

/* Reads the whole record of one device: 0 or -errno, -ENODEV if it does not exist. */
int device_describe(const struct sysfs *sysfs, const char *busid, struct op_device *device,
		    struct op_interface *interface);

#endif
