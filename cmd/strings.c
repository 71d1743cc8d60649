/* SPDX-License-Identifier: MIT */
/* Reads the strings of devices with a time limit, each in a child that may be left behind. */
#include "cmd/inventory.h"
#include "loop/loop.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct strings_message {
	unsigned index; /* of the entry */
	struct device_strings strings;
};

static_assert(sizeof(struct strings_message) <= PIPE_BUF, "a pipe takes it whole or not at all");

/*
 * In the child. It may outlive the command, so it closes the standard streams: otherwise a reader
 * of the command's output would wait for the child, too.
 */
static void strings_send(int fd, const struct sysfs *sysfs, const char *busid, unsigned index)
{
	struct strings_message message = { .index = index };

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	device_strings_read(sysfs, busid, &message.strings);
	_exit(write(fd, &message, sizeof(message)) < 0);
}

/* Until all children have closed the pipe, or the time is over. */
static void strings_receive(struct inventory *inventory, int fd)
{
	uint64_t now = loop_clock(), deadline = now + INVENTORY_STRINGS_MS;
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct strings_message message;

	for (; now < deadline; now = loop_clock()) {
		if (poll(&poll_fd, 1, (int)(deadline - now)) <= 0)
			continue;
		if (read(fd, &message, sizeof(message)) != (ssize_t)sizeof(message))
			return;
		assert(message.index < inventory->count);
		inventory->entry[message.index].strings = message.strings;
		inventory->entry[message.index].has_strings = true;
	}
}

void inventory_read_strings(struct inventory *inventory, const struct sysfs *sysfs)
{
	int fd[2];

	while (waitpid(-1, NULL, WNOHANG) > 0) /* children of an earlier scan */
		;
	if (pipe2(fd, O_CLOEXEC))
		return;
	for (unsigned i = 0; i < inventory->count; i++) {
		struct inventory_entry *entry = &inventory->entry[i];

		entry->reader = -1;
		if (entry->strings_requested)
			continue;
		entry->strings_requested = true;
		entry->reader = fork();
		if (!entry->reader)
			strings_send(fd[1], sysfs, entry->device.busid, i);
	}
	close(fd[1]);
	strings_receive(inventory, fd[0]);
	close(fd[0]);
	INVENTORY_EACH(inventory, e)
		if (e->reader > 0 && !e->has_strings)
			kill(e->reader, SIGKILL);
}
