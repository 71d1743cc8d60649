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
	str_format(path, PATH_MAX, "%s/held.%s%s", config, role, end);
}

const char *holds_next(const struct holds *held, const char *name)
{
	const char *next = name ? name + strlen(name) + 1 : held->text;

	return next < held->text + held->len ? next : NULL;
}

static const char *find(const struct holds *held, const char *name)
{
	const char *i;

	for (i = holds_next(held, NULL); i && strcmp(i, name) != 0; i = holds_next(held, i))
		;
	return i;
}

int holds_add(struct holds *held, const char *name)
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

void holds_remove(struct holds *held, const char *name)
{
	const char *found = find(held, name);
	size_t len = strlen(name) + 1, at;

	if (!found)
		return;
	at = (size_t)(found - held->text);
	held->len -= len;
	memmove(held->text + at, held->text + at + len, held->len - at);
}

int holds_read(struct holds *held, const char *config, const char *role)
{
	char path[PATH_MAX], text[HOLDS_TEXT_SIZE + 1], *cursor = text;
	const char *name;
	ssize_t n;

	file_name(path, config, role, "");
	n = file_load(AT_FDCWD, path, 0, text, sizeof(text));
	if (n < 0 && n != -ENOENT)
		return (int)n;
	held->len = 0;
	while ((name = str_word(&cursor)))
		holds_add(held, name);
	return 0;
}

int holds_write(const struct holds *held, const char *config, const char *role)
{
	char path[PATH_MAX], fresh[PATH_MAX], text[HOLDS_TEXT_SIZE];

	file_name(path, config, role, "");
	file_name(fresh, config, role, ".new");
	if (held->len)
		mkdir(config, 0755);
	for (size_t i = 0; i < held->len; i++)
		text[i] = held->text[i] ? held->text[i] : '\n';
	return file_replace(AT_FDCWD, path, fresh, O_SYNC, text, held->len);
}

const char *holds_find(const struct holds *held, uint16_t vendor, uint16_t product,
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

bool holds_need_serial(const struct holds *held, uint16_t vendor, uint16_t product)
{
	char start[DEVICE_NAME_SIZE];
	size_t len;
	const char *i;

	name_of_serial(start, sizeof(start), vendor, product, "");
	len = strlen(start);
	for (i = holds_next(held, NULL); i && strncmp(i, start, len) != 0; i = holds_next(held, i))
		;
	return i != NULL;
}
