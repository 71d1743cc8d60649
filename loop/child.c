/* SPDX-License-Identifier: MIT */
/* A short-lived child process for work that may block. */
#include "loop/child.h"

#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void child_pipe_ready(struct loop_source *source, uint32_t events)
{
	struct child *child = container_of(source, struct child, pipe);
	ssize_t n;

	(void)events;
	n = read(source->fd, (char *)child->result + child->len, child->size - child->len);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0)
		child->len += (size_t)n;
	if (n > 0 && child->len < child->size)
		return;
	loop_drop(child->loop, source);
	child->done(child, child->len == child->size);
}

/* In the child. */
static void child_do_work(int fd, void (*work)(const void *arg, void *result), const void *arg,
			  void *result, size_t size)
{
	size_t sent = 0;
	ssize_t n;

	memset(result, 0, size);
	work(arg, result);
	while (sent < size) {
		n = write(fd, (char *)result + sent, size - sent);
		if (n < 0)
			_exit(1);
		sent += (size_t)n;
	}
	_exit(0);
}

int child_start(struct loop *loop, struct child *child, void (*work)(const void *arg, void *result),
		const void *arg, void *result, size_t size,
		void (*done)(struct child *child, bool whole))
{
	int fd[2], error;

	assert(!child_running(child) && size > 0 && work && done);
	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	child->loop = loop;
	child->result = result;
	child->size = size;
	child->len = 0;
	child->done = done;
	child->pipe.fd = fd[0];
	child->pipe.ready = child_pipe_ready;
	error = loop_watch(loop, &child->pipe, EPOLLIN);
	if (!error) {
		child->pid = fork();
		if (!child->pid)
			child_do_work(fd[1], work, arg, result, size);
		if (child->pid < 0)
			error = -errno;
	}
	close(fd[1]);
	if (error)
		loop_drop(loop, &child->pipe);
	return error;
}

bool child_running(const struct child *child)
{
	return child->pipe.fd >= 0;
}

void child_kill(struct child *child)
{
	if (!child_running(child))
		return;
	kill(child->pid, SIGKILL);
	loop_drop(child->loop, &child->pipe);
}
