/* SPDX-License-Identifier: MIT */
/* A short-lived child process for work that may block, such as reading the strings of a device. */
#include "loop/child.h"

#include "lib/str.h"
#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void child_pipe_ready(struct loop_source *source, uint32_t events)
{
	struct child *child = container_of(source, struct child, pipe);
	ssize_t n = read(source->fd, child->result, child->size);

	(void)events;
	loop_drop(child->loop, source);
	child->pid = 0;
	child->done(child, n == (ssize_t)child->size);
}

int child_start(struct loop *loop, struct child *child, void (*work)(const void *arg, void *result),
		const void *arg, void *result, size_t size,
		void (*done)(struct child *child, bool whole))
{
	int fd[2], error;

	assert(!child->pid && size > 0 && size <= PIPE_BUF && work && done);
	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	*child = (struct child){ { fd[0], child_pipe_ready }, loop, 0, result, size, done };
	error = loop_watch(loop, &child->pipe, EPOLLIN);
	if (!error) {
		child->pid = fork();
		if (!child->pid) {
			memset(result, 0, size);
			work(arg, result);
			_exit(write(fd[1], result, size) < 0); /* as a whole, see pipe(7) */
		}
		if (child->pid < 0)
			error = -errno;
	}
	close(fd[1]);
	if (error) {
		loop_drop(loop, &child->pipe);
		child->pid = 0;
	}
	return error;
}

void child_kill(struct child *child)
{
	if (!child->pid)
		return;
	kill(child->pid, SIGKILL);
	loop_drop(child->loop, &child->pipe);
	child->pid = 0;
}

static void reader_child_main(const void *arg, void *result)
{
	const struct strings_reader *reader = arg;

	device_strings_read(reader->sysfs, reader->busid, result);
}

void strings_reader_start(struct strings_reader *reader, struct loop *loop,
			  const struct sysfs *sysfs, const char *busid,
			  void (*done)(struct child *child, bool whole))
{
	reader->sysfs = sysfs;
	str_copy(reader->busid, sizeof(reader->busid), busid);
	reader->deadline = loop->now + STRINGS_READ_MS;
	loop_pass_by(loop, reader->deadline);
	if (child_start(loop, &reader->child, reader_child_main, reader, &reader->strings,
			sizeof(reader->strings), done))
		done(&reader->child, false);
}

void strings_reader_pass(struct strings_reader *reader)
{
	struct child *child = &reader->child;

	if (!child->pid)
		return;
	loop_pass_by(child->loop, reader->deadline);
	if (child->loop->now < reader->deadline)
		return;
	child_kill(child);
	child->done(child, false);
}
