/* SPDX-License-Identifier: MIT */
/* The system calls on a node of /dev/bus/usb, in one place, so that tests can play the kernel. */
#ifndef USBFS_NODE_H
#define USBFS_NODE_H

#include <linux/ioctl.h>
#include <linux/usbdevice_fs.h>
#include <stddef.h>

/* ioctl(2) with a request of linux/usbdevice_fs.h: 0 or more, or -errno. */
int usbfs_ioctl(int fd, unsigned request, void *argument);
enum { USBFS_PLAIN = -1 /* in place of a node: no kernel's, and any part of it may be a buffer */ };
/* Zeroed memory of the kernel's for DMA, or NULL. The last byte of a URB's buffer must be in the
 * map in which its first byte is (drivers/usb/core/devio.c find_memory_area()). */
void *usbfs_map(int fd, size_t size);
void usbfs_unmap(void *map, size_t size);

#endif
