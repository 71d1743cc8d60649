/* SPDX-License-Identifier: MIT */
/* The file of --psk. */
#include "loop/keys.h"

#include "loop/file.h"
#include "loop/log.h"
#include "proto/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = KEYS_MAX * PSK_LINE_SIZE };

const struct psk *keys_find(const struct keys *keys, const char *identity)
{
	for (const struct psk *key = keys->key; key < keys->key + keys->count; key++)
		if (!strcmp(key->identity, identity))
			return key;
	return NULL;
}

static const char *add(struct keys *keys, const char *line)
{
	struct psk *key = &keys->key[keys->count];
	const char *wrong = keys->count == KEYS_MAX ? "too many keys" : psk_parse(key, line);

	if (!wrong && keys_find(keys, key->identity))
		wrong = "this identity has a key already";
	if (!wrong)
		keys->count++;
	return wrong;
}

/* What is wrong, and in which line. */
static const char *fill(struct keys *keys, char *text, unsigned *line)
{
	const char *wrong = NULL;

	keys->count = 0;
	for (*line = 1; *text && !wrong; ++*line) {
		char *cursor = text_line(&text), *word = text_word(&cursor);

		if (word && *word != '#')
			wrong = text_word(&cursor) ? "more than a key" : add(keys, word);
	}
	return wrong;
}

static bool is_private(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !(st.st_mode & 077) &&
	       (!st.st_uid || st.st_uid == geteuid());
}

bool keys_read(struct keys *keys, const char *path)
{
	static char text[TEXT_SIZE + 1];
	static struct keys trial;
	ssize_t len = file_load(AT_FDCWD, path, 0, text, sizeof(text));
	const char *wrong = NULL;
	unsigned line = 0;

	if (len < 0) {
		log_warn((int)len, "cannot read %s", path);
		return false;
	}
	if (!is_private(path)) {
		log_warnx("cannot use %s: others may read it: chown 0 and chmod 600 mend that",
			  path);
		wrong = "";
	} else if (len == TEXT_SIZE) {
		log_warnx("cannot use %s: it is too long", path);
		wrong = "";
	} else if ((wrong = fill(&trial, text, &line))) {
		log_warnx("%s:%u: %s", path, line - 1, wrong);
	} else if (!trial.count) {
		log_warnx("cannot use %s: there is no key in it: usbiphp psk makes one", path);
		wrong = "";
	} else {
		*keys = trial;
	}
	explicit_bzero(text, (size_t)len);
	explicit_bzero(&trial, sizeof(trial));
	return !wrong;
}
