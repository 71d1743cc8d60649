/* SPDX-License-Identifier: MIT */
/* What this machine itself needs a USB device for. */
#include "sysfs/use.h"

#include "proto/text.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 4096 };

bool use_because(struct use *use, const char *format, const char *what)
{
	text_format(use->reason, sizeof(use->reason), format, what);
	text_printable(use->reason);
	return true;
}

bool use_leads_through(const char *path, const char *busid)
{
	size_t len = strlen(busid);

	for (path = strchr(path, '/'); path; path = strchr(path + 1, '/'))
		if (!strncmp(path + 1, busid, len) && (path[1 + len] == '/' || !path[1 + len]))
			return true;
	return false;
}

/* The lines that are whole in buf, or fill it; returns how much of it they were. */
static size_t show_lines(char *buf, size_t len, bool last, bool *skip, bool *found,
			 bool (*see)(void *ctx, char *line), void *ctx)
{
	char *line = buf, *end;

	while (!*found && (end = memchr(line, '\n', (size_t)(buf + len - line)))) {
		*end = '\0';
		*found = !*skip && see(ctx, line);
		*skip = false;
		line = end + 1;
	}
	if (line == buf && (len == LINE_SIZE || last) && len) { /* the rest of it is left out */
		buf[len] = '\0';
		*found = !*skip && see(ctx, line);
		*skip = true;
		line = buf + len;
	}
	return (size_t)(line - buf);
}

bool use_each_line(int dir, const char *path, bool (*see)(void *ctx, char *line), void *ctx)
{
	char buf[LINE_SIZE + 1];
	bool skip = false, found = false;
	size_t len = 0, used;
	ssize_t n = 1;
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while (!found && n > 0) {
		n = read(fd, buf + len, LINE_SIZE - len);
		if (n > 0)
			len += (size_t)n;
		used = show_lines(buf, len, n <= 0, &skip, &found, see, ctx);
		len -= used;
		memmove(buf, buf + used, len);
	}
	close(fd);
	return found;
}

bool device_use(const struct sysfs *sysfs, const char *busid, struct use *use)
{
	return sysfs->proc >= 0 && (use_disk(sysfs, busid, use) || use_network(sysfs, busid, use) ||
				    use_console(sysfs, busid, use));
}
