/* SPDX-License-Identifier: MIT */
/*
 * Uevents: the kernel's messages that a device came, went or got a driver. They may be lost, so one
 * only makes the next scan of sysfs happen sooner. Source: lib/kobject_uevent.c,
 * drivers/usb/core/usb.c.
 */
#ifndef SYSFS_UEVENT_H
#define SYSFS_UEVENT_H

#include <stdbool.h>
#include <stddef.h>

struct uevent {
	bool on_vhci; /* the device is imported over USB/IP */
	bool stub;    /* it was bound to usbip-host */
};

/*
 * Parses one message of len bytes. True if a USB device (not an interface) was removed, or was
 * bound to its driver, which is the moment from which it is ready.
 */
bool uevent_parse(const char *buf, size_t len, struct uevent *event);

/* Opens a netlink socket that receives the kernel's messages, not udev's: fd or -errno. */
int uevent_open(void);

/*
 * Receives the next message, without blocking: 1 and *event; 0 if the message does not matter or is
 * not from the kernel; -EAGAIN if there is none; -ENOBUFS if some were lost.
 */
int uevent_receive(int fd, struct uevent *event);

#endif
