/* SPDX-License-Identifier: MIT */
/*
 * The kernel's announcements that a device came, went or got a driver. They may be lost, so they
 * only ever hasten a look at sysfs. Source: lib/kobject_uevent.c, drivers/usb/core/usb.c.
 */
#ifndef SYSFS_UEVENT_H
#define SYSFS_UEVENT_H

#include <stdbool.h>
#include <stddef.h>

struct uevent {
	bool on_vhci; /* the device came in over USB/IP */
	bool stub;    /* it was bound to usbip-host */
};

/*
 * Reads one message of len bytes: true when it says that a USB device (not an interface) was
 * removed or has been bound to its driver, which is when it is ready.
 */
bool uevent_parse(const char *buf, size_t len, struct uevent *event);

/* A netlink socket that receives the kernel's messages, not udev's: fd or -errno. */
int uevent_open(void);

/*
 * The next message, without blocking: 1 and *event; 0 when it was one that does not matter or did
 * not come from the kernel; -EAGAIN when there is none; -ENOBUFS when some were lost.
 */
int uevent_receive(int fd, struct uevent *event);

#endif
