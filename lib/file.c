/* SPDX-License-Identifier: MIT */
/* Small files that are read and written as a whole. */
#include "lib/file.h"

#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_SIZE = 4096 };

ssize_t file_read_all(int fd, void *buf, size_t size)
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

ssize_t file_load(int dir, const char *path, int flags, char *buf, size_t size)
{
	int fd = openat(dir, path, flags | O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		n = -errno;
	else if (!S_ISREG(st.st_mode))
		n = S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
	else
		n = file_read_all(fd, buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	close(fd);
	return n;
}

int file_each_line(int dir, const char *path, bool (*visit)(void *ctx, char *line), void *ctx)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	char line[LINE_SIZE], piece[4096];
	bool found = false;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, piece, sizeof(piece));
		if (!n && len) /* the last line has no '\n' */
			piece[n++] = '\n';
		for (ssize_t i = 0; i < n && !found; i++) {
			if (piece[i] != '\n') {
				line[len] = piece[i];
				len += len < sizeof(line) - 1;
				continue;
			}
			line[len] = '\0';
			len = 0;
			found = visit(ctx, line);
		}
	} while (n > 0 && !found);
	n = n < 0 ? -errno : found;
	close(fd);
	return (int)n;
}

static bool line_contains(void *text, char *line)
{
	return strstr(line, text) != NULL;
}

bool file_contains(int dir, const char *path, const char *text)
{
	return file_each_line(dir, path, line_contains, (void *)text) > 0;
}

int file_replace(int dir, const char *path, int flags, const char *text, size_t len)
{
	char fresh[PATH_MAX + sizeof(".new")];
	int fd, error = 0;
	ssize_t n;

	str_format(fresh, sizeof(fresh), "%s.new", path);
	if (!len) {
		unlinkat(dir, fresh, 0); /* left by a process that was killed */
		return unlinkat(dir, path, 0) && errno != ENOENT ? -errno : 0;
	}
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
