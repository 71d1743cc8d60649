/* SPDX-License-Identifier: MIT */
/*
 * Devices that a program of this host may use which the survey cannot see. A program uses a device
 * by its device files. Other ways show all the same: a claim by usbfs as the interface's driver, a
 * disk in use by an exclusive open(2), sound that plays in /proc/asound, and a network interface in
 * another namespace as well.
 */
#include "sysfs/protect.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the namespace of all processes: include/linux/proc_ns.h, PROC_PID_INIT_INO */
#define NAMESPACE_OF_HOST "pid:[4026531836]"

/* Documentation/admin-guide/devices.txt */
enum {
	MAJOR_INPUT = 13,
	MAJOR_SOUND = 116,
	MAJOR_USB = 189,
};

const char *protect_sight_text(enum protect_sight sight)
{
	return sight == PROTECT_SEES_OWN ? "only root with CAP_SYS_PTRACE can see that" :
					   "a container can see that only with --pid=host "
					   "-v /dev:/dev";
}

enum protect_sight protect_find_sight(const struct sysfs *sysfs)
{
	char target[32] = ""; /* "pid:[4026531836]" */
	char program[1];
	ssize_t n = readlinkat(sysfs->proc, "self/ns/pid", target, sizeof(target) - 1);

	if (n < 0 ? errno != ENOENT : strcmp(target, NAMESPACE_OF_HOST) != 0)
		return PROTECT_SEES_CONTAINER;
	/* without CAP_SYS_PTRACE, or with hidepid */
	if (readlinkat(sysfs->proc, "1/exe", program, sizeof(program)) < 0)
		return PROTECT_SEES_OWN;
	return PROTECT_SEES_ALL;
}

void protect_need_unseen(const struct protect *protect, struct protect_item *item,
			 const char *what)
{
	if (item->answer == PROTECT_NEEDED)
		return;
	protect_doubt(item, "%s; %s", what, protect_sight_text(protect->sight));
	item->unseen = protect->sight;
}

/* Whether only an open file can tell that a program uses the device. name: of the node. */
static bool node_tells(struct protect *protect, const struct protect_item *item, unsigned major,
		       const char *place)
{
	struct stat st;

	switch (major) {
	case MAJOR_USB:
	case MAJOR_INPUT: /* that of a person counts anyway */
		return false;
	case MAJOR_SOUND: /* beside the mixer; docker hides what is in asound */
		return strstr(place, "/pcm") &&
		       fstatat(protect->sysfs->proc, "asound/version", &st, 0);
	}
	return !protect_traits(protect, item)->disk ||
	       (!strstr(place, "/scsi_generic/") && !strstr(place, "/bsg/"));
}

/* Of each character device file, "188:0". */
static bool visit_node(void *ctx, const char *number)
{
	struct protect *protect = ctx;
	struct sysfs_path link = sysfs_path("dev/char/%s", number);
	char place[PATH_MAX], what[80];
	struct protect_item *item = protect_find_link(protect, link.text, place);

	if (!item || !node_tells(protect, item, (unsigned)strtoul(number, NULL, 10), place))
		return false;
	str_format(what, sizeof(what), "a program may have its %s open",
		   strrchr(place, '/') + 1);
	protect_need_unseen(protect, item, what);
	return false;
}

/* With disks_only: an exclusive open(2) does not tell whether a program has a disk open. In a
 * container that counts for no disk, or a client there could detach none. */
static void need_disks(const struct protect *protect)
{
	for (unsigned i = 0; i < protect->survey->count; i++)
		if (protect->traits[i].disk || protect->traits[i].storage)
			protect_need_unseen(protect, &protect->survey->item[i],
					    PROTECT_DISK_OPEN);
}

void protect_unseen(struct protect *protect)
{
	if (protect->survey->disks_only && protect->sight == PROTECT_SEES_OWN)
		need_disks(protect);
	if (protect->survey->disks_only || protect->sight == PROTECT_SEES_ALL)
		return;
	EACH_PROTECT_ITEM(protect, item) {
		const struct protect_traits *traits = protect_traits(protect, item);

		if (traits->input || traits->display)
			protect_need_unseen(protect, item,
					    "somebody may be logged in at the console");
	}
	protect_each_entry(protect, "dev/char", visit_node, protect);
}
