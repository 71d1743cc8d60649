/* SPDX-License-Identifier: MIT */
/*
 * The USB devices of this machine, and their records for the wire. But for the strings, only
 * attributes that the kernel shows without taking the lock of the device are read, so that a wedged
 * device cannot block the reader (drivers/usb/core/sysfs.c: bNumInterfaces, bConfigurationValue
 * and the strings do take it).
 */
#ifndef SYSFS_DEVICE_H
#define SYSFS_DEVICE_H

#include "proto/op.h"
#include "proto/usb.h"
#include "sysfs/sysfs.h"

#define DEVICE_DIR "bus/usb/devices/"
/* https://www.usb.org/defined-class-codes */
#define DEVICE_CLASS_STORAGE 8
#define DEVICE_CLASS_HUB 9
enum { DEVICE_DRIVER_SIZE = 32 };

struct device {
	char busid[BUSID_SIZE];
	char name[BUSID_SIZE + 13]; /* for messages: "1-1.4 (0627:0001)" */
	char driver[DEVICE_DRIVER_SIZE]; /* "usb", "usbip-host", ...; empty if it has none */
	uint16_t vendor, product;
	uint8_t class;
	uint32_t devnum; /* changes with each plug; 0 if unknown */
	bool on_vhci;	 /* imported over USB/IP */
};

struct sysfs_path device_path(const char *busid, const char *attribute);
/* Reads a decimal attribute of a device: its value, at most 65535, or -errno. */
int device_number(const struct sysfs *sysfs, const char *busid, const char *attribute);
/* Reads where a device, or the root hub "usb1", has its node: its bus, and its number there. 0, or
 * -errno and neither is set. */
int device_address(const struct sysfs *sysfs, const char *busid, uint16_t *bus, uint16_t *number);
/* Reads one device: 0 or -errno, -ENODEV if it does not exist (any more). */
int device_read(const struct sysfs *sysfs, const char *busid, struct device *device);
/* Whether the kernel may configure it: the attribute "authorized", which USBGuard changes without
 * an event (drivers/usb/core/sysfs.c). True if it cannot be read. */
bool device_is_authorized(const struct sysfs *sysfs, const char *busid);
/* Reads the last name in the target of a link, such as the name of a driver from
 * "bus/usb/devices/1-1:1.0/driver". 0, or -errno: -ENOENT if there is no link. */
int device_read_link(const struct sysfs *sysfs, const char *link, char name[DEVICE_DRIVER_SIZE]);
/* Lists the drivers of its interfaces, each once: "usbhid, snd-usb-audio"; or else the driver of
 * the device itself; "?" if there is none. A list that does not fit is cut off. */
void device_read_drivers(const struct sysfs *sysfs, const char *busid, char *drivers, size_t size);
/* Calls visit for each device but root hubs, in no order; a device that vanishes meanwhile is left
 * out. Returns 0 or -errno, -ENOENT if the kernel has no USB at all. */
int device_scan(const struct sysfs *sysfs, void (*visit)(void *ctx, const struct device *device),
		void *ctx);

/*
 * Parses the attribute "descriptors" (USB 2.0 specification 9.5 and 9.6, drivers/usb/core/sysfs.c
 * read_descriptors()). interface has room for OP_INTERFACES_MAX; device->interfaces of them are
 * set: those of the first configuration, each from the first of its alternate settings. Malformed
 * parts are left out. Returns 0, or -EPROTO if there is no device descriptor.
 */
int descriptors_parse(const uint8_t *buf, size_t len, struct op_device *device,
		      struct op_interface *interface);

/* Reads the record of one device: 0 or -errno, -ENODEV if it does not exist. The interfaces are
 * those of its descriptors, as a device that was just bound to usbip-host has no configuration. */
int device_describe(const struct sysfs *sysfs, const char *busid, struct op_device *device,
		    struct op_interface *interface);

/* A string descriptor has up to 126 characters; a longer text is cut off after a whole one. */
enum { DEVICE_STRING_SIZE = 128 };

/* As the device reports them: any bytes but NUL. Empty if it reports none. */
struct device_strings {
	char serial[DEVICE_STRING_SIZE], product[DEVICE_STRING_SIZE], maker[DEVICE_STRING_SIZE];
};

/* It may block as long as something is wrong with the device: not for an event loop. */
void device_strings_read(const struct sysfs *sysfs, const char *busid,
			 struct device_strings *strings);

/* Uevents (lib/kobject_uevent.c): a USB device, no interface, was removed, or bound to its driver
 * and is ready then. They may be lost, so one only makes the next scan of sysfs happen sooner. */
enum uevent { UEVENT_OTHER = 0 /* nothing of that */, UEVENT_LOCAL, UEVENT_IMPORTED };

/* Parses one message of len bytes. */
enum uevent uevent_parse(const char *buf, size_t len);
/* Opens a netlink socket that receives the kernel's messages, not udev's: fd or -errno. */
int uevent_open(void);
/* Receives the next message, without blocking: enum uevent, UEVENT_OTHER also if it is not from the
 * kernel; -EAGAIN if there is none; -ENOBUFS if some were lost. */
int uevent_receive(int fd);

#endif
