/* SPDX-License-Identifier: MIT */
/*
 * Disks that somebody has opened exclusively: ZFS, bcachefs, a mount in another namespace, an
 * external journal, an export over iSCSI, a careful program. Nothing in sysfs shows that, but a
 * second exclusive open of the disk fails, also if the first one is of a partition (block/bdev.c
 * bd_prepare_to_claim()).
 *
 * While this part has a disk open, a mount of it fails. So it is the last part, and opens only
 * disks that are not needed for another reason: these are taken next anyway. It never opens for
 * writing, as udev probes a disk again after that.
 */
#include "sysfs/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum {
	NUMBER_SIZE = 24, /* "MAJOR:MINOR" and a newline */
	STATE_SIZE = 24,  /* drivers/scsi/scsi_sysfs.c */
};

struct held_disk {
	struct protect *protect;
	struct protect_item *item;
	const char *name;
};

static bool held_state_is_running(const struct held_disk *disk, const char *path)
{
	char state[STATE_SIZE];
	ssize_t n = sysfs_read(disk->protect->sysfs, state, sizeof(state), path);

	if (n < 0)
		return !protect_failed(disk->protect, "sys", path, n);
	if (!strcmp(state, "running"))
		return true;
	protect_doubt(disk->item, "the state of its disk %s is %s", disk->name,
		      state);
	return false;
}

/* While the host adapter of a SCSI disk recovers from an error, maybe for minutes, open(2) waits
 * (drivers/scsi/scsi_error.c scsi_block_when_processing_errors()). The state of the disk itself
 * does not tell that. */
static bool held_can_be_opened(const struct held_disk *disk)
{
	struct sysfs_path link = sysfs_path("class/block/%s/device", disk->name);
	char target[PATH_MAX];
	ssize_t n = sysfs_read_link(disk->protect->sysfs, target, sizeof(target), link.text);
	const char *id = n > 0 ? strrchr(target, '/') : NULL; /* "/HOST:CHANNEL:TARGET:LUN" */
	size_t len = id ? strspn(++id, "0123456789") : 0;

	if (n < 0)
		return !protect_failed(disk->protect, "sys", link.text, n);
	if (!len || id[len] != ':') /* no SCSI disk */
		return true;
	return held_state_is_running(disk, sysfs_path("%s/state", link.text).text) &&
	       held_state_is_running(
		       disk, sysfs_path("class/scsi_host/host%.*s/state", (int)len, id).text);
}

/* 0, or -errno: -ENODEV also if the node is that of another disk. */
static int held_open(const struct held_disk *disk)
{
	static const char dir[] = "dev/block/";
	const struct sysfs *sysfs = disk->protect->sysfs;
	char number[NUMBER_SIZE];
	struct sysfs_path link;
	int fd, error;

	error = (int)sysfs_read(sysfs, number, sizeof(number),
				sysfs_path("class/block/%s/dev", disk->name).text);
	if (error < 0)
		return error;
	error = protect_node_link(disk->protect, disk->name, &link);
	if (error)
		return error;
	if (strcmp(link.text + sizeof(dir) - 1, number) != 0)
		return -ENODEV;
	fd = openat(sysfs->dev, disk->name, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void held_judge(const struct held_disk *disk)
{
	int error;

	disk->item->opening = true; /* open(2) may never return */
	error = held_open(disk);
	disk->item->opening = false;
	if (!error || error == -ENOMEDIUM || error == -ENXIO)
		return;
	if (error == -EBUSY)
		protect_need(disk->item, "its disk %s is in use", disk->name);
	else if (!protect_exists(disk->protect, sysfs_path("class/block/%s", disk->name).text))
		return;
	else if (disk->protect->sight == PROTECT_SEES_CONTAINER)
		protect_need_unseen(disk->protect, disk->item, PROTECT_DISK_OPEN);
	else
		protect_doubt(disk->item, "cannot open /dev/%s: %s", disk->name,
			      strerror(-error));
}

static bool held_visit_disk(void *ctx, const char *name)
{
	struct sysfs_path link = sysfs_path("class/block/%s", name);
	struct held_disk disk = { ctx, protect_find_link(ctx, link.text, NULL), name };

	if (disk.item && disk.item->answer == PROTECT_FREE &&
	    !protect_exists(ctx, sysfs_path("%s/partition", link.text).text) &&
	    held_can_be_opened(&disk))
		held_judge(&disk);
	return false;
}

void protect_disks_held(struct protect *protect)
{
	if (!protect->unknown.text[0])
		protect_each_entry(protect, "class/block", held_visit_disk, protect);
}
