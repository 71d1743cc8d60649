/* SPDX-License-Identifier: MIT */
/* The processes of this host. */
#include "sysfs/protect.h"

#include "lib/file.h"

#include <string.h>

struct process_visit {
	bool (*visit)(void *ctx, const char *pid);
	void *ctx;
};

static bool process_visit_entry(void *ctx, const char *name)
{
	const struct process_visit *process = ctx;

	return name[0] >= '0' && name[0] <= '9' && process->visit(process->ctx, name);
}

bool protect_each_process(struct protect *protect, bool (*visit)(void *ctx, const char *pid),
			  void *ctx)
{
	struct process_visit process = { visit, ctx };
	int found = sysfs_each_entry(protect->sysfs->proc, ".", process_visit_entry, &process);

	protect_failed(protect, "proc", ".", found);
	return found > 0;
}

/* "PID (NAME) STATE PARENT GROUP SESSION TERMINAL ..." */
bool protect_read_process(struct protect *protect, const char *pid, struct protect_process *process)
{
	struct sysfs_path path = sysfs_path("%s/stat", pid);
	char text[512], *name, *end, *word[5];
	ssize_t n = file_load(protect->sysfs->proc, path.text, 0, text, sizeof(text));

	if (protect_failed(protect, "proc", path.text, n))
		return false;
	name = strchr(text, '(');
	end = strrchr(text, ')');
	if (!name || !end || str_words(end + 1, word, 5) < 5)
		return false;
	*end = '\0';
	str_copy(process->name, sizeof(process->name), name + 1);
	return !str_decimal(word[1], UINT32_MAX, &process->parent) &&
	       !str_decimal(word[4], UINT32_MAX, &process->terminal);
}
