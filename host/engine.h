/* SPDX-License-Identifier: MIT */
/* An engine drives exported devices: it takes a device from its driver, carries the USB requests of
 * a client's session, and gives the device back. This table is all that host/ knows of it. */
#ifndef HOST_ENGINE_H
#define HOST_ENGINE_H

#include "sysfs/device.h"

enum engine_status {
	ENGINE_UNKNOWN = 0, /* cannot be read */
	ENGINE_AVAILABLE,   /* no session uses the device */
	ENGINE_IN_USE,	    /* a session does, or the device is being reset after one */
	ENGINE_ERROR,	    /* only a release and a new bind make it usable again */
};

/* The outcome of a bind, end or release. */
enum engine_outcome {
	ENGINE_DONE = 0,
	ENGINE_GONE,	 /* the device left meanwhile */
	ENGINE_BUSY,	 /* a session uses the device: nothing was changed */
	ENGINE_FULL,	 /* the engine has no room: the device has its own driver */
	ENGINE_FAILED,	 /* the device is as it was before */
	ENGINE_STRANDED, /* the device has no driver, or its driver is not known */
};

struct engine_result {
	int error; /* 0 or -errno */
	enum engine_outcome outcome;
	int step; /* that failed, see step_text */
};

struct engine_room {
	unsigned used, max; /* devices that the engine knows, and can know */
	bool listed;	    /* the device in question is one of them */
};

struct engine {
	const char *name; /* for messages */
	/* Whether it can work at all: 0, -ENOENT, -EACCES, -EROFS. */
	int (*check)(const struct sysfs *sysfs);
	/* Whether it has the device, as far as the last scan told. No system calls. */
	bool (*has)(const struct device *device);
	/* Never blocks. */
	enum engine_status (*status)(const struct sysfs *sysfs, const char *busid);
	/* 0 or -errno: then *room is not set. */
	int (*room)(const struct sysfs *sysfs, const char *busid, struct engine_room *room);
	/* Before bind, in the server itself: what its child process cannot do. 0 or -errno. NULL:
	 * there is nothing to do. */
	int (*begin)(const struct sysfs *sysfs, const char *busid);
	/* A descriptor that the next three need in their child process, or -1. May be NULL. */
	int (*file)(const char *busid);
	/* These three may block: they run in a child process, see sysfs/stub.h. connection is the
	 * socket of the session where it is known, else -1. */
	struct engine_result (*bind)(const struct sysfs *sysfs, const char *busid);
	struct engine_result (*end)(const struct sysfs *sysfs, const char *busid, int connection);
	struct engine_result (*release)(const struct sysfs *sysfs, const char *busid);
	/* After a release, a bind that failed, or when the device has left. May be NULL. */
	void (*forget)(const char *busid);
	/* Hands over the connected socket fd of a client; the engine keeps a reference of its
	 * own. 0 or -errno. */
	int (*import)(const struct sysfs *sysfs, const char *busid, int fd);
	/* A step of engine_result in words, as a reason. */
	const char *(*step_text)(int step);
};

/* --engine. AUTO: usbip-host where it is there and has room, else usbfs. */
enum engine_choice { ENGINE_CHOICE_KERNEL = 0, ENGINE_CHOICE_USBFS, ENGINE_CHOICE_AUTO };

/* The engine that has the device, NULL: none. No system calls. */
const struct engine *engine_find(const struct device *device);

/* usbip-host, the kernel's driver. */
extern const struct engine engine_kernel;
/* Our own, over /dev/bus/usb: host/holder.h. */
extern const struct engine engine_usbfs;

#endif
