/* SPDX-License-Identifier: MIT */
/* usbiphp detach: refuses to detach a device if a disk of it is in use, unless --force is given. */
#include "cmd/inventory.h"

#include "lib/log.h"
#include "lib/str.h"
#include "sysfs/protect_child.h"

#include <poll.h>

enum {
	DISK_WAIT_MS = 5000,
	/* For a program to close the disk: udev, or one that reads a label. */
	CLOSE_TRIES = 10,
	CLOSE_POLL_MS = 200,
};

int entry_check_disk(const struct inventory_entry *entry, const struct sysfs *sysfs, bool force)
{
	static struct protect_survey survey; /* in .bss: it is large */
	struct protect_item *item = &survey.item[0];
	const char *busid = entry->device.busid;
	int tries = 0;

	if (!*busid) /* it is not here yet */
		return 0;
	survey.sync = force;
	survey.disks_only = true;
	survey.count = 1;
	*item = (struct protect_item){ .stage = PROTECT_SETTLED };
	str_copy(item->busid, sizeof(item->busid), busid);
	do {
		poll(NULL, 0, tries ? CLOSE_POLL_MS : 0);
		if (!protect_ask_once(sysfs, &survey, DISK_WAIT_MS) && force)
			log_warning("%s: not everything is written to the disks yet", busid);
	} while (item->open && ++tries < CLOSE_TRIES);
	if (force || !protect_disk_in_use(sysfs, item))
		return 0;
	log_error("%s is in use: %s; unmount or close it, or detach it with --force", busid,
		  item->reason.text);
	return 1;
}
