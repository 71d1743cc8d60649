/* SPDX-License-Identifier: MIT */
/* A short-lived child process for work that may block, such as reading the strings of a device. */
#include "loop/child.h"

#include "lib/str.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHILD_NAME "usbiphp-job" /* for ps(1), and for the installer: it is no daemon */
enum { FILES_MAX = 1024 /* a daemon has fewer open files: host/server.c */ };

static struct {
	char *argv0;
	struct keys *keys;
} origin;

static void child_pipe_ready(struct loop_source *source, uint32_t events)
{
	struct child *child = container_of(source, struct child, pipe);
	ssize_t n = read(source->fd, child->result, child->size);

	(void)events;
	loop_drop(child->loop, source);
	child->pid = 0;
	child->done(child, n == (ssize_t)child->size);
}

static void close_files(int first, int last)
{
#ifdef SYS_close_range /* Linux 5.9 */
	if (first > last || !syscall(SYS_close_range, first, last, 0))
		return;
#endif
	for (int fd = first; fd <= last && fd < FILES_MAX; fd++)
		close(fd);
}

/* Closes all descriptors but those, also, and 0 to 2. */
static void keep_files(const struct child_files *files, int also)
{
	for (int first = STDERR_FILENO + 1, next; first < INT_MAX; first = next + 1) {
		next = also >= first ? also : INT_MAX - 1;
		for (size_t i = 0; i < ARRAY_SIZE(files->fd); i++)
			if (files->fd[i] >= first && files->fd[i] < next)
				next = files->fd[i];
		close_files(first, next - 1);
	}
}

static void child_main(const struct child_work *work, int pipe)
{
	keep_files(&work->files, pipe);
	prctl(PR_SET_NAME, CHILD_NAME);
	memset(work->result, 0, work->size);
	work->run(work->arg, work->result);
	_exit(write(pipe, work->result, work->size) < 0); /* as a whole, see pipe(7) */
}

int child_start(struct loop *loop, struct child *child, const struct child_work *work,
		void (*done)(struct child *child, bool whole))
{
	int fd[2], error;

	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	*child = (struct child){
		.pipe = { fd[0], child_pipe_ready },
		.loop = loop,
		.parent = getpid(),
		.result = work->result,
		.size = work->size,
		.done = done,
	};
	error = loop_watch(loop, &child->pipe, EPOLLIN);
	if (!error) {
		child->pid = fork();
		if (!child->pid)
			child_main(work, fd[1]);
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
	if (child->pid <= 0)
		return;
	kill(child->pid, SIGKILL);
	loop_drop(child->loop, &child->pipe);
	child->pid = 0;
}

void child_set_origin(char *argv0, struct keys *keys)
{
	origin.argv0 = argv0;
	origin.keys = keys;
}

void child_become(const char *name, const struct child_files *files, int also)
{
	size_t len = origin.argv0 ? strlen(origin.argv0) : 0;

	keep_files(files, also);
	prctl(PR_SET_NAME, name);
	if (origin.keys)
		explicit_bzero(origin.keys, sizeof(*origin.keys));
	if (len) {
		memset(origin.argv0, 0, len);
		str_copy(origin.argv0, len + 1, name);
	}
}

pid_t child_start_helper(const char *name, const struct child_files *files, int *fd)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (pid < 0)
		pid = -errno;
	close(pair[!pid ? 0 : 1]);
	*fd = pair[!pid ? 1 : 0];
	if (pid < 0)
		close(*fd);
	if (!pid)
		child_become(name, files, *fd);
	return pid;
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
	const struct child_work work = {
		.run = reader_child_main,
		.arg = reader,
		.result = &reader->strings,
		.size = sizeof(reader->strings),
		.files = { { sysfs->root } },
	};

	reader->sysfs = sysfs;
	str_copy(reader->busid, sizeof(reader->busid), busid);
	reader->deadline = loop->now + STRINGS_READ_MS;
	loop_pass_by(loop, reader->deadline);
	if (child_start(loop, &reader->child, &work, done))
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
