/* SPDX-License-Identifier: MIT */
/* Disks that hold a mounted file system or swap, directly or below other block devices. */
#include "sysfs/protect.h"

#include "lib/file.h"

#include <limits.h>
#include <string.h>

enum {
	DEPTH_MAX = 16,
	DM_NAME_SIZE = 130, /* DM_NAME_LEN and a newline (include/uapi/linux/dm-ioctl.h) */
};

struct mapper_search {
	struct protect_query *query;
	const char *name; /* the device mapper's own */
};

static bool disk_stands_on(struct protect_query *query, const char *dir, const char *name);

static bool disk_visit_slave(void *ctx, const char *name)
{
	return name[0] != '.' && disk_stands_on(ctx, "class/block", name);
}

static bool mapper_visit_disk(void *ctx, const char *entry)
{
	const struct mapper_search *search = ctx;
	struct sysfs_path path = sysfs_path("class/block/%s/dm/name", entry);
	char name[DM_NAME_SIZE];
	ssize_t n;

	if (entry[0] == '.')
		return false;
	n = sysfs_read(search->query->sysfs, name, sizeof(name), path.text);
	if (n < 0)
		return protect_failed(search->query, "sys", path.text, n);
	return !strcmp(name, search->name) && disk_visit_slave(search->query, entry);
}

/* Whether the block device file is on the USB device. Any other file is in a file system, which is
 * mounted. Without udev the files in /dev/mapper are no links, so these are found by name. */
static bool disk_file_stands_on(struct protect_query *query, const char *file)
{
	static const char dev[] = "/dev/", mapper[] = "/dev/mapper/";
	struct mapper_search search = { query, file + sizeof(mapper) - 1 };

	if (!strncmp(file, mapper, sizeof(mapper) - 1))
		return protect_each_entry(query, "class/block", mapper_visit_disk, &search);
	return !strncmp(file, dev, sizeof(dev) - 1) &&
	       disk_stands_on(query, "class/block", file + sizeof(dev) - 1);
}

static bool disk_loop_stands_on(struct protect_query *query, const char *disk)
{
	struct sysfs_path path = sysfs_path("%s/loop/backing_file", disk);
	char file[PATH_MAX];
	ssize_t n = sysfs_read(query->sysfs, file, sizeof(file), path.text);

	if (n < 0)
		return protect_failed(query, "sys", path.text, n);
	return disk_file_stands_on(query, file);
}

/* Whether a block device, the link dir/name in sysfs, is on the USB device, or stands on one that
 * is. The second directory of slaves is that of a partition's disk. */
static bool disk_stands_on(struct protect_query *query, const char *dir, const char *name)
{
	struct sysfs_path path = sysfs_path("%s/%s", dir, name);
	struct sysfs_path slaves = sysfs_path("%s/slaves", path.text);
	struct sysfs_path disk_slaves = sysfs_path("%s/../slaves", path.text);
	char target[PATH_MAX];
	ssize_t n = sysfs_read_link(query->sysfs, target, sizeof(target), path.text);
	bool found;

	if (n < 0)
		return protect_failed(query, "sys", path.text, n);
	if (protect_path_contains(target, query->busid))
		return true;
	if (query->depth == DEPTH_MAX)
		return protect_because(query, PROTECT_UNKNOWN
				       "/sys/%s has more than %d layers of disks below it",
				       path.text, DEPTH_MAX);
	query->depth++;
	found = protect_each_entry(query, slaves.text, disk_visit_slave, query) ||
		protect_each_entry(query, disk_slaves.text, disk_visit_slave, query) ||
		disk_loop_stands_on(query, path.text);
	query->depth--;
	return found;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw" */
static bool disk_visit_mount(void *ctx, char *line)
{
	char *word[5];

	return str_words(line, word, 5) == 5 && disk_stands_on(ctx, "dev/block", word[2]) &&
	       protect_because(ctx, "it holds the file system at %s", word[4]);
}

/* Process 1 has the host's view of it; a service may have one of its own, and may be kept from the
 * other. One of them must be readable. */
static bool disk_is_mounted(struct protect_query *query)
{
	static const char host_view[] = "1/mountinfo", own_view[] = "self/mountinfo";
	int proc = query->sysfs->proc, host, own;

	host = file_each_line(proc, host_view, disk_visit_mount, query);
	if (error_is_resource(host))
		return protect_unreadable(query, "proc", host_view, host);
	own = file_each_line(proc, own_view, disk_visit_mount, query);
	if (own < 0 && (host < 0 || error_is_resource(own)))
		return protect_unreadable(query, "proc", own_view, own);
	return host > 0 || own > 0;
}

/* "/dev/dm-0 partition 1048572 0 -2" */
static bool disk_visit_swap(void *ctx, char *line)
{
	const char *file = str_word(&line);

	return file && disk_file_stands_on(ctx, file) &&
	       protect_because(ctx, "it holds swap space");
}

/* A file system on several disks: its mounts have a device number that is no disk's. */
static bool disk_visit_btrfs(void *ctx, const char *name)
{
	struct protect_query *query = ctx;
	struct sysfs_path devices = sysfs_path("fs/btrfs/%s/devices", name);

	return name[0] != '.' &&
	       protect_each_entry(query, devices.text, disk_visit_slave, query) &&
	       protect_because(query, "it holds a part of the btrfs %s", name);
}

bool protect_disk(struct protect_query *query)
{
	return disk_is_mounted(query) ||
	       protect_each_line(query, "swaps", disk_visit_swap, query) ||
	       protect_each_entry(query, "fs/btrfs", disk_visit_btrfs, query);
}
