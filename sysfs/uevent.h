/* SPDX-License-Identifier: MIT */
/* Uevents: the kernel's messages that a device came, went or got a driver. They may be lost, so one
 * only makes the next scan of sysfs happen sooner. Source: lib/kobject_uevent.c. */
#ifndef SYSFS_UEVENT_H
#define SYSFS_UEVENT_H

#include <stddef.h>

/* A USB device (not an interface) was removed, or was bound to its driver, from which moment it is
 * ready. */
enum uevent { UEVENT_OTHER = 0 /* nothing of that */, UEVENT_LOCAL, UEVENT_IMPORTED };

/* Parses one message of len bytes. */
enum uevent uevent_parse(const char *buf, size_t len);
/* Opens a netlink socket that receives the kernel's messages, not udev's: fd or -errno. */
int uevent_open(void);

/* Receives the next message, without blocking: enum uevent, UEVENT_OTHER also if it is not from the
 * kernel; -EAGAIN if there is none; -ENOBUFS if some were lost. */
int uevent_receive(int fd);

#endif
