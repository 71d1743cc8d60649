/* SPDX-License-Identifier: MIT */
/* What this machine itself needs a USB device for. */
#include "sysfs/protect.h"

#include "lib/str.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { BUF_SIZE = 4096, LINE_SIZE = 4096 };

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

bool use_each_line(int dir, const char *path, bool (*see)(void *ctx, char *line), void *ctx)
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

bool device_use(const struct sysfs *sysfs, const char *busid, struct use *use)
{
	return sysfs->proc >= 0 && (use_disk(sysfs, busid, use) || use_network(sysfs, busid, use) ||
				    use_console(sysfs, busid, use));
}
