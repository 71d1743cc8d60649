/* SPDX-License-Identifier: MIT */
/*
 * The USB devices of this machine. Only attributes that the kernel shows without taking the
 * device's lock are read, so that a wedged device cannot stop the reader
 * (drivers/usb/core/sysfs.c: bNumInterfaces, bConfigurationValue and the strings do take it).
 */
#ifndef SYSFS_DEVICE_H
#define SYSFS_DEVICE_H

#include "proto/busid.h"
#include "sysfs/sysfs.h"

#define DEVICE_DIR "bus/usb/devices/"
#define DEVICE_FILE DEVICE_DIR "%s/%s" /* busid, attribute */
#define DEVICE_CLASS_HUB 9

struct device {
	char busid[BUSID_SIZE];
	char name[BUSID_SIZE + 13]; /* for messages: "1-1.4 (0627:0001)" */
	char driver[32];	    /* "usb", "usbip-host", ...; empty: none */
	uint16_t vendor;
	uint16_t product;
	uint8_t class;
	uint32_t devnum; /* another one after each plug; 0: not known */
	bool on_vhci; /* it came in over USB/IP */
};

/* A decimal attribute of a device, of at most 65535: 0 or -errno. */
int device_number(const struct sysfs *sysfs, const char *busid, const char *attribute,
		  uint32_t *value);

/* One device. -ENODEV when it is not there (any more). */
int device_read(const struct sysfs *sysfs, const char *busid, struct device *device);

/*
 * All devices but root hubs, in no order; one that vanishes meanwhile is left out. 0 or -errno:
 * -ENOENT when the kernel has no USB at all.
 */
int device_scan(const struct sysfs *sysfs, void (*show)(void *ctx, const struct device *device),
		void *ctx);

/* A descriptor has up to 126 characters; what is longer is cut off, behind a whole one. */
enum { DEVICE_STRING_SIZE = 128 };

/* What a device says of itself, as it is: any bytes but NUL. Empty: it says nothing. */
struct device_strings {
	char serial[DEVICE_STRING_SIZE];
	char product[DEVICE_STRING_SIZE];
	char maker[DEVICE_STRING_SIZE];
};

/*
 * Reads them. The kernel shows them under the device's lock (drivers/usb/core/sysfs.c), so this may
 * block for as long as something is wrong with the device: not for an event loop.
 */
void device_strings_read(const struct sysfs *sysfs, const char *busid,
			 struct device_strings *strings);

#endif
