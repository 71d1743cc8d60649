/* SPDX-License-Identifier: MIT */
/* The kernel's attribute files below one root directory. */
#include "sysfs/sysfs.h"

#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Enough for every path that is made from constants and checked bus ids. */
enum { PATH_SIZE = 160 };

static int open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int sysfs_open(struct sysfs *sysfs, const char *root)
{
	bool real = !strcmp(root, "/sys");

	sysfs->root = open_directory(root);
	if (sysfs->root < 0)
		return -errno;
	sysfs->usb_nodes = real ? open_directory("/dev/bus/usb") : -1;
	sysfs->proc = real ? open_directory("/proc") : -1;
	sysfs->run = real ? open_directory("/run") : -1;
	return 0;
}

void sysfs_close(struct sysfs *sysfs)
{
	int fd[] = { sysfs->usb_nodes, sysfs->proc, sysfs->run, sysfs->root };

	for (size_t i = 0; i < sizeof(fd) / sizeof(*fd); i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

bool error_is_resource(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

static int open_path(const struct sysfs *sysfs, int flags, const char *format, va_list args)
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
	fd = open_path(sysfs, flags, path, args);
	va_end(args);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Up to size bytes. */
static ssize_t read_all(int fd, void *buf, size_t size)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < size) {
		n = read(fd, (char *)buf + len, size - len);
		if (n > 0)
			len += (size_t)n;
	}
	return n < 0 ? -errno : (ssize_t)len;
}

static ssize_t read_path(const struct sysfs *sysfs, void *buf, size_t size, const char *path,
			 va_list args)
{
	int fd = open_path(sysfs, O_RDONLY, path, args);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read_all(fd, buf, size);
	close(fd);
	return n;
}

static ssize_t read_text(const struct sysfs *sysfs, char *buf, size_t size, const char *path,
			 va_list args)
{
	ssize_t n = read_path(sysfs, buf, size, path, args);

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
	n = read_path(sysfs, buf, size, path, args);
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
	fd = open_path(sysfs, O_WRONLY, path, args);
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

/* What getdents64(2) fills in: opendir() would bring an allocator along. */
struct entry {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

int sysfs_each_entry(int dir, const char *path, bool (*show)(void *ctx, const char *name), void *ctx)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct entry) char buf[2048];
	bool found = false;
	long n;

	if (fd < 0)
		return -errno;
	while (!found && (n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; !found && at < n;) {
			const struct entry *entry = (const void *)(buf + at);

			found = show(ctx, entry->name);
			at += entry->length;
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
