/* SPDX-License-Identifier: MIT */
/* Keyboards and pointers, and who sits at them. */
#include "sysfs/protect.h"

#include "lib/file.h"
#include "lib/str.h"

#include <stdlib.h>
#include <string.h>

enum {
	NAME_SIZE = 64,
	TTY0 = 4 << 8, /* as a device number; the consoles are 1 to 63 (include/uapi/linux/vt.h) */
	TTY63 = TTY0 + 63,
};

struct input {
	const char *busid;
	bool ours; /* the lines are of an input device of it */
};

/* Its lines: "S: Sysfs=/devices/...", then "H: Handlers=sysrq kbd event3 leds". */
static bool see_input(void *ctx, char *line)
{
	static const char handlers[] = "H: Handlers=";
	struct input *input = ctx;
	const char *word;

	if (!strncmp(line, "S: ", 3))
		input->ours = protect_path_contains(line, input->busid);
	if (!input->ours || strncmp(line, handlers, sizeof(handlers) - 1) != 0)
		return false;
	line += sizeof(handlers) - 1;
	while ((word = str_word(&line))) /* "kbd" alone has every button */
		if (!strcmp(word, "sysrq") || !strcmp(word, "leds") || !strncmp(word, "mouse", 5))
			return true;
	return false;
}

struct session {
	bool user, seat;
};

/* True when it ends. */
static bool see_session_line(void *ctx, char *line)
{
	struct session *session = ctx;

	if (!strcmp(line, "CLASS=user"))
		session->user = true;
	if (!strncmp(line, "SEAT=", 5))
		session->seat = true;
	return !strcmp(line, "STATE=closing");
}

/* Session files of systemd-logind and elogind. */
static bool see_session(void *ctx, const char *name)
{
	const struct sysfs *sysfs = ctx;
	struct session session = { 0 };
	char path[NAME_SIZE];

	if (strstr(name, ".ref")) /* a pipe */
		return false;
	str_format(path, sizeof(path), "systemd/sessions/%s", name);
	return !file_each_line(sysfs->run, path, see_session_line, &session) && session.user &&
	       session.seat;
}

/* Those that wait for somebody. */
static bool waits(const char *name)
{
	static const char names[][9] = { "getty",  "agetty", "mingetty",
					 "fgetty", "login",  "init" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* "PID (NAME) S PPID PGRP SESSION TTY ...", the terminal as a device number. */
static bool see_stat(void *ctx, char *line)
{
	char *name = strchr(line, '('), *end = strrchr(line, ')'), *word[5];
	uint32_t tty;

	(void)ctx;
	if (!name || !end)
		return false;
	*end++ = '\0';
	return str_words(end, word, 5) == 5 && !str_decimal(word[4], UINT32_MAX, &tty) &&
	       tty > TTY0 && tty <= TTY63 && !waits(name + 1);
}

static bool see_process(void *ctx, const char *name)
{
	const struct sysfs *sysfs = ctx;
	char path[NAME_SIZE];

	str_format(path, sizeof(path), "%s/stat", name);
	return file_each_line(sysfs->proc, path, see_stat, NULL);
}

bool protect_console(const struct sysfs *sysfs, const char *busid, struct reason *use)
{
	struct input input = { .busid = busid };
	int logged_in;

	if (!file_each_line(sysfs->proc, "bus/input/devices", see_input, &input))
		return false;
	/* there may be none of that program, or no /run */
	logged_in = sysfs_each_entry(sysfs->run, "systemd/sessions", see_session, (void *)sysfs);
	if (logged_in < 0)
		logged_in = sysfs_each_entry(sysfs->proc, ".", see_process, (void *)sysfs);
	return logged_in > 0 && protect_because(use, "somebody is logged in at the console", "");
}
