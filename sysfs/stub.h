/* SPDX-License-Identifier: MIT */
/*
 * usbip-host, the kernel's exporting driver ("stub"): takes a device from its driver and gives it
 * back. Sources: drivers/usb/usbip/stub_main.c, stub_dev.c; the write order is that of the stock
 * tools (tools/usb/usbip/src/usbip_bind.c, usbip_unbind.c).
 *
 * The functions that bind and release write attributes whose effect takes as long as the device's
 * drivers need to let go: not for an event loop. They must run with signals blocked: a signal while
 * usbip-host waits for its event handler makes it free memory that is in use (usbip_stop_eh()).
 */
#ifndef SYSFS_STUB_H
#define SYSFS_STUB_H

#include "sysfs/device.h"

#define STUB_MODULE "usbip-host"
#define STUB_DRIVER "usbip-host"
/* The driver knows at most so many bus ids at a time (stub_main.c MAX_BUSID). */
#define STUB_SLOTS 16

/* What failed, in the order of the writes. */
enum stub_step {
	STUB_STEP_NONE,	    /* with an error: nothing was tried, or nobody knows */
	STUB_STEP_UNBIND,   /* taking the device from its driver */
	STUB_STEP_ADD,	    /* -ENOMEM: all slots are taken */
	STUB_STEP_BIND,	    /* giving it to usbip-host */
	STUB_STEP_SESSION,  /* ending the session that uses it */
	STUB_STEP_RELEASE,  /* taking it from usbip-host */
	STUB_STEP_REBIND,   /* giving it back to its own driver */
	STUB_STEP_RESTORE,  /* the same after a bind that failed: it has no driver now */
};

struct stub_result {
	int error; /* 0 or -errno; -ENODEV also when the device left meanwhile */
	enum stub_step step;
};

enum stub_status { /* include/uapi/linux/usbip.h; of usbip_status */
	STUB_AVAILABLE = 1,
	STUB_USED = 2,
	STUB_ERROR = 3,
};

/* Whether the module is there and may be written: 0, -ENOENT, -EACCES, -EROFS. */
int stub_check(const struct sysfs *sysfs);

/*
 * How many bus ids the driver holds now, or -errno; *held says whether that busid is one of them.
 * One that was unplugged while bound stays: only its return to the same socket makes it useful
 * again, and only the next boot frees its slot (a "del" does nothing then, and "rebind" would use
 * freed memory).
 */
int stub_slots(const struct sysfs *sysfs, const char *busid, bool *held);

/* enum stub_status of a bound device, or -errno; never blocks. */
int stub_status(const struct sysfs *sysfs, const char *busid);

/*
 * Takes the device from the driver it has now, if any, and gives it to usbip-host. On failure the
 * device is back with a driver of its own when this returns, or step is STUB_STEP_RESTORE.
 * stub_slots() tells before whether there is room, so that the device need not be taken in vain.
 */
struct stub_result stub_bind(const struct sysfs *sysfs, const char *busid);

/*
 * Hands the connected stream socket fd of this process to usbip-host, which keeps a reference of
 * its own; the device is in use then. 0 or -errno: mostly -EINVAL, for whatever reason.
 */
int stub_import(const struct sysfs *sysfs, const char *busid, int fd);

/*
 * Ends the session that uses the device, if there is one, and waits until the kernel has reset it.
 * connection is that of the session where it is known, else -1: to shut it down has the same effect
 * as "-1" in usbip_sockfd, which releases a lock that it does not hold before Linux 6.12.
 */
struct stub_result stub_end(const struct sysfs *sysfs, const char *busid, int connection);

/*
 * Gives a device that usbip-host has, or that no driver has, back to its own driver; -EBUSY while a
 * session uses it. After the end of a session the kernel's event handler, one for all devices, may
 * still have the device in its queue; to unbind it then makes the kernel use freed memory
 * (usbip_event.c: what is queued twice is handled once). So all sessions should be ended before the
 * first release, and each release waits a moment.
 *
 * While it runs it holds the device's node open, so that the kernel's record of the device outlives
 * an unplug: usbip-host does not hold it itself when it looks at it in "rebind".
 */
struct stub_result stub_release(const struct sysfs *sysfs, const char *busid);

const char *stub_step_text(enum stub_step step);

#endif
