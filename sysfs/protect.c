/* SPDX-License-Identifier: MIT */
/* Which USB devices this host itself depends on. */
#include "sysfs/protect.h"

#include "lib/file.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

bool protect_because(struct protect_query *query, const char *format, ...)
{
	struct reason *reason = query->reason;
	va_list args;

	if (query->unknown)
		return true;
	va_start(args, format);
	str_vformat(reason->text, sizeof(reason->text), format, args);
	va_end(args);
	str_printable(reason->text);
	return true;
}

bool protect_unknown(struct protect_query *query, const char *format, ...)
{
	struct reason what;
	va_list args;

	va_start(args, format);
	str_vformat(what.text, sizeof(what.text), format, args);
	va_end(args);
	protect_because(query, "this host may need it: %s", what.text);
	query->unknown = true;
	return true;
}

bool protect_unreadable(struct protect_query *query, const char *dir, const char *path,
			ssize_t error)
{
	return protect_unknown(query, "cannot read %s/%s: %s", dir, path, strerror((int)-error));
}

bool protect_is_gone(ssize_t error)
{
	return error == -ENOENT || error == -ENODEV;
}

bool protect_each_proc_line(struct protect_query *query, const char *path,
			    bool (*visit)(void *ctx, char *line), void *ctx)
{
	int found = file_each_line(query->sysfs->proc, path, visit, ctx);

	if (found < 0 && !protect_is_gone(found))
		return protect_unreadable(query, "/proc", path, found);
	return found > 0;
}

bool protect_each_entry(struct protect_query *query, const char *path,
			bool (*visit)(void *ctx, const char *name), void *ctx)
{
	int found = sysfs_each_entry(query->sysfs->root, path, visit, ctx);

	if (found < 0 && !protect_is_gone(found))
		return protect_unreadable(query, "/sys", path, found);
	return found > 0;
}

bool protect_path_contains(const char *path, const char *busid)
{
	size_t len = strlen(busid);

	for (path = strchr(path, '/'); path; path = strchr(path + 1, '/'))
		if (!strncmp(path + 1, busid, len) && (path[1 + len] == '/' || !path[1 + len]))
			return true;
	return false;
}

/* Every kernel has this file; with subset=pid, or if no proc is mounted, it is not there. */
static bool proc_is_hidden(struct protect_query *query)
{
	int proc = query->sysfs->proc;

	if (proc < 0)
		return protect_unknown(query, "cannot read /proc: %s", strerror(-proc));
	return faccessat(proc, "version", F_OK, 0) &&
	       protect_unreadable(query, "/proc", "version", -errno);
}

bool protect_check(const struct sysfs *sysfs, const char *busid, struct reason *reason)
{
	struct protect_query query = { .sysfs = sysfs, .busid = busid, .reason = reason };

	return !sysfs->fake && (proc_is_hidden(&query) || protect_disk(&query) ||
				protect_net(&query) || protect_console(&query));
}
