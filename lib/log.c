/* SPDX-License-Identifier: MIT */
/* The log: lines on stderr. */
#include "lib/log.h"

#include "lib/str.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_SIZE = 1024 };

static const char *log_program = "usbiphp";
static bool log_is_verbose, log_to_journal;

/* systemd.exec(5): $JOURNAL_STREAM has the device and inode of the stream that is the journal's. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[48];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st))
		return false;
	str_format(here, sizeof(here), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return !strcmp(stream, here);
}

void log_open(const char *program, bool verbose)
{
	log_program = program;
	log_is_verbose = verbose;
	log_to_journal = stderr_is_journal();
}

bool log_verbose(void)
{
	return log_is_verbose;
}

/* One write(2) a line, so that lines of several processes do not mix. */
void log_line(enum log_level level, int error, const char *format, ...)
{
	int saved_errno = errno;
	char buf[LINE_SIZE];
	size_t len = 0;
	ssize_t written;
	va_list args;

	if (log_to_journal)
		len = str_format(buf, sizeof(buf) - 1, "<%d>", (int)level);
	len += str_format(buf + len, sizeof(buf) - 1 - len, "%s: ", log_program);
	va_start(args, format);
	len += str_vformat(buf + len, sizeof(buf) - 1 - len, format, args);
	va_end(args);
	if (error)
		len += str_format(buf + len, sizeof(buf) - 1 - len, ": %s",
				  strerror(error < 0 ? -error : error));
	str_printable(buf);
	buf[len++] = '\n';
	written = write(STDERR_FILENO, buf, len);
	(void)written; /* there is nowhere left to report a failure */
	errno = saved_errno;
}
