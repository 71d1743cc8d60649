/* SPDX-License-Identifier: MIT */
/* The log: lines on stderr. */
#include "lib/log.h"

#include "lib/str.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_SIZE = 1024 };

static const char *log_program = "usbiphp";
static bool log_is_verbose, log_to_journal;
static bool log_may_wait; /* stderr is a pipe; /dev/kmsg never says that it has room */
static unsigned log_lost; /* lines */

/* systemd.exec(5): $JOURNAL_STREAM has the device and inode of the stream that is the journal's. */
static bool is_journal(const struct stat *st)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[48];

	if (!stream)
		return false;
	str_format(here, sizeof(here), "%ju:%ju", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
	return !strcmp(stream, here);
}

void log_open(const char *program, bool verbose)
{
	struct stat st;
	bool known = !fstat(STDERR_FILENO, &st);

	log_program = program;
	log_is_verbose = verbose;
	log_to_journal = known && is_journal(&st);
	log_may_wait = known && S_ISFIFO(st.st_mode);
}

bool log_verbose(void)
{
	return log_is_verbose;
}

/* False if nobody reads the other end: write(2) would wait. */
static bool stderr_has_room(void)
{
	struct pollfd end = { STDERR_FILENO, POLLOUT, 0 };

	return !log_may_wait || poll(&end, 1, 0);
}

static void write_line(const char *line, size_t len)
{
	ssize_t written;

	if (!stderr_has_room()) {
		log_lost++;
		return;
	}
	written = write(STDERR_FILENO, line, len);
	(void)written; /* there is nowhere left to report a failure */
}

static void report_lost_lines(void)
{
	unsigned lost = log_lost;

	log_lost = 0;
	log_line(LOG_LEVEL_WARNING, 0, "%u lines are missing here, as the log was full", lost);
	if (log_lost)
		log_lost = lost;
}

/* One write(2) a line, so that lines of several processes do not mix. */
void log_line(enum log_level level, int error, const char *format, ...)
{
	int saved_errno = errno;
	char buf[LINE_SIZE];
	size_t len = 0;
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
	if (log_lost)
		report_lost_lines();
	write_line(buf, len);
	errno = saved_errno;
}
