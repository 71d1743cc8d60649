/* SPDX-License-Identifier: MIT */
/* Holds, and the names of devices. */
#include "policy/holds.h"

#include "lib/file.h"
#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

void name_of_serial(char *name, uint16_t vendor, uint16_t product, const char *serial)
{
	str_format(name, DEVICE_NAME_SIZE, "%04x:%04x/%s", vendor, product, serial);
	for (char *c = strchr(name, '/') + 1; *c; c++)
		if (!str_is_plain(*c) && *c != '+')
			*c = '_';
}

void name_of_place(char *name, uint16_t vendor, uint16_t product, const char *host,
		   const char *busid)
{
	str_format(name, DEVICE_NAME_SIZE, "%04x:%04x@%s%s%s", vendor, product, host ? host : "",
		   host ? "/" : "", busid);
}

const char *holds_next(const struct holds *holds, const char *name)
{
	const char *next = name ? name + strlen(name) + 1 : holds->text;

	return next < holds->text + holds->len ? next : NULL;
}

/* The first name whose first len bytes, which may include the terminator, are those of name. */
static const char *holds_find_start(const struct holds *holds, const char *name, size_t len)
{
	const char *entry = holds_next(holds, NULL);

	while (entry && strncmp(entry, name, len) != 0)
		entry = holds_next(holds, entry);
	return entry;
}

int holds_add(struct holds *holds, const char *name)
{
	size_t len = strlen(name) + 1;

	if (holds_find_start(holds, name, len))
		return 0;
	if (len > sizeof(holds->text) - holds->len)
		return -ENOSPC;
	memcpy(holds->text + holds->len, name, len);
	holds->len += len;
	return 0;
}

void holds_remove(struct holds *holds, const char *name)
{
	size_t len = strlen(name) + 1, at;
	const char *found = holds_find_start(holds, name, len);

	if (!found)
		return;
	at = (size_t)(found - holds->text);
	holds->len -= len;
	memmove(holds->text + at, holds->text + at + len, holds->len - at);
}

int holds_read(struct holds *holds, const char *config, const char *role)
{
	static char text[HOLDS_TEXT_SIZE + 1]; /* the stack would be touched as a whole */
	char path[PATH_MAX], *cursor = text;
	const char *name;
	ssize_t n;

	str_format(path, sizeof(path), "%s/held.%s", config, role);
	n = file_load(AT_FDCWD, path, 0, text, sizeof(text));
	if (n < 0 && n != -ENOENT)
		return (int)n;
	holds->len = 0;
	while ((name = str_word(&cursor)))
		holds_add(holds, name);
	return 0;
}

int holds_lock(const char *config)
{
	int dir;

	mkdir(config, 0755);
	dir = open(config, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	flock(dir, LOCK_EX);
	return dir;
}

int holds_write(const struct holds *holds, const char *config, const char *role)
{
	char path[PATH_MAX], text[HOLDS_TEXT_SIZE];

	str_format(path, sizeof(path), "%s/held.%s", config, role);
	for (size_t i = 0; i < holds->len; i++)
		text[i] = holds->text[i] ? holds->text[i] : '\n';
	return file_replace(AT_FDCWD, path, O_SYNC, text, holds->len);
}

const char *holds_find(const struct holds *holds, uint16_t vendor, uint16_t product,
		      const char *serial, const char *host, const char *busid)
{
	char name[DEVICE_NAME_SIZE];
	const char *found = NULL;

	if (serial && *serial) {
		name_of_serial(name, vendor, product, serial);
		found = holds_find_start(holds, name, strlen(name) + 1);
	}
	if (found)
		return found;
	name_of_place(name, vendor, product, host, busid);
	return holds_find_start(holds, name, strlen(name) + 1);
}

bool holds_need_serial(const struct holds *holds, uint16_t vendor, uint16_t product)
{
	char start[DEVICE_NAME_SIZE];

	name_of_serial(start, vendor, product, "");
	return holds_find_start(holds, start, strlen(start)) != NULL;
}

bool holds_concern_place(const struct holds *holds, const char *busid)
{
	const char *name = NULL, *place;

	while ((name = holds_next(holds, name))) {
		place = strchr(name, '@');
		if (!place || !strcmp(place + 1, busid)) /* a serial number may come anywhere */
			return true;
	}
	return false;
}
