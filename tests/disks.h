/* SPDX-License-Identifier: MIT */
/*
 * Disks in the trees of tests/protect.h. Only root can make a device file, so the test plays those
 * in /dev: a regular file with a device number in it, such as "8:1", is a block device file.
 * Its test says LINK: -Wl,--wrap=openat,--wrap=fstatat,--wrap=__fstatat_time64
 */
#ifndef TESTS_DISKS_H
#define TESTS_DISKS_H

#include "tests/fstatat.h"
#include "tests/openat.h"
#include "tests/protect.h"

#include <sys/sysmacros.h>

static unsigned disks_opened;	     /* exclusively, so many times */
static const char *disk_refused;     /* opening this one fails */
static int disk_errno = EBUSY;	     /* with that error */
static void (*disk_is_opened)(void); /* called before each time */

static inline int refuse_disk(int dir, const char *path, int flags)
{
	if (dir != sysfs.dev || !(flags & O_EXCL))
		return 0;
	CHECK_INT(flags & ~O_LARGEFILE, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	disks_opened++;
	if (disk_is_opened)
		disk_is_opened();
	return disk_refused && !strcmp(path, disk_refused) ? disk_errno : 0;
}

int __wrap_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	int result = __real_fstatat(dir, path, st, flags), fd;
	char number[24];
	unsigned major_, minor_;
	ssize_t n;

	if (dir == AT_FDCWD || flags & AT_EMPTY_PATH) /* libc's own */
		return result;
	CHECK_INT(flags, 0);
	if (!result && dir == sysfs.dev && S_ISREG(st->st_mode)) {
		fd = __real_openat(dir, path, O_RDONLY | O_CLOEXEC);
		must(fd >= 0, path);
		n = read(fd, number, sizeof(number) - 1);
		close(fd);
		number[n > 0 ? n : 0] = '\0';
		if (sscanf(number, "%u:%u", &major_, &minor_) == 2) {
			st->st_mode = S_IFBLK | 0660;
			st->st_rdev = makedev(major_, minor_);
		}
	}
	return result;
}

static inline void put_disk_file(const char *name, const char *file, const char *text)
{
	char path[300];

	snprintf(path, sizeof(path), "class/block/%s/%s", name, file);
	put_file(root, path, text);
}

/* A disk or partition, where its directory is below the root, and its node. */
static inline void put_block(const char *where, const char *name, const char *number)
{
	char path[400], link[400];

	snprintf(path, sizeof(path), "%s/dev", where);
	put_file(root, path, number);
	snprintf(path, sizeof(path), "%s/holders/", where);
	make_parents(root, path);
	snprintf(link, sizeof(link), "../../%s", where);
	snprintf(path, sizeof(path), "dev/block/%s", number);
	put_link(root, path, link);
	snprintf(path, sizeof(path), "class/block/%s", name);
	put_link(root, path, link);
	snprintf(path, sizeof(path), "dev/%s", name);
	put_file(root, path, number);
}

/* A disk of that name below a directory, NUMBER:0, and its partition NAMEp1, NUMBER:1. */
static inline void put_disk(const char *where, const char *name, unsigned major_)
{
	char path[300], partition[120], number[24];

	snprintf(path, sizeof(path), "%sblock/%s", where, name);
	snprintf(number, sizeof(number), "%u:0", major_);
	put_block(path, name, number);
	snprintf(partition, sizeof(partition), "%sp1", name);
	snprintf(path, sizeof(path), "%sblock/%s/%s", where, name, partition);
	snprintf(number, sizeof(number), "%u:1", major_);
	put_block(path, partition, number);
	put_disk_file(partition, "partition", "1\n");
}

static inline void begin_disks(void)
{
	begin();
	disks_opened = 0;
	disk_refused = NULL;
	disk_errno = EBUSY;
	disk_is_opened = NULL;
	open_refuse = refuse_disk;
}

#endif
