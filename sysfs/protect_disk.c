/* SPDX-License-Identifier: MIT */
/* Disks that this host holds by a file system, swap space or another block device. */
#include "sysfs/protect.h"

#include "lib/file.h"
#include "lib/util.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { DM_NAME_SIZE = 130 }; /* DM_NAME_LEN and a newline (include/uapi/linux/dm-ioctl.h) */

/* A block device by its name in the kernel. */
static struct protect_item *disk_find(struct protect *protect, const char *name)
{
	return protect_find_link(protect, sysfs_path("class/block/%s", name).text, NULL);
}

int protect_node_link(struct protect *protect, const char *path, struct sysfs_path *link)
{
	struct stat st;

	if (protect->sysfs->dev < 0)
		return protect->sysfs->dev;
	if (fstatat(protect->sysfs->dev, path, &st, 0))
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	*link = sysfs_path("dev/block/%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return 0;
}

/* The device with the disk of a file in /dev; if that does not exist, its name is taken for the
 * kernel's name of the disk. A file elsewhere is on a file system, whose disk is found by its
 * mount. */
static struct protect_item *disk_find_file(struct protect *protect, const char *file)
{
	static const char dev[] = "/dev/";
	struct sysfs_path link;

	if (strncmp(file, dev, sizeof(dev) - 1) != 0)
		return NULL;
	file += sizeof(dev) - 1;
	if (protect_node_link(protect, file, &link))
		return disk_find(protect, file);
	return protect_find_link(protect, link.text, NULL);
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw" */
static bool disk_visit_mount(void *ctx, char *line)
{
	struct protect *protect = ctx;
	struct protect_item *item;
	char *word[5];

	if (str_words(line, word, 5) < 5)
		return false;
	item = protect_find_link(protect, sysfs_path("dev/block/%s", word[2]).text, NULL);
	if (item)
		protect_need(item, "it holds the file system at %s", word[4]);
	return false;
}

/* The mounts of process 1 are those of the host. A service may have a mount namespace of its own,
 * and may not be allowed to see the other. */
void protect_each_mount(struct protect *protect, bool (*visit)(void *ctx, char *line), void *ctx)
{
	static const char views[][15] = { "1/mountinfo", "self/mountinfo" };
	unsigned readable = 0;

	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		int found = file_each_line(protect->sysfs->proc, views[i], visit, ctx);

		readable += found >= 0;
		if (error_is_resource(found) || (i + 1 == ARRAY_SIZE(views) && !readable))
			protect_unknown(protect, "proc", views[i], found);
	}
}

/* "/dev/dm-0 partition 1048572 0 -2" */
static bool disk_visit_swap(void *ctx, char *line)
{
	const char *file = str_word(&line);
	struct protect_item *item = file ? disk_find_file(ctx, file) : NULL;

	if (item)
		protect_need(item, "it holds swap space");
	return false;
}

struct disk_visit {
	struct protect *protect;
	struct protect_item *item;
	const char *name; /* of a disk or partition of it, or of a btrfs */
};

/* A holder: device mapper (LVM, LUKS, ...), md, bcache (block/holder.c). */
static bool disk_visit_holder(void *ctx, const char *holder)
{
	const struct disk_visit *disk = ctx;
	struct sysfs_path path = sysfs_path("class/block/%s/dm/name", holder);
	char name[DM_NAME_SIZE];

	if (sysfs_read(disk->protect->sysfs, name, sizeof(name), path.text) > 0)
		protect_need(disk->item, "its disk %s is a part of %s (%s)", disk->name, holder,
			     name);
	else
		protect_need(disk->item, "its disk %s is a part of %s", disk->name, holder);
	return true;
}

/* These exist as long as the file system is in use, also after a lazy unmount, and in any namespace
 * (fs/ext4/sysfs.c, fs/xfs/xfs_mount.c, fs/f2fs/sysfs.c). */
static void disk_look_at_superblock(const struct disk_visit *disk)
{
	static const char kinds[][5] = { "ext4", "xfs", "f2fs" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (protect_exists(disk->protect,
				   sysfs_path("fs/%s/%s", kinds[i], disk->name).text))
			protect_need(disk->item, "its disk %s holds a file system in use (%s)",
				     disk->name, kinds[i]);
}

/* A loop device is not among the holders of its disk. */
static void disk_look_below_loop(struct protect *protect, const char *name)
{
	struct sysfs_path path = sysfs_path("class/block/%s/loop/backing_file", name);
	char file[SYSFS_ATTRIBUTE_SIZE + 1];
	ssize_t n = sysfs_read(protect->sysfs, file, sizeof(file), path.text);
	struct protect_item *item;

	if (n < 0) {
		protect_failed(protect, "sys", path.text, n);
		return;
	}
	item = disk_find_file(protect, file);
	if (item)
		protect_need(item, "its disk %s is a part of %s", file, name);
}

static bool disk_visit(void *ctx, const char *name)
{
	struct disk_visit disk = { ctx, disk_find(ctx, name), name };

	if (!disk.item) {
		disk_look_below_loop(ctx, name);
		return false;
	}
	protect_traits(ctx, disk.item)->disk = true;
	protect_each_entry(ctx, sysfs_path("class/block/%s/holders", name).text, disk_visit_holder,
			   &disk);
	disk_look_at_superblock(&disk);
	return false;
}

static bool disk_visit_btrfs_member(void *ctx, const char *name)
{
	const struct disk_visit *btrfs = ctx;
	struct protect_item *item = disk_find(btrfs->protect, name);

	if (item)
		protect_need(item, "it holds a part of the btrfs %s", btrfs->name);
	return false;
}

/* A file system on several disks: its mounts have a device number that is no disk's. */
static bool disk_visit_btrfs(void *ctx, const char *name)
{
	struct disk_visit btrfs = { ctx, NULL, name };

	protect_each_entry(ctx, sysfs_path("fs/btrfs/%s/devices", name).text,
			   disk_visit_btrfs_member, &btrfs);
	return false;
}

void protect_disks(struct protect *protect)
{
	protect_each_mount(protect, disk_visit_mount, protect);
	protect_each_line(protect, "swaps", disk_visit_swap, protect);
	protect_each_entry(protect, "class/block", disk_visit, protect);
	protect_each_entry(protect, "fs/btrfs", disk_visit_btrfs, protect);
}
