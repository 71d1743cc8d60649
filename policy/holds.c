/* SPDX-License-Identifier: MIT */
/* What a person has switched off. */
#include "policy/holds.h"

#include "lib/file.h"
#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static void file_name(char *path, const char *config, const char *role, const char *end)
{
	text_format(path, PATH_MAX, "%s/held.%s%s", config, role, end);
}

const char *held_next(const struct held *held, const char *name)
{
	const char *next = name ? name + strlen(name) + 1 : held->text;

	return next < held->text + held->len ? next : NULL;
}

static const char *find(const struct held *held, const char *name)
{
	const char *i;

	for (i = held_next(held, NULL); i && strcmp(i, name) != 0; i = held_next(held, i))
		;
	return i;
}

int held_add(struct held *held, const char *name)
{
	size_t len = strlen(name) + 1;

	if (find(held, name))
		return 0;
	if (len > sizeof(held->text) - held->len)
		return -ENOSPC;
	memcpy(held->text + held->len, name, len);
	held->len += len;
	return 0;
}

void held_remove(struct held *held, const char *name)
{
	const char *found = find(held, name);
	size_t len = strlen(name) + 1, at;

	if (!found)
		return;
	at = (size_t)(found - held->text);
	held->len -= len;
	memmove(held->text + at, held->text + at + len, held->len - at);
}

int held_read(struct held *held, const char *config, const char *role)
{
	char path[PATH_MAX], text[HELD_TEXT_SIZE + 1], *cursor = text;
	const char *name;
	ssize_t n;

	file_name(path, config, role, "");
	n = file_load(AT_FDCWD, path, 0, text, sizeof(text));
	if (n < 0 && n != -ENOENT)
		return (int)n;
	held->len = 0;
	while ((name = text_word(&cursor)))
		held_add(held, name);
	return 0;
}

int held_write(const struct held *held, const char *config, const char *role)
{
	char path[PATH_MAX], fresh[PATH_MAX], text[HELD_TEXT_SIZE];

	file_name(path, config, role, "");
	file_name(fresh, config, role, ".new");
	if (held->len)
		mkdir(config, 0755);
	for (size_t i = 0; i < held->len; i++)
		text[i] = held->text[i] ? held->text[i] : '\n';
	return file_replace(AT_FDCWD, path, fresh, O_SYNC, text, held->len);
}

const char *held_find(const struct held *held, uint16_t vendor, uint16_t product,
		      const char *serial, const char *host, const char *busid)
{
	char name[DEVICE_NAME_SIZE];
	const char *found;

	if (!held->len)
		return NULL;
	if (serial && *serial) {
		name_of_serial(name, sizeof(name), vendor, product, serial);
		found = find(held, name);
		if (found)
			return found;
	}
	name_of_place(name, sizeof(name), vendor, product, host, busid);
	return find(held, name);
}

bool held_needs_serial(const struct held *held, uint16_t vendor, uint16_t product)
{
	char start[DEVICE_NAME_SIZE];
	size_t len;
	const char *i;

	name_of_serial(start, sizeof(start), vendor, product, "");
	len = strlen(start);
	for (i = held_next(held, NULL); i && strncmp(i, start, len) != 0; i = held_next(held, i))
		;
	return i != NULL;
}
