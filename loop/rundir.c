/* SPDX-License-Identifier: MIT */
/* The run directory: one daemon of each role at a time, and its notes for the next one. */
#include "loop/daemon.h"

#include "lib/file.h"
#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LOCK_END ".lock"
#define JOB_NAME "%s" LOCK_END

enum {
	LOCK_POLL_MS = 50,
	LOCK_TRIES = 100, /* 5 s: a killed daemon on a busy machine may hold the lock so long */
	BOOT_ID_SIZE = 38, /* a UUID, a newline and the terminator */
	JOB_NAME_SIZE = BUSID_SIZE + sizeof(LOCK_END),
};

static void rundir_close_files(const struct rundir *rundir)
{
	close(rundir->lock);
	close(rundir->dir);
}

/* -ESTALE: the daemon that had the lock has removed the file or directory meanwhile. */
static int rundir_try_open(struct rundir *rundir)
{
	struct stat st;

	rundir->lock = -1;
	mkdir(rundir->path, 0755);
	rundir->dir = open(rundir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rundir->dir < 0)
		return -errno;
	rundir->lock = openat(rundir->dir, rundir->lock_name,
			     O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (rundir->lock < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (flock(rundir->lock, LOCK_EX | LOCK_NB) || fstat(rundir->lock, &st))
		return -errno;
	return st.st_nlink ? 0 : -ESTALE;
}

int rundir_open(struct rundir *rundir, const char *path, const char *role)
{
	char boot_id[BOOT_ID_SIZE], old_id[BOOT_ID_SIZE];
	int error;

	rundir->path = path;
	str_format(rundir->lock_name, sizeof(rundir->lock_name), "%s" LOCK_END, role);
	str_format(rundir->boot_name, sizeof(rundir->boot_name), "%s.boot", role);
	for (int tries = 0; (error = rundir_try_open(rundir)) != 0; tries++) {
		rundir_close_files(rundir);
		if (tries == LOCK_TRIES || (error != -EWOULDBLOCK && error != -ESTALE))
			break;
		poll(NULL, 0, LOCK_POLL_MS);
	}
	if (error)
		return error;
	file_load(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 0, boot_id, sizeof(boot_id));
	file_load(rundir->dir, rundir->boot_name, O_NOFOLLOW, old_id, sizeof(old_id));
	rundir->stale = boot_id[0] && old_id[0] && strcmp(boot_id, old_id) != 0;
	file_replace(rundir->dir, rundir->boot_name, 0, boot_id, strlen(boot_id));
	return 0;
}

/* For sysfs_each_entry(): the lock of a job that nobody holds is that of a killed server, whose
 * device may never come back. A daemon that is just opening its own lock tries again. */
static bool rundir_sweep(void *ctx, const char *name)
{
	const struct rundir *rundir = ctx;
	const char *end = strrchr(name, '.');
	int fd;

	if (!end || strcmp(end, LOCK_END) != 0)
		return false;
	fd = openat(rundir->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
		unlinkat(rundir->dir, name, 0);
	close(fd);
	return false;
}

void rundir_close(struct rundir *rundir, bool keep_notes)
{
	if (!keep_notes)
		unlinkat(rundir->dir, rundir->boot_name, 0);
	unlinkat(rundir->dir, rundir->lock_name, 0);
	sysfs_each_entry(rundir->dir, ".", rundir_sweep, rundir);
	rundir_close_files(rundir);
	rmdir(rundir->path);
}

int rundir_lock_job(const struct rundir *rundir, const char *busid)
{
	char name[JOB_NAME_SIZE];
	int fd, error = 0;

	str_format(name, sizeof(name), JOB_NAME, busid);
	fd = openat(rundir->dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) || ftruncate(fd, 0)) {
		error = -errno;
		close(fd);
	}
	return error ? error : fd;
}

void rundir_end_job(const struct rundir *rundir, const char *busid, int lock)
{
	char name[JOB_NAME_SIZE];

	if (lock < 0)
		return;
	str_format(name, sizeof(name), JOB_NAME, busid);
	unlinkat(rundir->dir, name, 0);
	close(lock);
}

/* A line "1: FLOCK  ADVISORY  WRITE 612 00:18:1044 0 EOF", proc_locks(5): 00:18 is the device, 1044
 * the inode. */
static bool line_locks_file(void *id, char *line)
{
	return strstr(line, "FLOCK") && strstr(line, id);
}

/* Whether somebody has locked the file. Other file systems than tmpfs may have another device there
 * than stat(2) tells, such as btrfs and overlayfs (fs/locks.c lock_get_status()). */
static bool file_is_locked(const char *path, const struct stat *st)
{
	struct statfs fs;
	char id[48];
	bool exact = !statfs(path, &fs) && fs.f_type == TMPFS_MAGIC;

	str_format(id, sizeof(id), " %02x:%02x:%ju ", major(st->st_dev), minor(st->st_dev),
		   (uintmax_t)st->st_ino);
	return file_each_line(AT_FDCWD, "/proc/locks", line_locks_file,
			      exact ? id : strrchr(id, ':')) > 0;
}

bool rundir_is_locked(const char *path, const char *name)
{
	char file[PATH_MAX];
	struct stat st;

	str_format(file, sizeof(file), "%s/%s", path, name);
	return !stat(file, &st) && file_is_locked(file, &st);
}

/* All of it is written: if the file system is full later, who looks at a page would be ended by
 * SIGBUS. */
int rundir_map_page(int fd, size_t size, void **page)
{
	static const char zeros[512];
	off_t end = lseek(fd, 0, SEEK_END);

	for (size_t at = end < 0 ? size : (size_t)end, n; at < size; at += n) {
		n = size - at < sizeof(zeros) ? size - at : sizeof(zeros);
		if (write(fd, zeros, n) != (ssize_t)n)
			return -ENOSPC;
	}
	*page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return *page == MAP_FAILED ? -errno : 0;
}

bool rundir_read_page(const char *path, const char *name, void *page, size_t size)
{
	char file[PATH_MAX];
	ssize_t n;
	int fd;

	if (!rundir_is_locked(path, name))
		return false;
	str_format(file, sizeof(file), "%s/%s", path, name);
	fd = open(file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = read(fd, page, size);
	close(fd);
	return n == (ssize_t)size;
}

bool rundir_has_daemon(const char *path, const char *role)
{
	char name[sizeof("server" LOCK_END)];

	str_format(name, sizeof(name), "%s" LOCK_END, role);
	return rundir_is_locked(path, name);
}

bool rundir_job_is_stuck(const char *path, const char *busid, struct reason *why)
{
	char name[PATH_MAX];
	struct stat st;

	str_format(name, sizeof(name), "%s/" JOB_NAME, path, busid);
	if (stat(name, &st) || !st.st_size || !file_is_locked(name, &st))
		return false;
	if (file_load(AT_FDCWD, name, O_NOFOLLOW, why->text, sizeof(why->text)) <= 0)
		str_copy(why->text, sizeof(why->text), "its driver does not let go of it");
	return true;
}
