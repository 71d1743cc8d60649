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

/* What is wrong, and in which line; 0: in none. */
static const char *fill(struct keys *keys, char *text, unsigned *line)
{
	unsigned number = 1;

	keys->count = 0;
	for (; *text; number++) {
		char *cursor = str_line(&text), *word = str_word(&cursor);
		const char *wrong = NULL;

		if (word && *word != '#')
			wrong = str_word(&cursor) ? "more than a key" : add(keys, word);
		if (wrong) {
			*line = number;
			return wrong;
		}
	}
	return keys->count ? NULL : "there is no key in it: usbiphp psk makes one";
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
	const char *wrong = "it is too long";
	unsigned line = 0;

	if (len < 0) {
		log_warning_errno((int)len, "cannot read %s", path);
		return false;
	}
	if (!is_private(path))
		wrong = "others may read it: chown 0 and chmod 600 mend that";
	else if (len < TEXT_SIZE)
		wrong = fill(&trial, text, &line);
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
