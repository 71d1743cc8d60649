/* SPDX-License-Identifier: MIT */
/* Which USB devices this host itself depends on: the question, and its part on the console. */
#include "sysfs/protect.h"

#include "lib/file.h"
#include "lib/util.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum {
	TTY0 = 4 << 8, /* a device number; the consoles are 1 to 63 (include/uapi/linux/vt.h) */
	TTY63 = TTY0 + 63,
};

bool protect_because(struct protect_query *query, const char *format, ...)
{
	struct reason *reason = &query->reason;
	va_list args;

	if (reason->text[0])
		return true;
	va_start(args, format);
	str_vformat(reason->text, sizeof(reason->text), format, args);
	va_end(args);
	str_printable(reason->text);
	return true;
}

bool protect_unreadable(struct protect_query *query, const char *dir, const char *path,
			ssize_t error)
{
	return protect_because(query, PROTECT_UNKNOWN "cannot read /%s/%s: %s", dir, path,
			       strerror((int)-error));
}

bool protect_failed(struct protect_query *query, const char *dir, const char *path, ssize_t result)
{
	/* -ESRCH: a process that ended between open(2) and read(2) */
	return result < 0 && result != -ENOENT && result != -ENODEV && result != -ESRCH &&
	       protect_unreadable(query, dir, path, result);
}

bool protect_each_line(struct protect_query *query, const char *path,
		       bool (*visit)(void *ctx, char *line), void *ctx)
{
	int found = file_each_line(query->sysfs->proc, path, visit, ctx);

	return found > 0 || protect_failed(query, "proc", path, found);
}

bool protect_each_entry(struct protect_query *query, const char *path,
			bool (*visit)(void *ctx, const char *name), void *ctx)
{
	int found = sysfs_each_entry(query->sysfs->root, path, visit, ctx);

	return found > 0 || protect_failed(query, "sys", path, found);
}

bool protect_path_contains(const char *path, const char *busid)
{
	size_t len = strlen(busid);

	for (path = strchr(path, '/'); path; path = strchr(path + 1, '/'))
		if (!strncmp(path + 1, busid, len) && (path[1 + len] == '/' || !path[1 + len]))
			return true;
	return false;
}

/* Finds a keyboard or pointer: "S: Sysfs=/devices/...", then "H: Handlers=sysrq kbd event3". */
static bool input_visit_line(void *ctx, char *line)
{
	static const char handlers[] = "H: Handlers=";
	struct protect_query *query = ctx;
	const char *word;

	if (!strncmp(line, "S: ", 3))
		query->on_device = protect_path_contains(line, query->busid);
	if (!query->on_device || strncmp(line, handlers, sizeof(handlers) - 1) != 0)
		return false;
	line += sizeof(handlers) - 1;
	while ((word = str_word(&line))) /* "kbd" alone: anything with a button has it */
		if (!strcmp(word, "sysrq") || !strcmp(word, "leds") || !strncmp(word, "mouse", 5))
			return true;
	return false;
}

/* A session file of systemd-logind or elogind: true for a user's at this host's screen. */
static bool login_visit_session(void *ctx, const char *name)
{
	struct protect_query *query = ctx;
	struct sysfs_path path = sysfs_path("systemd/sessions/%s", name);
	char text[4096] = "\n"; /* some 500 bytes are usual */
	ssize_t n;

	if (name[0] == '.' || strstr(name, ".ref")) /* the latter is a pipe */
		return false;
	n = file_load(query->sysfs->run, path.text, 0, text + 1, sizeof(text) - 1);
	if (n == sizeof(text) - 2)
		n = -EFBIG; /* there may be more */
	return protect_failed(query, "run", path.text, n) ||
	       (strstr(text, "\nCLASS=user") && strstr(text, "\nSEAT=") &&
		!strstr(text, "\nSTATE=closing\n"));
}

/* "PID (NAME) S PPID PGRP SESSION TTY ...", the terminal as a device number. */
static bool login_visit_stat(void *ctx, char *line)
{
	/* they wait at a console for somebody to log in */
	static const char *const prompts[] = { "getty",	 "agetty", "mingetty",
					       "fgetty", "login",  "init" };
	char *name = strchr(line, '('), *end = strrchr(line, ')'), *word[5];
	uint32_t tty;

	(void)ctx;
	if (!name || !end)
		return false;
	*end++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(prompts); i++)
		if (!strcmp(name + 1, prompts[i]))
			return false;
	return str_words(end, word, 5) == 5 && !str_decimal(word[4], UINT32_MAX, &tty) &&
	       tty > TTY0 && tty <= TTY63;
}

static bool login_visit_process(void *ctx, const char *pid)
{
	struct protect_query *query = ctx;

	return pid[0] >= '0' && pid[0] <= '9' &&
	       protect_each_line(query, sysfs_path("%s/stat", pid).text, login_visit_stat, NULL);
}

/* /proc always has it, unless it is hidden (hidepid, subset=pid). */
static bool proc_lacks(struct protect_query *query, const char *path)
{
	struct stat st;

	return fstatat(query->sysfs->proc, path, &st, 0) &&
	       protect_unreadable(query, "proc", path, -errno);
}

static bool login_at_console(struct protect_query *query)
{
	int run = query->sysfs->run, found = run;

	if (run >= 0)
		found = sysfs_each_entry(run, "systemd/sessions", login_visit_session, query);
	if (found != -ENOENT)
		return found > 0 || protect_failed(query, "run", "systemd/sessions", found);
	/* no logind */
	found = sysfs_each_entry(query->sysfs->proc, ".", login_visit_process, query);
	return proc_lacks(query, "1/stat") || found > 0 ||
	       protect_failed(query, "proc", ".", found);
}

static bool protect_console(struct protect_query *query)
{
	return protect_each_line(query, "bus/input/devices", input_visit_line, query) &&
	       (query->reason.text[0] || login_at_console(query)) &&
	       protect_because(query, "somebody is logged in at the console");
}

bool protect_check(const struct sysfs *sysfs, const char *busid, struct reason *reason)
{
	struct protect_query query = { .sysfs = sysfs, .busid = busid };
	bool needed;

	if (sysfs->fake)
		return false;
	if (sysfs->proc < 0)
		needed = protect_because(&query, PROTECT_UNKNOWN "cannot read /proc: %s",
					 strerror(-sysfs->proc));
	else
		needed = proc_lacks(&query, "version") || protect_disk(&query) ||
			 protect_net(&query) || protect_console(&query);
	if (needed)
		*reason = query.reason;
	return needed;
}
