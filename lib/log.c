/* SPDX-License-Identifier: MIT */
/* The log: lines on stderr. */
#include "lib/log.h"

#include "lib/str.h"

#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 1024 };

static const char *prog = "usbiphp";
static bool verbosely;

void log_open(const char *program, bool verbose)
{
	prog = program;
	verbosely = verbose;
}

bool log_verbose(void)
{
	return verbosely;
}

/* One write(2) a line, so that lines of several processes do not mix. */
void log_line(int error, const char *format, ...)
{
	char buf[LINE_SIZE];
	size_t len = text_format(buf, sizeof(buf) - 1, "%s: ", prog);
	va_list args;

	va_start(args, format);
	len += text_vformat(buf + len, sizeof(buf) - 1 - len, format, args);
	va_end(args);
	if (error)
		len += text_format(buf + len, sizeof(buf) - 1 - len, ": %s",
				   strerror(error < 0 ? -error : error));
	text_printable(buf);
	buf[len++] = '\n';
	if (write(STDERR_FILENO, buf, len) < 0)
		return; /* nowhere left to say it */
}
