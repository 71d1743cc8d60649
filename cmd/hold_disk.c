/* SPDX-License-Identifier: MIT */
/* usbiphp detach: refuses to detach a device if a disk of it is in use, unless --force is given. */
#include "cmd/inventory.h"

#include "lib/log.h"
#include "lib/str.h"
#include "sysfs/protect.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

enum {
	DISK_WAIT_S = 5,
	/* For a program to close the disk: udev, or one that reads a label. */
	CLOSE_TRIES = 10,
	CLOSE_POLL_MS = 200,
};

static_assert(sizeof(struct protect_item) <= PIPE_BUF, "a pipe takes it whole or not at all");

/* In the child. SIGALRM ends it, but not while it waits for a disk that does not answer; so it
 * closes the output, whose reader would wait for its end. It writes the answer, and again after a
 * sync. */
static void disk_child(int fd, const struct sysfs *sysfs, const char *busid, bool force)
{
	static struct protect_survey survey; /* in .bss: it is large */
	struct protect_item *item = &survey.item[0];
	bool told;

	alarm(2 * DISK_WAIT_S);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	survey.count = 1;
	survey.disks_only = true;
	str_copy(item->busid, sizeof(item->busid), busid);
	protect_survey(sysfs, &survey);
	for (int i = 1; i < CLOSE_TRIES && item->open && !force; i++) {
		poll(NULL, 0, CLOSE_POLL_MS);
		protect_survey(sysfs, &survey);
	}
	told = write(fd, item, sizeof(*item)) == (ssize_t)sizeof(*item);
	if (told && force) {
		sync();
		told = write(fd, item, sizeof(*item)) == (ssize_t)sizeof(*item);
	}
	_exit(!told);
}

/* Returns whether there is an answer in time. */
static bool disk_read_answer(int fd, struct protect_item *item)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, DISK_WAIT_S * 1000) > 0 &&
	       read(fd, item, sizeof(*item)) == (ssize_t)sizeof(*item);
}

int entry_check_disk(const struct inventory_entry *entry, const struct sysfs *sysfs, bool force)
{
	const char *busid = entry->device.busid;
	struct protect_item item = { .busid = "" };
	int fd[2], status = 0;

	if (!*busid) /* it is not here yet */
		return 0;
	if (pipe2(fd, O_CLOEXEC))
		fd[0] = fd[1] = -1;
	if (!fork())
		disk_child(fd[1], sysfs, busid, force);
	close(fd[1]);
	if (!disk_read_answer(fd[0], &item)) {
		item = (struct protect_item){ 0 };
		str_copy(item.busid, sizeof(item.busid), busid);
		protect_doubt(&item, "a disk or driver does not answer");
	}
	if (protect_disk_in_use(sysfs, &item) && !force) {
		log_error("%s is in use: %s; unmount or close it, or detach it with --force", busid,
			  item.reason.text);
		status = 1;
	} else if (force && !disk_read_answer(fd[0], &item)) {
		log_warning("%s: not everything is written to the disks yet", busid);
	}
	close(fd[0]);
	return status;
}
