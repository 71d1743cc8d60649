/* SPDX-License-Identifier: MIT */
/*
 * usbip-host, the kernel's exporting driver ("stub"): binds a device to it and gives it back to its
 * own driver. Sources: drivers/usb/usbip/stub_main.c, stub_dev.c; the order of the writes is that
 * of the stock tools (tools/usb/usbip/src/usbip_bind.c, usbip_unbind.c).
 *
 * The functions that bind and release write attributes that block until the drivers of the device
 * have let go of it: not for an event loop. They must run with signals blocked: a signal while
 * usbip-host waits for its event handler makes it free memory that is in use (usbip_stop_eh()).
 */
#ifndef SYSFS_STUB_H
#define SYSFS_STUB_H

#include "sysfs/device.h"

#define STUB_DRIVER "usbip-host" /* its module has the same name */
#define STUB_SLOTS 16 /* of the driver, for bus ids (stub_main.c MAX_BUSID) */

/* The step that failed, in the order of the writes. */
enum stub_step {
	STUB_STEP_NONE,	   /* with an error: no step was tried, or the result was lost */
	STUB_STEP_UNBIND,  /* unbinding the device from its driver */
	STUB_STEP_ADD,	   /* -ENOMEM: all slots are taken */
	STUB_STEP_BIND,	   /* binding it to usbip-host */
	STUB_STEP_SESSION, /* ending the session that uses it */
	STUB_STEP_RELEASE, /* unbinding it from usbip-host */
	STUB_STEP_REBIND,  /* binding it to its own driver again */
	STUB_STEP_RESTORE, /* the same after a failed bind: it has no driver now */
};
const char *stub_step_text(enum stub_step step);

struct stub_result {
	int error; /* 0 or -errno; -ENODEV also if the device was unplugged meanwhile */
	enum stub_step step;
};

enum stub_status { /* the attribute usbip_status: include/uapi/linux/usbip.h */
	STUB_AVAILABLE = 1,
	STUB_USED = 2,
	STUB_ERROR = 3,
};

/* Whether the module is loaded and its attributes may be written: 0, -ENOENT, -EACCES, -EROFS. */
int stub_check(const struct sysfs *sysfs);
/*
 * Counts the slots in use, or -errno; *has_slot tells whether that busid has one. A device that was
 * unplugged while bound leaves its slot to its socket until the next boot: a "del" does nothing
 * then, and "rebind" would use freed memory.
 */
int stub_slots(const struct sysfs *sysfs, const char *busid, bool *has_slot);
/* enum stub_status of a bound device, or -errno; never blocks. */
int stub_status(const struct sysfs *sysfs, const char *busid);

/* Binds the device to usbip-host, in place of its driver. After a failure it has its own one again,
 * or step is STUB_STEP_RESTORE. Call stub_slots() first: there must be a free slot. */
struct stub_result stub_bind(const struct sysfs *sysfs, const char *busid);

/* Hands fd, a connected stream socket, to usbip-host, which keeps a reference of its own: the
 * device is in use then. 0 or -errno: the kernel answers most failures with -EINVAL. */
int stub_import(const struct sysfs *sysfs, const char *busid, int fd);
/*
 * Ends the session that uses the device, if there is one, and waits until the kernel has reset the
 * device. connection is the socket of the session, which is shut down, or -1 if it is not known:
 * "-1" in usbip_sockfd, which before Linux 6.12 releases a lock that the kernel does not hold.
 */
struct stub_result stub_end(const struct sysfs *sysfs, const char *busid, int connection);

/*
 * Gives a device that is bound to usbip-host, or to no driver, back to its own driver; -EBUSY while
 * a session uses it. End all sessions before the first release: the kernel's event handler, one for
 * all devices, may still have the device in its queue, and unbinding it then makes the kernel use
 * freed memory (usbip_event.c: an event that is queued twice is handled once). So each release also
 * waits a moment. Meanwhile the device's node in /dev/bus/usb is held open, for "rebind": that uses
 * the kernel's record of the device without a reference of its own.
 */
struct stub_result stub_release(const struct sysfs *sysfs, const char *busid);

#endif
