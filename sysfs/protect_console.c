/* SPDX-License-Identifier: MIT */
/* Keyboards and pointers, and whether somebody is logged in at the console. */
#include "sysfs/protect.h"

#include "lib/file.h"
#include "lib/str.h"
#include "lib/util.h"

#include <errno.h>
#include <string.h>

enum {
	PATH_SIZE = 64,
	TTY0 = 4 << 8, /* a device number; the consoles are 1 to 63 (include/uapi/linux/vt.h) */
	TTY63 = TTY0 + 63,
};

struct input_search {
	const char *busid;
	bool on_device; /* the lines that follow are of an input device of this USB device */
};

/* Finds a keyboard or pointer: "S: Sysfs=/devices/...", then "H: Handlers=sysrq kbd event3". */
static bool input_visit_line(void *ctx, char *line)
{
	static const char handlers[] = "H: Handlers=";
	struct input_search *search = ctx;
	const char *word;

	if (!strncmp(line, "S: ", 3))
		search->on_device = protect_path_contains(line, search->busid);
	if (!search->on_device || strncmp(line, handlers, sizeof(handlers) - 1) != 0)
		return false;
	line += sizeof(handlers) - 1;
	while ((word = str_word(&line))) /* "kbd" alone: anything with a button has it */
		if (!strcmp(word, "sysrq") || !strcmp(word, "leds") || !strncmp(word, "mouse", 5))
			return true;
	return false;
}

struct login_session {
	bool of_user, at_seat;
};

/* True if the session is about to end. */
static bool login_visit_line(void *ctx, char *line)
{
	struct login_session *session = ctx;

	if (!strcmp(line, "CLASS=user"))
		session->of_user = true;
	if (!strncmp(line, "SEAT=", 5))
		session->at_seat = true;
	return !strcmp(line, "STATE=closing");
}

/* A session file of systemd-logind or elogind: true for a user's at this host's screen. */
static bool login_visit_session(void *ctx, const char *name)
{
	struct protect_query *query = ctx;
	struct login_session session = { 0 };
	char path[PATH_SIZE];
	int closing;

	if (name[0] == '.' || strstr(name, ".ref")) /* the latter is a pipe */
		return false;
	str_format(path, sizeof(path), "systemd/sessions/%s", name);
	closing = file_each_line(query->sysfs->run, path, login_visit_line, &session);
	if (closing < 0)
		return !protect_is_gone(closing) &&
		       protect_unreadable(query, "/run", path, closing);
	return !closing && session.of_user && session.at_seat;
}

/* Programs that wait at a console for somebody to log in. */
static bool login_is_prompt(const char *program)
{
	static const char *const prompts[] = { "getty",	 "agetty", "mingetty",
					       "fgetty", "login",  "init" };

	for (size_t i = 0; i < ARRAY_SIZE(prompts); i++)
		if (!strcmp(program, prompts[i]))
			return true;
	return false;
}

/* "PID (NAME) S PPID PGRP SESSION TTY ...", the terminal as a device number. */
static bool login_visit_stat(void *ctx, char *line)
{
	char *name = strchr(line, '('), *end = strrchr(line, ')'), *word[5];
	uint32_t tty;

	(void)ctx;
	if (!name || !end)
		return false;
	*end++ = '\0';
	return str_words(end, word, 5) == 5 && !str_decimal(word[4], UINT32_MAX, &tty) &&
	       tty > TTY0 && tty <= TTY63 && !login_is_prompt(name + 1);
}

static bool login_visit_process(void *ctx, const char *pid)
{
	struct protect_query *query = ctx;
	char path[PATH_SIZE];
	int found;

	if (pid[0] < '0' || pid[0] > '9')
		return false;
	str_format(path, sizeof(path), "%s/stat", pid);
	found = file_each_line(query->sysfs->proc, path, login_visit_stat, NULL);
	if (found == -ESRCH) /* it ended between open(2) and read(2) */
		return false;
	if (found < 0)
		return !protect_is_gone(found) && protect_unreadable(query, "/proc", path, found);
	return found > 0;
}

/* Looks for a program at a console. Process 1 always exists; if it is hidden (hidepid), so are
 * others. */
static bool login_by_process(struct protect_query *query)
{
	int found = file_each_line(query->sysfs->proc, "1/stat", login_visit_stat, NULL);

	if (found >= 0)
		found = sysfs_each_entry(query->sysfs->proc, ".", login_visit_process, query);
	return found < 0 ? protect_unreadable(query, "/proc", "1/stat", found) : found;
}

static bool login_at_console(struct protect_query *query)
{
	int run = query->sysfs->run, found = run;

	if (run >= 0)
		found = sysfs_each_entry(run, "systemd/sessions", login_visit_session, query);
	if (found == -ENOENT) /* no logind */
		return login_by_process(query);
	return found < 0 ? protect_unreadable(query, "/run", "systemd/sessions", found) : found;
}

bool protect_console(struct protect_query *query)
{
	struct input_search search = { .busid = query->busid };

	return protect_each_proc_line(query, "bus/input/devices", input_visit_line, &search) &&
	       (query->unknown || login_at_console(query)) &&
	       protect_because(query, "somebody is logged in at the console");
}
