/* SPDX-License-Identifier: MIT */
/* The run directory: one daemon of a role at a time, and what it must know after a restart. */
#include "loop/rundir.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOCK_POLL_MS = 50,
	LOCK_TRIES = 100, /* a killed daemon's lock is its child's, until that has done its work */
	BOOT_ID_SIZE = 38, /* a UUID, a newline and the end */
};

static void close_both(const struct rundir *state)
{
	if (state->lock >= 0)
		close(state->lock);
	if (state->dir >= 0)
		close(state->dir);
}

/* -ESTALE: who had the lock took the file away in the meantime. */
static int try_open(struct rundir *state)
{
	struct stat st;

	state->lock = -1;
	mkdir(state->path, 0755);
	state->dir = open(state->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state->dir < 0)
		return -errno;
	state->lock = openat(state->dir, state->lock_name,
			     O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (state->lock < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (flock(state->lock, LOCK_EX | LOCK_NB) || fstat(state->lock, &st))
		return -errno;
	return st.st_nlink ? 0 : -ESTALE;
}

/* Leaves this boot's id beside the notes; compares with what the last one left there. */
static void see_boot(struct rundir *state)
{
	char now[BOOT_ID_SIZE], then[BOOT_ID_SIZE];

	file_load(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 0, now, sizeof(now));
	rundir_load(state, state->boot_name, then, sizeof(then));
	state->stale = now[0] && then[0] && strcmp(now, then) != 0;
	rundir_save(state, state->boot_name, now, strlen(now));
}

int rundir_open(struct rundir *state, const char *path, const char *role)
{
	int error;

	state->path = path;
	str_format(state->lock_name, sizeof(state->lock_name), "%s.lock", role);
	str_format(state->boot_name, sizeof(state->boot_name), "%s.boot", role);
	for (int tries = 0; (error = try_open(state)) != 0; tries++) {
		close_both(state);
		if (tries == LOCK_TRIES || (error != -EWOULDBLOCK && error != -ESTALE))
			break;
		poll(NULL, 0, LOCK_POLL_MS);
	}
	if (error == -EWOULDBLOCK)
		log_warning("cannot start: another one runs with %s", path);
	else if (error)
		log_warning_errno(error, "cannot use %s", path);
	else
		see_boot(state);
	return error;
}

void rundir_close(struct rundir *state, bool notes)
{
	if (!notes)
		unlinkat(state->dir, state->boot_name, 0);
	unlinkat(state->dir, state->lock_name, 0);
	close_both(state);
	rmdir(state->path);
}

/* "1: FLOCK  ADVISORY  WRITE 612 00:18:1044 0 EOF" (proc(5)): the inode is behind the last ':'. */
static bool is_lock_of(void *ctx, char *line)
{
	const ino_t *inode = ctx;
	char *number = strrchr(line, ':');
	uint32_t locked;

	if (!number++ || !strstr(line, "FLOCK"))
		return false;
	number = str_word(&number);
	return number && !str_decimal(number, UINT32_MAX, &locked) && locked == *inode;
}

bool rundir_has_daemon(const char *path, const char *role)
{
	char name[PATH_MAX];
	struct stat st;

	str_format(name, sizeof(name), "%s/%s.lock", path, role);
	return !stat(name, &st) && file_each_line(AT_FDCWD, "/proc/locks", is_lock_of, &st.st_ino);
}

void rundir_load(const struct rundir *state, const char *name, char *buf, size_t size)
{
	file_load(state->dir, name, O_NOFOLLOW, buf, size);
}

int rundir_save(const struct rundir *state, const char *name, const char *text, size_t len)
{
	return file_replace(state->dir, name, "new", 0, text, len);
}
