/* SPDX-License-Identifier: MIT */
/* Which engine a further device gets, and whether the module of one is there. */
#include "cmd/inventory.h"

#include "lib/file.h"
#include "lib/str.h"
#include "loop/daemon.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool module_is_installed(const struct sysfs *sysfs, const char *release, const char *name)
{
	struct sysfs_path list = sysfs_path("../lib/modules/%s/modules.dep", release);
	struct sysfs_path file = sysfs_path("../lib/modules/%s/%s.ko", release, name);

	return file_contains(sysfs->root, list.text, name) ||
	       !sysfs_can_open(sysfs, O_PATH, file.text);
}

void engine_note_read(struct engine_note *note, const char *run)
{
	int dir = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[sizeof(*note)], *cursor = text, *name, *why;

	memset(note, 0, sizeof(*note));
	file_load(dir, "engine", O_NOFOLLOW, text, sizeof(text));
	close(dir);
	name = str_word(&cursor);
	why = str_line(&cursor);
	if (!why || !rundir_has_daemon(run, "server"))
		return;
	str_copy(note->name, sizeof(note->name), name);
	str_copy(note->why.text, sizeof(note->why.text), why);
}
