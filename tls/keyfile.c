/* SPDX-License-Identifier: MIT */
/* The file of --psk. */
#include "tls/keyfile.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = KEYS_MAX * PSK_LINE_SIZE };

const struct psk *keys_own(const struct keys *keys)
{
	return keys ? keys->key : NULL;
}

const struct psk *keys_find(const struct keys *keys, const char *identity)
{
	for (const struct psk *key = keys->key; key < keys->key + keys->count; key++)
		if (!strcmp(key->identity, identity))
			return key;
	return NULL;
}

/* Returns NULL, or the fault of the line. */
static const char *add_key(struct keys *keys, const char *line)
{
	struct psk *key = &keys->key[keys->count];
	const char *wrong = keys->count == KEYS_MAX ? "too many keys" : psk_parse(key, line);

	if (!wrong && keys_find(keys, key->identity))
		wrong = "duplicate identity";
	if (!wrong)
		keys->count++;
	return wrong;
}

/* Returns NULL, or the fault; *line is the number of the line, 0 if it is in no line. */
static const char *parse_keys(struct keys *keys, char *text, unsigned *line)
{
	unsigned number = 1;

	keys->count = 0;
	for (; *text; number++) {
		char *cursor = str_line(&text), *word = str_word(&cursor);
		const char *wrong = NULL;

		if (word && *word != '#')
			wrong = str_word(&cursor) ? "more than one key in a line"
						  : add_key(keys, word);
		if (wrong) {
			*line = number;
			return wrong;
		}
	}
	return keys->count ? NULL : "it contains no key: create one with usbiphp psk";
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
	const char *wrong = "the file is too long";
	unsigned line = 0;

	if (len < 0) {
		log_warning_errno((int)len, "cannot read %s", path);
		return false;
	}
	if (!is_private(path))
		wrong = "other users have access to it: run chown 0 and chmod 600 on it";
	else if (len < TEXT_SIZE)
		wrong = parse_keys(&trial, text, &line);
	if (!wrong)
		*keys = trial;
	else if (line)
		log_warning("%s:%u: %s", path, line, wrong);
	else
		log_warning("cannot use %s: %s", path, wrong);
	explicit_bzero(text, (size_t)len);
	explicit_bzero(&trial, sizeof(trial));
	return !wrong;
}
