/* SPDX-License-Identifier: MIT */
/*
 * The block devices that /etc/fstab, /etc/crypttab and units of systemd name, though they are not
 * in use now: nothing is mounted at the mount point, the mapping is not there. Only for
 * sysfs/protect*.c.
 */
#ifndef SYSFS_PROTECT_NAMES_H
#define SYSFS_PROTECT_NAMES_H

#include "sysfs/protect.h"

#include <limits.h>

enum { NAMES_MAX = 64 };

/* What makes the file in /dev that a name stands for. */
enum name_kind {
	NAME_NODE = 0, /* the kernel */
	NAME_LINK,     /* udev: a link in /dev/disk */
	NAME_VOLUME,   /* LVM, or the device mapper */
};

struct name {
	enum name_kind kind;
	const char *file; /* below /etc, that has the name, or a directory of units */
	bool swap;
	struct protect_item *item; /* the device with that disk; NULL: no disk has this name now */
	/* Decoded, and cut off: */
	char text[128];	   /* the name itself */
	char purpose[256]; /* the mount point, or the mapping's name */
};

struct names {
	struct protect *protect;
	unsigned count;
	bool too_many; /* there are more names than NAMES_MAX */
	struct name name[NAMES_MAX];
};

/* Reads all of them. A name of a disk that is on none of the survey's devices is left out. */
void names_read(struct names *names, struct protect *protect);
/* Whether there is a directory for the links of names, /dev/disk. */
bool names_have_links(const struct protect *protect);

#define EACH_NAME(names, n)                                                                        \
	for (struct name *n = (names)->name, *end_##n = n + (names)->count; n < end_##n; n++)

#endif
