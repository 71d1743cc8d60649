/* SPDX-License-Identifier: MIT */
/* The kernel's attribute files below one root directory. */
#include "sysfs/sysfs.h"

#include "lib/file.h"
#include "lib/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { DIRECTORY = O_RDONLY | O_DIRECTORY };

static int open_below(int dir, const char *path, int flags)
{
	int fd = openat(dir, path, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int sysfs_open(struct sysfs *sysfs, const char *root)
{
	struct statfs fs;

	sysfs->root = open_below(AT_FDCWD, root, DIRECTORY);
	if (sysfs->root < 0)
		return sysfs->root;
	sysfs->fake = !fstatfs(sysfs->root, &fs) && fs.f_type != SYSFS_MAGIC;
	sysfs->usb_nodes = sysfs->proc = sysfs->run = sysfs->dev = sysfs->etc = -ENOENT;
	if (!sysfs->fake) {
		sysfs->usb_nodes = open_below(AT_FDCWD, "/dev/bus/usb", DIRECTORY);
		sysfs->proc = open_below(AT_FDCWD, "/proc", DIRECTORY);
		sysfs->run = open_below(AT_FDCWD, "/run", DIRECTORY);
		sysfs->dev = open_below(AT_FDCWD, "/dev", DIRECTORY);
		sysfs->etc = open_below(AT_FDCWD, "/etc", DIRECTORY);
	}
	return 0;
}

void sysfs_close(struct sysfs *sysfs)
{
	/* EBADF for those that could not be opened */
	close(sysfs->usb_nodes);
	close(sysfs->proc);
	close(sysfs->run);
	close(sysfs->dev);
	close(sysfs->etc);
	close(sysfs->root);
}

bool error_is_resource(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

struct sysfs_path sysfs_path(const char *format, ...)
{
	struct sysfs_path path = { "" };
	va_list args;

	va_start(args, format);
	str_vformat(path.text, sizeof(path.text), format, args);
	va_end(args);
	return path;
}

int sysfs_can_open(const struct sysfs *sysfs, int flags, const char *path)
{
	int fd = open_below(sysfs->root, path, flags);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

ssize_t sysfs_read_bytes(const struct sysfs *sysfs, void *buf, size_t size, const char *path)
{
	int fd = open_below(sysfs->root, path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = file_read_all(fd, buf, size);
	close(fd);
	return n;
}

static ssize_t terminate(char *buf, size_t size, ssize_t n)
{
	if (n == (ssize_t)size)
		n = -EFBIG;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n > 0 ? n : 0] = '\0';
	return n;
}

ssize_t sysfs_read(const struct sysfs *sysfs, char *buf, size_t size, const char *path)
{
	return terminate(buf, size, sysfs_read_bytes(sysfs, buf, size, path));
}

/* One read(2) has all of a number, as kernfs_seq_show() makes it at once. A pass reads many. */
int sysfs_read_number(const struct sysfs *sysfs, bool hex, uint32_t max, const char *path)
{
	int error, fd = open_below(sysfs->root, path, O_RDONLY);
	char buf[16];
	uint32_t value;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, buf, sizeof(buf));
	error = (int)terminate(buf, sizeof(buf), n < 0 ? -errno : n);
	close(fd);
	if (error >= 0)
		error = hex ? str_hex(buf, max, &value) : str_decimal(buf, max, &value);
	return error ? error : (int)value;
}

ssize_t sysfs_read_link(const struct sysfs *sysfs, char *buf, size_t size, const char *path)
{
	ssize_t n = readlinkat(sysfs->root, path, buf, size);

	if (n < 0)
		return -errno;
	if ((size_t)n == size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return n;
}

int sysfs_write(const struct sysfs *sysfs, const char *value, const char *path)
{
	int fd = open_below(sysfs->root, path, O_WRONLY), error = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, value, strlen(value));
	if (n != (ssize_t)strlen(value))
		error = n < 0 ? -errno : -EIO;
	close(fd);
	return error;
}

int sysfs_each_entry(int dir, const char *path, bool (*visit)(void *ctx, const char *name),
		     void *ctx)
{
	_Alignas(struct dirent64) char buf[2048];
	int fd = open_below(dir, path, DIRECTORY);
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
