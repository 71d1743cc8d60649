/* SPDX-License-Identifier: MIT */
/* An engine drives exported devices: it takes a device from its driver, carries the USB requests of
 * a client's session, and gives the device back. This table is all that host/ knows of it. */
#ifndef HOST_ENGINE_H
#define HOST_ENGINE_H

#include "lib/str.h"
#include "sysfs/device.h"

#include <limits.h>

enum engine_status {
	ENGINE_UNKNOWN = 0, /* cannot be read, or the device is about to leave */
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

#define ENGINE_ROOM_ANY UINT_MAX
#define ENGINE_NONE "none" /* instead of a name */

struct engine {
	const char *name; /* for messages */
	/* Whether it can work at all: 0, -ENOENT, -EACCES, -EROFS. */
	int (*check)(const struct sysfs *sysfs);
	/* Whether it has the device, as far as the last scan told. No system calls. */
	bool (*has)(const struct device *device);
	/* Never blocks. */
	enum engine_status (*status)(const struct sysfs *sysfs, const char *busid);
	/* How many more devices like this one it can take; ANY if it has a place for it, or if
	 * that cannot be found out. NULL: always. */
	unsigned (*room)(const struct sysfs *sysfs, const char *busid);
	const char *full; /* what it says of itself then, behind its name */
	/* Before bind, in the server itself: what its child process cannot do. 0 or -errno. NULL:
	 * there is nothing to do. */
	int (*begin)(const struct sysfs *sysfs, const char *busid);
	/* The descriptors that the next three need in their child process; -1: none. May be
	 * NULL. */
	void (*files)(const char *busid, int fd[2]);
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

/* The engines that may take further devices. */
struct engines {
	const struct engine *only;  /* --engine; NULL: auto, in the order of engine.c */
	const struct engine *loads; /* NULL, or its module would be loaded if it is missing */
};

/* The engine that has the device, NULL: none. No system calls. */
const struct engine *engine_find(const struct device *device);
/* The choice for a device that no engine has. */
struct engine_choice {
	const struct engine *engine; /* after an error the first that may be used */
	int error;	   /* 0; -ENOSPC: there is no room; else -errno: it cannot be used */
	struct reason why; /* of the error, or of not being the first choice */
};
/* coming: how many devices are about to take room that their engine has not counted yet, and then
 * this one, if it does. Room that cannot be found out counts as there: the bind will tell. */
void engine_choose(const struct engines *engines, const struct sysfs *sysfs, const char *busid,
		   unsigned *coming, struct engine_choice *choice);

/* usbip-host, the kernel's driver. */
extern const struct engine engine_kernel;
/* Our own, over /dev/bus/usb: host/holder.h. */
extern const struct engine engine_usbfs;

#endif
