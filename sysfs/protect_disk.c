/* SPDX-License-Identifier: MIT */
/* Disks that are mounted or swapped to, and what they stand on. */
#include "sysfs/protect.h"

#include "lib/file.h"
#include "lib/str.h"

#include <limits.h>
#include <string.h>

enum { DEPTH_MAX = 8, PATH_SIZE = 128 };

struct search {
	const struct sysfs *sysfs;
	const char *busid;
	struct reason *use;
	unsigned depth;
};

struct mapped {
	struct search *search;
	const char *name; /* as device mapper has it */
};

static bool stands_on(struct search *search, const char *path);

/* By its name, as in "class/block/NAME". */
static bool name_stands_on(struct search *search, const char *name)
{
	char path[PATH_SIZE];

	str_format(path, sizeof(path), "class/block/%s", name);
	return stands_on(search, path);
}

static bool see_mapped(void *ctx, const char *entry)
{
	const struct mapped *mapped = ctx;
	char name[PATH_SIZE];

	return entry[0] != '.' && strlen(entry) <= 40 &&
	       sysfs_read(mapped->search->sysfs, name, sizeof(name), "class/block/%s/dm/name",
			  entry) > 0 &&
	       !strcmp(name, mapped->name) && name_stands_on(mapped->search, entry);
}

/* A file by its path; one that is no device is in a file system, which is mounted. Without udev
 * those in /dev/mapper are no links. */
static bool file_stands_on(struct search *search, const char *file)
{
	static const char dev[] = "/dev/", mapper[] = "/dev/mapper/";
	struct mapped mapped = { search, file + sizeof(mapper) - 1 };

	if (!strncmp(file, mapper, sizeof(mapper) - 1))
		return sysfs_each_entry(search->sysfs->root, "class/block", see_mapped, &mapped) > 0;
	return !strncmp(file, dev, sizeof(dev) - 1) &&
	       name_stands_on(search, file + sizeof(dev) - 1);
}

static bool see_slave(void *ctx, const char *name)
{
	return name_stands_on(ctx, name);
}

static bool loop_stands_on(struct search *search, const char *path)
{
	char file[PATH_MAX];

	return sysfs_read(search->sysfs, file, sizeof(file), "%s/loop/backing_file", path) > 0 &&
	       file_stands_on(search, file);
}

/* Whether a block device, a link below sysfs, is on the USB device, itself or by what it is of. */
static bool stands_on(struct search *search, const char *path)
{
	char target[PATH_MAX], slaves[PATH_SIZE];
	bool found = false;

	if (sysfs_read_link(search->sysfs, target, sizeof(target), "%s", path) < 0)
		return false;
	if (protect_path_contains(target, search->busid))
		return true;
	if (search->depth == DEPTH_MAX)
		return false;
	search->depth++;
	for (int partition = 0; !found && partition < 2; partition++) {
		str_format(slaves, sizeof(slaves), partition ? "%s/../slaves" : "%s/slaves", path);
		found = sysfs_each_entry(search->sysfs->root, slaves, see_slave, search) > 0;
	}
	found = found || loop_stands_on(search, path);
	search->depth--;
	return found;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw" */
static bool see_mount(void *ctx, char *line)
{
	struct search *search = ctx;
	char path[PATH_SIZE], *word[5];

	if (str_words(line, word, 5) < 5)
		return false;
	str_format(path, sizeof(path), "dev/block/%s", word[2]);
	return stands_on(search, path) &&
	       protect_because(search->use, "it holds the file system at %s", word[4]);
}

/* "/dev/dm-0 partition 1048572 0 -2" */
static bool see_swap(void *ctx, char *line)
{
	struct search *search = ctx;
	const char *file = str_word(&line);

	return file && file_stands_on(search, file) &&
	       protect_because(search->use, "it holds swap space", "");
}

/* Of several disks; its mounts have a number of their own. */
static bool see_btrfs(void *ctx, const char *name)
{
	struct search *search = ctx;
	char path[PATH_SIZE];

	str_format(path, sizeof(path), "fs/btrfs/%s/devices", name);
	return sysfs_each_entry(search->sysfs->root, path, see_slave, search) > 0 &&
	       protect_because(search->use, "it holds a part of the btrfs %s", name);
}

bool protect_disk(const struct sysfs *sysfs, const char *busid, struct reason *use)
{
	struct search search = { .sysfs = sysfs, .busid = busid, .use = use };

	/* init's view, as a service may have one of its own */
	return file_each_line(sysfs->proc, "1/mountinfo", see_mount, &search) ||
	       file_each_line(sysfs->proc, "self/mountinfo", see_mount, &search) ||
	       file_each_line(sysfs->proc, "swaps", see_swap, &search) ||
	       sysfs_each_entry(sysfs->root, "fs/btrfs", see_btrfs, &search) > 0;
}
