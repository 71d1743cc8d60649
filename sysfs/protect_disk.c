/* SPDX-License-Identifier: MIT */
/* Disks that hold a mounted file system or swap, directly or below other block devices. */
#include "sysfs/protect.h"

#include "lib/file.h"
#include "lib/str.h"
#include "lib/util.h"

#include <limits.h>
#include <string.h>

enum {
	DEPTH_MAX = 16, /* of block devices that stand on each other */
	PATH_SIZE = 128,
	DM_NAME_SIZE = 130, /* DM_NAME_LEN and a newline (include/uapi/linux/dm-ioctl.h) */
};

struct disk_search {
	struct protect_query *query;
	unsigned depth;
};

struct mapper_search {
	struct disk_search *disk;
	const char *name; /* the device mapper's own */
};

static bool disk_stands_on(struct disk_search *search, const char *path);

/* The same for NAME in class/block/NAME. */
static bool disk_name_stands_on(struct disk_search *search, const char *name)
{
	char path[PATH_SIZE];

	str_format(path, sizeof(path), "class/block/%s", name);
	return disk_stands_on(search, path);
}

static bool mapper_visit_disk(void *ctx, const char *entry)
{
	const struct mapper_search *search = ctx;
	struct protect_query *query = search->disk->query;
	char path[PATH_SIZE], name[DM_NAME_SIZE];
	ssize_t n;

	if (entry[0] == '.')
		return false;
	str_format(path, sizeof(path), "class/block/%s/dm/name", entry);
	n = sysfs_read(query->sysfs, name, sizeof(name), "%s", path);
	if (n < 0)
		return !protect_is_gone(n) && protect_unreadable(query, "/sys", path, n);
	return !strcmp(name, search->name) && disk_name_stands_on(search->disk, entry);
}

/*
 * Whether the block device file, given by its path, is on the USB device. A path that is no device
 * is a file in some file system, which is mounted. Without udev the files in /dev/mapper are no
 * links, so these are found by name.
 */
static bool disk_file_stands_on(struct disk_search *search, const char *file)
{
	static const char dev[] = "/dev/", mapper[] = "/dev/mapper/";
	struct mapper_search named = { search, file + sizeof(mapper) - 1 };

	if (!strncmp(file, mapper, sizeof(mapper) - 1))
		return protect_each_entry(search->query, "class/block", mapper_visit_disk, &named);
	return !strncmp(file, dev, sizeof(dev) - 1) &&
	       disk_name_stands_on(search, file + sizeof(dev) - 1);
}

static bool disk_visit_slave(void *ctx, const char *name)
{
	return name[0] != '.' && disk_name_stands_on(ctx, name);
}

static bool disk_loop_stands_on(struct disk_search *search, const char *path)
{
	char backing[PATH_SIZE + 32], file[PATH_MAX];
	ssize_t n;

	str_format(backing, sizeof(backing), "%s/loop/backing_file", path);
	n = sysfs_read(search->query->sysfs, file, sizeof(file), "%s", backing);
	if (n < 0)
		return !protect_is_gone(n) && protect_unreadable(search->query, "/sys", backing, n);
	return disk_file_stands_on(search, file);
}

/* Whether a block device, a link in sysfs, is on the USB device, or stands on one that is. */
static bool disk_stands_on(struct disk_search *search, const char *path)
{
	struct protect_query *query = search->query;
	char target[PATH_MAX], slaves[PATH_SIZE + 16];
	bool found = false;
	ssize_t n;

	n = sysfs_read_link(query->sysfs, target, sizeof(target), "%s", path);
	if (n < 0)
		return !protect_is_gone(n) && protect_unreadable(query, "/sys", path, n);
	if (protect_path_contains(target, query->busid))
		return true;
	if (search->depth == DEPTH_MAX)
		return protect_unknown(query, "/sys/%s has more than %d layers of disks below it",
				       path, DEPTH_MAX);
	search->depth++;
	for (int partition = 0; !found && partition < 2; partition++) {
		str_format(slaves, sizeof(slaves), "%s%s/slaves", path, partition ? "/.." : "");
		found = protect_each_entry(query, slaves, disk_visit_slave, search);
	}
	found = found || disk_loop_stands_on(search, path);
	search->depth--;
	return found;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw" */
static bool disk_visit_mount(void *ctx, char *line)
{
	struct disk_search *search = ctx;
	char path[PATH_SIZE], *word[5];

	if (str_words(line, word, 5) < 5)
		return false;
	str_format(path, sizeof(path), "dev/block/%s", word[2]);
	return disk_stands_on(search, path) &&
	       protect_because(search->query, "it holds the file system at %s", word[4]);
}

/* Process 1 has the host's view of it; a service may have one of its own, and may be kept from the
 * other. One of them must be readable. */
static bool disk_is_mounted(struct disk_search *search)
{
	static const char *const files[] = { "1/mountinfo", "self/mountinfo" };
	int proc = search->query->sysfs->proc, found = 0;
	bool readable = false;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		found = file_each_line(proc, files[i], disk_visit_mount, search);
		if (found > 0)
			return true;
		if (error_is_resource(found))
			return protect_unreadable(search->query, "/proc", files[i], found);
		readable = readable || !found;
	}
	return !readable && protect_unreadable(search->query, "/proc", "self/mountinfo", found);
}

/* "/dev/dm-0 partition 1048572 0 -2" */
static bool disk_visit_swap(void *ctx, char *line)
{
	struct disk_search *search = ctx;
	const char *file = str_word(&line);

	return file && disk_file_stands_on(search, file) &&
	       protect_because(search->query, "it holds swap space");
}

/* A file system on several disks: its mounts have a device number that is no disk's. */
static bool disk_visit_btrfs(void *ctx, const char *name)
{
	struct disk_search *search = ctx;
	char path[PATH_SIZE];

	str_format(path, sizeof(path), "fs/btrfs/%s/devices", name);
	return name[0] != '.' &&
	       protect_each_entry(search->query, path, disk_visit_slave, search) &&
	       protect_because(search->query, "it holds a part of the btrfs %s", name);
}

bool protect_disk(struct protect_query *query)
{
	struct disk_search search = { .query = query };

	return disk_is_mounted(&search) ||
	       protect_each_proc_line(query, "swaps", disk_visit_swap, &search) ||
	       protect_each_entry(query, "fs/btrfs", disk_visit_btrfs, &search);
}
