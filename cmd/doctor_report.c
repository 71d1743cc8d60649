/* SPDX-License-Identifier: MIT */
/* The doctor's report on stdout, and its look into files. */
#include "cmd/doctor_report.h"

#include "lib/file.h"
#include "lib/str.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void doctor_report(struct doctor *doctor, enum doctor_level level, const char *format, ...)
{
	static const char word[][8] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_WARN] = "warn",
		[DOCTOR_BAD] = "BAD",
	};
	char line[1024];
	size_t len = str_format(line, sizeof(line), "%-8s", word[level]);
	va_list args;

	if (level == DOCTOR_BAD)
		doctor->any_bad = true;
	va_start(args, format);
	len += str_vformat(line + len, sizeof(line) - len, format, args);
	va_end(args);
	str_printable(line);
	line[len++] = '\n';
	if (write(STDOUT_FILENO, line, len) < 0)
		return; /* the reader is gone */
}

static bool line_contains(void *ctx, char *line)
{
	return strstr(line, ctx) != NULL;
}

bool doctor_file_contains(const struct doctor *doctor, const char *text, const char *path, ...)
{
	char buf[PATH_MAX];
	va_list args;

	va_start(args, path);
	str_vformat(buf, sizeof(buf), path, args);
	va_end(args);
	return file_each_line(doctor->machine.root, buf, line_contains, (void *)text) > 0;
}

bool doctor_file_exists(const struct doctor *doctor, const char *path, ...)
{
	char buf[PATH_MAX];
	struct stat st;
	va_list args;

	va_start(args, path);
	str_vformat(buf, sizeof(buf), path, args);
	va_end(args);
	return !fstatat(doctor->machine.root, buf, &st, 0);
}
