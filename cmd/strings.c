/* SPDX-License-Identifier: MIT */
/* What devices say of themselves: read in processes that may be left behind. */
#include "cmd/inventory.h"
#include "loop/loop.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct answer {
	unsigned index;
	struct device_strings strings;
};

static_assert(sizeof(struct answer) <= PIPE_BUF, "written as a whole, or not at all");

/* In the child. What waits for our output must not wait for it. */
static void read_one(int fd, const struct sysfs *sysfs, const char *busid, unsigned index)
{
	struct answer answer = { .index = index };

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	device_strings_read(sysfs, busid, &answer.strings);
	_exit(write(fd, &answer, sizeof(answer)) < 0);
}

static void collect(struct items *items, int fd)
{
	uint64_t now = loop_clock(), until = now + STRINGS_MS;
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct answer answer;

	for (; now < until; now = loop_clock()) {
		if (poll(&poll_fd, 1, (int)(until - now)) <= 0)
			continue;
		if (read(fd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
			return; /* all have ended */
		items->item[answer.index].strings = answer.strings;
		items->item[answer.index].heard = true;
	}
}

void strings_look(struct items *items, const struct sysfs *sysfs)
{
	int fd[2];

	while (waitpid(-1, NULL, WNOHANG) > 0) /* those of the latest look */
		;
	if (pipe2(fd, O_CLOEXEC))
		return;
	for (unsigned i = 0; i < items->count; i++) {
		struct item *item = &items->item[i];

		item->child = -1;
		if (item->asked)
			continue;
		item->asked = true;
		item->child = fork();
		if (!item->child)
			read_one(fd[1], sysfs, item->device.busid, i);
	}
	close(fd[1]);
	collect(items, fd[0]);
	close(fd[0]);
	EACH_ITEM(items, i)
		if (i->child > 0 && !i->heard)
			kill(i->child, SIGKILL);
}
