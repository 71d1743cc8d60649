/* SPDX-License-Identifier: MIT */
/* The kernel's attribute files below one root directory. */
#include "sysfs/sysfs.h"

#include "lib/file.h"
#include "lib/str.h"
#include "lib/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Enough for every path that is made from constants and checked bus ids. */
enum { PATH_SIZE = 160 };

static int open_directory(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool is_kernels_sysfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) || fs.f_type == SYSFS_MAGIC;
}

int sysfs_open(struct sysfs *sysfs, const char *root)
{
	sysfs->root = open_directory(AT_FDCWD, root);
	if (sysfs->root < 0)
		return sysfs->root;
	sysfs->fake = !is_kernels_sysfs(sysfs->root);
	sysfs->usb_nodes = sysfs->proc = sysfs->run = -ENOENT;
	if (!sysfs->fake) {
		sysfs->usb_nodes = open_directory(AT_FDCWD, "/dev/bus/usb");
		sysfs->proc = open_directory(AT_FDCWD, "/proc");
		sysfs->run = open_directory(AT_FDCWD, "/run");
	}
	return 0;
}

void sysfs_close(struct sysfs *sysfs)
{
	const int fd[] = { sysfs->usb_nodes, sysfs->proc, sysfs->run, sysfs->root };

	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

bool error_is_resource(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

static int open_attribute(const struct sysfs *sysfs, int flags, const char *format, va_list args)
{
	char path[PATH_SIZE];
	int fd;

	str_vformat(path, sizeof(path), format, args);
	fd = openat(sysfs->root, path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysfs_can_open(const struct sysfs *sysfs, int flags, const char *path, ...)
{
	va_list args;
	int fd;

	va_start(args, path);
	fd = open_attribute(sysfs, flags, path, args);
	va_end(args);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static ssize_t read_bytes(const struct sysfs *sysfs, void *buf, size_t size, const char *path,
			  va_list args)
{
	int fd = open_attribute(sysfs, O_RDONLY, path, args);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = file_read_all(fd, buf, size);
	close(fd);
	return n;
}

static ssize_t read_text(const struct sysfs *sysfs, char *buf, size_t size, const char *path,
			 va_list args)
{
	ssize_t n = read_bytes(sysfs, buf, size, path, args);

	if (n < 0)
		return n;
	if ((size_t)n == size)
		return -EFBIG;
	if (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

ssize_t sysfs_read_bytes(const struct sysfs *sysfs, uint8_t *buf, size_t size,
			 const char *path, ...)
{
	va_list args;
	ssize_t n;

	va_start(args, path);
	n = read_bytes(sysfs, buf, size, path, args);
	va_end(args);
	return n;
}

ssize_t sysfs_read(const struct sysfs *sysfs, char *buf, size_t size, const char *path, ...)
{
	va_list args;
	ssize_t n;

	va_start(args, path);
	n = read_text(sysfs, buf, size, path, args);
	va_end(args);
	return n;
}

int sysfs_read_number(const struct sysfs *sysfs, bool hex, uint32_t max, uint32_t *value,
		      const char *path, ...)
{
	char buf[16];
	va_list args;
	ssize_t n;

	va_start(args, path);
	n = read_text(sysfs, buf, sizeof(buf), path, args);
	va_end(args);
	if (n < 0)
		return (int)n;
	return hex ? str_hex(buf, max, value) : str_decimal(buf, max, value);
}

int sysfs_write(const struct sysfs *sysfs, const char *value, const char *path, ...)
{
	size_t len = strlen(value);
	va_list args;
	ssize_t n;
	int fd;

	va_start(args, path);
	fd = open_attribute(sysfs, O_WRONLY, path, args);
	va_end(args);
	if (fd < 0)
		return fd;
	n = write(fd, value, len);
	if (n < 0)
		n = -errno;
	else
		n = (size_t)n == len ? 0 : -EIO;
	close(fd);
	return (int)n;
}

int sysfs_each_entry(int dir, const char *path, bool (*visit)(void *ctx, const char *name),
		     void *ctx)
{
	_Alignas(struct dirent64) char buf[2048];
	int fd = open_directory(dir, path);
	bool found = false;
	ssize_t n;

	if (fd < 0)
		return fd;
	/* opendir(3) would allocate */
	while (!found && (n = getdents64(fd, (void *)buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; !found && at < n;) {
			const struct dirent64 *entry = (const void *)(buf + at);

			found = visit(ctx, entry->d_name);
			at += entry->d_reclen;
		}
	n = !found && n < 0 ? -errno : found;
	close(fd);
	return (int)n;
}

ssize_t sysfs_read_link(const struct sysfs *sysfs, char *buf, size_t size, const char *path, ...)
{
	char name[PATH_SIZE];
	va_list args;
	ssize_t n;

	va_start(args, path);
	str_vformat(name, sizeof(name), path, args);
	va_end(args);
	n = readlinkat(sysfs->root, name, buf, size);
	if (n < 0)
		return -errno;
	if ((size_t)n == size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return n;
}
