/* SPDX-License-Identifier: MIT */
/* Small files in the run directory about sessions, and devices that are left alone. */
#include "host/host.h"

#include "lib/file.h"
#include "lib/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum {
	LEFT_LINE_SIZE = BUSID_SIZE + sizeof(((struct reason *)0)->text) + 2,
	SESSION_NAME_SIZE = sizeof("session.") + BUSID_SIZE,
	SESSION_LINE_SIZE = SESSION_TEXT_SIZE + PSK_IDENTITY_SIZE + sizeof(" ffffffff\n"),
	SESSION_WORDS = 7,
};

/* Only for this user: against the print of its key, a guessed key can be tried. If that fails,
 * `usbiphp status` shows the session without its peer. */
static void save_session_file(const struct rundir *rundir, const struct export *export,
			      const char *text)
{
	char name[SESSION_NAME_SIZE];
	mode_t mask = umask(077);

	str_format(name, sizeof(name), "session.%s", export->device.busid);
	file_replace(rundir->dir, name, 0, text, strlen(text));
	umask(mask);
}

/* A connection that is over already has no line: then the file of the last session goes. */
static void write_session_file(const struct rundir *rundir, struct export *export)
{
	char session[SESSION_TEXT_SIZE], key[PSK_IDENTITY_SIZE + sizeof(" ffffffff ")] = "";
	char text[SESSION_LINE_SIZE] = "";

	if (*export->key)
		str_format(key, sizeof(key), " %s %x", export->key, export->print);
	if (session_describe(export->session.socket.fd, session))
		str_format(text, sizeof(text), "%s%s\n", session, key);
	save_session_file(rundir, export, text);
	export->noted = true;
}

void status_files_remove_session(const struct rundir *rundir, struct export *export)
{
	save_session_file(rundir, export, "");
	export->noted = false;
}

/* NULL: it is exported, or about to be. */
static const char *reason_left_alone(const struct export *export)
{
	if (export->state != EXPORT_LEFT_ALONE)
		return NULL;
	if (export->reason.text[0])
		return export->reason.text;
	if (export->failed == EXPORT_BINDING)
		return export->engine->step_text(export->result.step);
	return export->flaps.backoff.delay ? "it comes and goes" : NULL;
}

/* Unless it has that text already. */
static void save_file(const struct rundir *rundir, const char *name, const char *text, size_t len,
		      uint32_t *saved)
{
	uint32_t hash = str_hash(STR_HASH, text) | 1; /* never 0: that is not known */

	if (hash != *saved && !file_replace(rundir->dir, name, 0, text, len))
		*saved = hash;
}

/* For the file, and for the log when it changes. */
static size_t describe_choice(struct host *host, char *text, size_t size)
{
	const struct engine_choice *choice = &host->choice;
	const char *name = choice->error ? ENGINE_NONE : choice->engine->name;
	const char *why = choice->why.text;

	if (!*why)
		log_once_clear(&host->engine_log);
	else if (!choice->error)
		log_once(&host->engine_log, LOG_LEVEL_INFO, 0,
			 "further devices are exported by %s: %s", name, why);
	return str_format(text, size, "%s %s\n", name, why);
}

static size_t describe_offered(struct host *host, char *text, size_t size)
{
	size_t len = 0;

	EACH_EXPORT(&host->exports, export)
		if (export->offered)
			len += str_format(text + len, size - len, "%s\n", export->device.busid);
	return len;
}

void status_files_update(struct host *host, bool stopping)
{
	const struct rundir *rundir = &host->daemon.rundir;
	static char text[EXPORTS_MAX * LEFT_LINE_SIZE];
	size_t len = 0;

	EACH_EXPORT(&host->exports, export) {
		const char *reason = stopping ? NULL : reason_left_alone(export);

		if (!export->noted && export->session.socket.fd >= 0)
			write_session_file(rundir, export);
		else if (export->noted && export_is_free(export))
			status_files_remove_session(rundir, export);
		if (reason)
			len += str_format(text + len, sizeof(text) - len, "%s %s\n",
					  export->device.busid, reason);
	}
	text[len] = '\0';
	save_file(rundir, "left", text, len, &host->left_hash);
	len = stopping ? 0 : describe_offered(host, text, sizeof(text));
	text[len] = '\0';
	save_file(rundir, "offered", text, len, &host->offered_hash);
	len = stopping ? 0 : describe_choice(host, text, sizeof(text));
	text[len] = '\0';
	save_file(rundir, "engine", text, len, &host->engine_hash);
}

void status_files_load_session(const struct rundir *rundir, struct export *export)
{
	char name[SESSION_NAME_SIZE], text[SESSION_LINE_SIZE], *word[SESSION_WORDS];
	unsigned words;

	export->noted = true; /* also if it cannot be read: it is removed when the device is free */
	str_format(name, sizeof(name), "session.%s", export->device.busid);
	file_load(rundir->dir, name, O_NOFOLLOW, text, sizeof(text));
	words = str_words(text, word, SESSION_WORDS);
	if (words < 4 || !addr_parse(word[3], &export->from))
		return;
	addr_text(&export->from, export->peer);
	if (words == SESSION_WORDS && !str_hex(word[6], UINT32_MAX, &export->print))
		str_copy(export->key, sizeof(export->key), word[5]);
}
