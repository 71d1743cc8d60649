/* SPDX-License-Identifier: MIT */
/* What this machine itself needs a USB device for. */
#include "sysfs/protect.h"

#include <string.h>

bool protect_because(struct reason *use, const char *format, const char *what)
{
	str_format(use->text, sizeof(use->text), format, what);
	str_printable(use->text);
	return true;
}

bool protect_path_contains(const char *path, const char *busid)
{
	size_t len = strlen(busid);

	for (path = strchr(path, '/'); path; path = strchr(path + 1, '/'))
		if (!strncmp(path + 1, busid, len) && (path[1 + len] == '/' || !path[1 + len]))
			return true;
	return false;
}

bool protect_check(const struct sysfs *sysfs, const char *busid, struct reason *use)
{
	return sysfs->proc >= 0 && (protect_disk(sysfs, busid, use) || protect_net(sysfs, busid, use) ||
				    protect_console(sysfs, busid, use));
}
