/* SPDX-License-Identifier: MIT */
/* Keyboards and pointers, and who sits at them. */
#include "sysfs/use.h"

#include "proto/text.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 64, TTY_MAJOR = 4, CONSOLES = 63 /* include/uapi/linux/vt.h */ };

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
		input->ours = use_leads_through(line, input->busid);
	if (!input->ours || strncmp(line, handlers, sizeof(handlers) - 1) != 0)
		return false;
	line += sizeof(handlers) - 1;
	while ((word = text_word(&line))) /* "kbd" alone has every button */
		if (!strcmp(word, "sysrq") || !strcmp(word, "leds") || !strncmp(word, "mouse", 5))
			return true;
	return false;
}

struct session {
	bool user, seat, closing;
};

static bool see_session_line(void *ctx, char *line)
{
	struct session *session = ctx;

	session->user = session->user || !strcmp(line, "CLASS=user");
	session->seat = session->seat || !strncmp(line, "SEAT=", 5);
	session->closing = session->closing || !strcmp(line, "STATE=closing");
	return false;
}

/* Session files of systemd-logind and elogind. */
static bool see_session(void *ctx, const char *name)
{
	static const char dir[] = "systemd/sessions/";
	const struct sysfs *sysfs = ctx;
	struct session session = { 0 };
	char path[sizeof(dir) + NAME_SIZE];

	if (name[0] == '.' || strlen(name) >= NAME_SIZE || strstr(name, ".ref"))
		return false;
	text_format(path, sizeof(path), "%s%s", dir, name);
	use_each_line(sysfs->run, path, see_session_line, &session);
	return session.user && session.seat && !session.closing;
}

/* Those that wait for somebody. */
static bool waits(const char *name)
{
	static const char *const names[] = { "getty",  "agetty", "mingetty",
					     "fgetty", "login",  "init" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* "PID (NAME) S PPID PGRP SESSION TTY ...", the terminal as a device number. */
static bool see_stat(void *ctx, char *line)
{
	char *name = strchr(line, '('), *end = strrchr(line, ')'), *word = NULL;
	uint32_t tty;

	(void)ctx;
	if (!name || !end)
		return false;
	*end++ = '\0';
	for (int i = 0; i < 5; i++)
		word = text_word(&end);
	return word && !text_decimal(word, UINT32_MAX, &tty) && (tty >> 8 & 0xfff) == TTY_MAJOR &&
	       (tty & 0xff) >= 1 && (tty & 0xff) <= CONSOLES && !waits(name + 1);
}

static bool see_process(void *ctx, const char *name)
{
	const struct sysfs *sysfs = ctx;
	char path[NAME_SIZE];

	if (name[0] < '1' || name[0] > '9' || strlen(name) > 16)
		return false;
	text_format(path, sizeof(path), "%s/stat", name);
	return use_each_line(sysfs->proc, path, see_stat, NULL);
}

bool use_console(const struct sysfs *sysfs, const char *busid, struct use *use)
{
	struct input input = { .busid = busid };
	int logged_in;

	if (!use_each_line(sysfs->proc, "bus/input/devices", see_input, &input))
		return false;
	/* there may be none of that program, or no /run */
	logged_in = sysfs_entries(sysfs->run, "systemd/sessions", see_session, (void *)sysfs);
	if (logged_in < 0)
		logged_in = sysfs_entries(sysfs->proc, ".", see_process, (void *)sysfs);
	if (logged_in <= 0)
		return false;
	text_format(use->reason, sizeof(use->reason), "somebody is logged in at the console");
	return true;
}
