/* SPDX-License-Identifier: MIT */
/* Pre-shared keys as text, and the file of --psk. */
#include "tls/keys.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = KEYS_MAX * PSK_LINE_SIZE };

/* The length of the identity that text begins with, which ends at the character end; 0: invalid. */
static size_t identity_length(const char *text, char end)
{
	size_t len = 0;

	while (str_is_plain(text[len]) || text[len] == '@')
		len++;
	return len < PSK_IDENTITY_SIZE && text[len] == end ? len : 0;
}

const char *psk_parse(struct psk *psk, const char *line)
{
	size_t len = identity_length(line, ':'), n;
	uint8_t key[PSK_KEY_MAX];

	if (!len)
		return "no identity before a colon";
	memcpy(psk->identity, line, len);
	psk->identity[len] = '\0';
	n = str_hex_bytes(line + len + 1, key, sizeof(key));
	hmac(psk->secret, crypto_zeros, key, n);
	hkdf_label((uint8_t *)&psk->print, sizeof(psk->print), psk->secret, "print", NULL);
	explicit_bzero(key, sizeof(key));
	return n < PSK_KEY_MIN ? "the key is not 32 to 128 hexadecimal digits" : NULL;
}

const char *psk_text(char *line, const char *identity, const uint8_t key[SHA256_SIZE])
{
	size_t len = identity_length(identity, '\0');

	if (!len)
		return "an identity is 1 to 64 letters, digits and -._@";
	memcpy(line, identity, len);
	line[len++] = ':';
	for (unsigned i = 0; i < SHA256_SIZE; i++)
		len += str_format(line + len, 3, "%02x", key[i]);
	return NULL;
}

const struct psk *keys_for(const struct keys *keys, const char *host)
{
	for (unsigned i = 0; keys && i < keys->count; i++) {
		const char *at = strchr(keys->key[i].identity, '@');

		if (at && !strcmp(at + 1, host))
			return &keys->key[i];
	}
	return keys ? keys->key : NULL;
}

const struct psk *keys_find(const struct keys *keys, const char *identity, size_t len)
{
	const struct psk *found = NULL;

	/* always all of them: the time tells nobody where a name stands, or whether it does */
	for (const struct psk *key = keys->key; key < keys->key + keys->count; key++)
		if (strlen(key->identity) == len && !memcmp(key->identity, identity, len))
			found = key;
	return found;
}

/* Returns NULL, or the fault of the line. */
static const char *add_line(struct keys *keys, char *line)
{
	struct psk *key = &keys->key[keys->count];
	const char *word = str_word(&line), *wrong;

	if (!word || *word == '#')
		return NULL;
	if (str_word(&line))
		return "more than one key in a line";
	if (keys->count == KEYS_MAX)
		return "too many keys";
	wrong = psk_parse(key, word);
	if (!wrong && keys_find(keys, key->identity, strlen(key->identity)))
		return "duplicate identity";
	if (!wrong)
		keys->count++;
	return wrong;
}

static bool parse_keys(struct keys *keys, char *text, const char *path)
{
	for (unsigned number = 1; *text; number++) {
		const char *wrong = add_line(keys, str_line(&text));

		if (wrong) {
			log_warning("%s:%u: %s", path, number, wrong);
			return false;
		}
	}
	if (!keys->count)
		log_warning("cannot use %s: it contains no key: create one with usbiphp psk", path);
	return keys->count;
}

/* What is open, as the path may lead to another file by now. */
static bool is_private(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) && !(st.st_mode & 077) &&
	       (!st.st_uid || st.st_uid == geteuid());
}

bool keys_read(struct keys *keys, const char *path)
{
	static char text[TEXT_SIZE + 1];
	static struct keys trial;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -errno : file_read_all(fd, text, TEXT_SIZE);
	bool good = false;

	if (len < 0)
		log_warning_errno((int)len, "cannot read %s", path);
	else if (!is_private(fd))
		log_warning("cannot use %s: other users have access to it: run chown 0 and "
			    "chmod 600 on it", path);
	else if (len == TEXT_SIZE)
		log_warning("cannot use %s: the file is too long", path);
	else
		good = parse_keys(&trial, text, path);
	close(fd);
	if (good)
		*keys = trial;
	explicit_bzero(text, sizeof(text));
	explicit_bzero(&trial, sizeof(trial));
	return good;
}
