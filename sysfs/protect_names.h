/* SPDX-License-Identifier: MIT */
/*
 * The block devices that /etc/fstab and /etc/crypttab name, though they are not in use now: nothing
 * is mounted at the mount point, the mapping is not there. Only for sysfs/protect*.c.
 */
#ifndef SYSFS_PROTECT_NAMES_H
#define SYSFS_PROTECT_NAMES_H

#include "sysfs/protect.h"

#include <limits.h>

enum { NAMES_MAX = 64 };

/* Who makes the file in /dev that a name stands for. */
enum name_kind {
	NAME_NODE = 0, /* the kernel */
	NAME_LINK,     /* udev: a link in /dev/disk */
	NAME_VOLUME,   /* LVM, or the device mapper */
};

struct name {
	enum name_kind kind;
	const char *file; /* that has it, below /etc */
	bool swap;
	struct protect_item *item; /* that has it; NULL: no block device has this name */
	/* Decoded, and cut off: */
	char text[128];	   /* the name itself */
	char purpose[256]; /* the mount point, or the mapping's name */
};

struct names {
	struct protect *protect;
	unsigned count;
	bool too_many; /* for the table */
	struct name name[NAMES_MAX];
};

/* Reads both files. A name that another device has is left out, as no device in question can have
 * it. Files that cannot be read count. */
void names_read(struct names *names, struct protect *protect);
/* Whether there is a directory for the links of names, /dev/disk. */
bool names_have_links(const struct protect *protect);

#define EACH_NAME(names, n)                                                                        \
	for (struct name *n = (names)->name, *end_##n = n + (names)->count; n < end_##n; n++)

#endif
