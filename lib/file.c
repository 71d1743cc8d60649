/* SPDX-License-Identifier: MIT */
/* Small files that are read and written as a whole. */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUF_SIZE = 4096, LINE_SIZE = 4096 };

ssize_t file_load(int dir, const char *path, int flags, char *buf, size_t size)
{
	int fd = openat(dir, path, flags | O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;
	struct stat st;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	n = fstat(fd, &st);
	if (!n && !S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : ENOTSUP;
		n = -1;
	}
	while (n >= 0 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	n = n < 0 ? -errno : (ssize_t)len;
	close(fd);
	return n;
}

bool file_each_line(int dir, const char *path, bool (*see)(void *ctx, char *line), void *ctx)
{
	char buf[BUF_SIZE], line[LINE_SIZE];
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	bool found = false;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return false;
	do {
		n = read(fd, buf, sizeof(buf));
		if (n <= 0 && len) { /* the last line has no end */
			buf[0] = '\n';
			n = 1;
		}
		for (ssize_t i = 0; i < n && !found; i++) {
			if (buf[i] != '\n') {
				line[len] = buf[i];
				len += len < sizeof(line) - 1;
				continue;
			}
			line[len] = '\0';
			len = 0;
			found = see(ctx, line);
		}
	} while (n > 0 && !found);
	close(fd);
	return found;
}

int file_replace(int dir, const char *path, const char *fresh, int flags, const char *text,
		 size_t len)
{
	int fd, error = 0;
	ssize_t n;

	if (!len)
		return unlinkat(dir, path, 0) && errno != ENOENT ? -errno : 0;
	fd = openat(dir, fresh, flags | O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0644);
	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n != (ssize_t)len)
		error = n < 0 ? -errno : -ENOSPC;
	close(fd);
	if (!error && renameat(dir, fresh, dir, path))
		error = -errno;
	if (error)
		unlinkat(dir, fresh, 0);
	return error;
}
