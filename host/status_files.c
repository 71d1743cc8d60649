/* SPDX-License-Identifier: MIT */
/* What the server tells those who ask on this machine. */
#include "host/status_files.h"

#include "lib/addr.h"
#include "lib/socket.h"
#include "lib/str.h"

#include <string.h>
#include <unistd.h>

enum {
	LINE_SIZE = BUSID_SIZE + sizeof(((struct reason *)0)->text) + 2,
	FILE_NAME_SIZE = 8 + BUSID_SIZE,
	NOTE_SIZE = SOCKET_PAIR_SIZE + PSK_IDENTITY_SIZE + 10,
};

static const char left_file[] = "left";

static void session_file(char *name, const struct export *export)
{
	str_format(name, FILE_NAME_SIZE, "session.%s", export->device.busid);
}

/* What is noted of its session; without it a session has no peer in status. */
static void save_session(const struct rundir *state, struct export *export, const char *text)
{
	char name[FILE_NAME_SIZE];

	session_file(name, export);
	rundir_save(state, name, text, strlen(text));
}

static void note_session(const struct rundir *state, struct export *export)
{
	char text[NOTE_SIZE];
	size_t len;

	export->noted = true;
	if (!socket_pair_text(export->session.socket.fd, text))
		text[0] = '\0'; /* not the peer of the one before */
	len = strlen(text);
	if (len)
		str_format(text + len, sizeof(text) - len, *export->key ? " %s %x\n" : "\n",
			    export->key, export->print);
	save_session(state, export, text);
}

void status_files_forget_session(const struct rundir *state, struct export *export)
{
	save_session(state, export, "");
	export->noted = false;
}

static void keep_session(const struct rundir *state, struct export *export)
{
	if (export->session.socket.fd >= 0 && !export->noted)
		note_session(state, export);
	else if (export->noted && (export->state == EXPORT_AVAILABLE ||
				   export->state == EXPORT_ERROR ||
				   export->state == EXPORT_LEFT_ALONE))
		status_files_forget_session(state, export);
}

static const char *reason(const struct export *export)
{
	if (export->state != EXPORT_LEFT_ALONE)
		return NULL;
	if (export->reason.text[0])
		return export->reason.text;
	if (export->failed == EXPORT_BINDING)
		return export->engine->step_text(export->result.step);
	return export->flaps.backoff.delay ? "it comes and goes" : NULL;
}

static void keep_left(struct status_files *files, const struct rundir *state,
		      struct exports *exports, bool end)
{
	static char text[EXPORTS_MAX * LINE_SIZE];
	size_t len = 0;
	uint32_t now;

	text[0] = '\0';
	EACH_EXPORT(exports, export) {
		const char *why = end ? NULL : reason(export);

		if (why)
			len += str_format(text + len, sizeof(text) - len, "%s %s\n",
					   export->device.busid, why);
	}
	now = str_hash(STR_HASH, text) | 1; /* 0 is not known */
	if (now != files->left && !rundir_save(state, left_file, text, len))
		files->left = now;
}

void status_files_update(struct status_files *files, const struct rundir *state,
			 struct exports *exports, bool end)
{
	EACH_EXPORT(exports, export)
		keep_session(state, export);
	keep_left(files, state, exports, end);
}

void status_files_load_session(const struct rundir *state, struct export *export)
{
	char name[FILE_NAME_SIZE], text[NOTE_SIZE], *word[6];
	unsigned words;

	export->noted = true;
	session_file(name, export);
	rundir_load(state, name, text, sizeof(text));
	words = str_words(text, word, 6);
	if (words < 3 || !addr_parse(word[2], &export->from))
		return;
	addr_text(&export->from, export->peer);
	if (words == 6 && !str_hex(word[5], UINT32_MAX, &export->print))
		str_format(export->key, sizeof(export->key), "%s", word[4]);
}
