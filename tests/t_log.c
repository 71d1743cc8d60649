/* SPDX-License-Identifier: MIT */
/* Tests of lib/log and lib/log_once: levels, the journal's prefix, errno, and lines that repeat. */
#include "lib/log.h"

#include "tests/files.h"

static char root[TEMP_SIZE], log_path[TEMP_SIZE + 8];
static int was_stderr;

/* stderr is a file from now on. */
static void begin(bool verbose)
{
	int log;

	temp_make(root);
	snprintf(log_path, sizeof(log_path), "%s/log", root);
	log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	was_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	must(log >= 0 && was_stderr >= 0 && dup2(log, STDERR_FILENO) >= 0, "keep the log");
	close(log);
	unsetenv("JOURNAL_STREAM");
	log_open("usbiphp-test", verbose);
}

static void end(void)
{
	must(dup2(was_stderr, STDERR_FILENO) >= 0, "give stderr back");
	close(was_stderr);
	unsetenv("JOURNAL_STREAM");
	log_open("usbiphp-test", false);
	temp_remove(root);
}

/* The log since the last look. */
static void logged(const char *want)
{
	char *text = file_read(log_path, NULL);

	CHECK_STR(text, want);
	free(text);
	must(!truncate(log_path, 0), "clear the log");
}

static void log_each_level(void)
{
	log_error("an error");
	log_error_errno(ENOENT, "cannot open %s", "x");
	log_warning("a warning");
	log_warning_errno(-EACCES, "cannot read %s", "y");
	log_info("%u devices", 3);
	log_debug("details");
}

static void plain(void)
{
	begin(false);
	CHECK(!log_verbose());
	log_each_level();
	logged("usbiphp-test: an error\nusbiphp-test: cannot open x: No such file or directory\n"
	       "usbiphp-test: a warning\nusbiphp-test: cannot read y: Permission denied\n"
	       "usbiphp-test: 3 devices\n");
	end();
}

static void verbose(void)
{
	begin(true);
	CHECK(log_verbose());
	log_debug("%s", "details");
	logged("usbiphp-test: details\n");
	end();
}

/* Arguments of a debug message are not even computed. */
static void debug_costs_nothing(void)
{
	int computed = 0;

	begin(false);
	log_debug("%d", ++computed);
	CHECK_INT(computed, 0);
	logged("");
	end();
}

/* device and inode of stderr, with so much added to each */
static void set_journal_stream(unsigned device, unsigned inode, const char *behind)
{
	char stream[80];
	struct stat st;

	must(!fstat(STDERR_FILENO, &st), "look at stderr");
	snprintf(stream, sizeof(stream), "%ju:%ju%s", (uintmax_t)st.st_dev + device,
		 (uintmax_t)st.st_ino + inode, behind);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open("usbiphp-test", true);
}

static void journal(void)
{
	begin(false);
	set_journal_stream(0, 0, "");
	log_each_level();
	logged("<3>usbiphp-test: an error\n"
	       "<3>usbiphp-test: cannot open x: No such file or directory\n"
	       "<4>usbiphp-test: a warning\n<4>usbiphp-test: cannot read y: Permission denied\n"
	       "<6>usbiphp-test: 3 devices\n<7>usbiphp-test: details\n");
	end();
}

/* A service's child whose stderr is a file inherits the variable. */
static void not_the_journal(void)
{
	static const char *const stream[] = { "", ":", "1", "1:2", "x:y", "-1:-1" };

	begin(false);
	for (size_t i = 0; i < LENGTH(stream); i++) {
		setenv("JOURNAL_STREAM", stream[i], 1);
		log_open("usbiphp-test", false);
		log_error("no prefix");
		logged("usbiphp-test: no prefix\n");
	}
	set_journal_stream(1, 0, "");
	log_error("no prefix");
	set_journal_stream(0, 1, "");
	log_error("no prefix");
	set_journal_stream(0, 0, "0");
	log_error("no prefix");
	logged("usbiphp-test: no prefix\nusbiphp-test: no prefix\nusbiphp-test: no prefix\n");
	end();
}

static void errno_is_kept(void)
{
	begin(false);
	for (int closed = 0; closed < 2; closed++) {
		if (closed) /* and where there is nothing to write to */
			close(STDERR_FILENO);
		errno = ENOTTY;
		log_error("x");
		log_warning_errno(EPERM, "x");
		CHECK_INT(errno, ENOTTY);
	}
	end();
}

/* A line is one line, whatever a device or peer is named. */
static void unprintable(void)
{
	begin(false);
	log_info("a\nb\x1b[31m \xc3\xa4\x7f%s", "\r\t");
	logged("usbiphp-test: a?b?[31m ?????\n");
	end();
}

static void long_line(void)
{
	char huge[3000], *text;
	size_t len;

	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	begin(false);
	log_error_errno(ENOENT, "%s", huge);
	text = file_read(log_path, &len);
	CHECK_INT(len, 1023);
	CHECK(!strncmp(text, "usbiphp-test: xxx", 17) && text[len - 1] == '\n');
	CHECK(strchr(text, '\n') == text + len - 1);
	free(text);
	end();
}

static void once(void)
{
	struct log_once fault = { 0 }, other = { 0 };

	begin(false);
	CHECK(!log_once_active(&fault));
	CHECK(log_once(&fault, LOG_LEVEL_WARNING, 0, "cannot %s", "x"));
	for (int i = 0; i < 3; i++)
		CHECK(!log_once(&fault, LOG_LEVEL_WARNING, 0, "cannot %s", "x"));
	logged("usbiphp-test: cannot x\n");
	CHECK(log_once(&other, LOG_LEVEL_WARNING, 0, "cannot %s", "x"));
	logged("usbiphp-test: cannot x\n");
	CHECK(log_once(&fault, LOG_LEVEL_WARNING, 0, "cannot %s", "y"));
	CHECK(log_once(&fault, LOG_LEVEL_WARNING, 0, "cannot %s", "x")); /* only the last counts */
	logged("usbiphp-test: cannot y\nusbiphp-test: cannot x\n");
	CHECK(log_once(&fault, LOG_LEVEL_WARNING, EPERM, "cannot %s", "x"));
	CHECK(!log_once(&fault, LOG_LEVEL_WARNING, -EPERM, "cannot %s", "x"));
	CHECK(log_once(&fault, LOG_LEVEL_WARNING, ENOENT, "cannot %s", "x"));
	CHECK(log_once(&fault, LOG_LEVEL_ERROR, ENOENT, "cannot %s", "x"));
	logged("usbiphp-test: cannot x: Operation not permitted\n"
	       "usbiphp-test: cannot x: No such file or directory\n"
	       "usbiphp-test: cannot x: No such file or directory\n");
	CHECK(log_once_active(&fault));
	log_once_clear(&fault);
	CHECK(!log_once_active(&fault));
	CHECK(log_once(&fault, LOG_LEVEL_ERROR, ENOENT, "cannot %s", "x"));
	logged("usbiphp-test: cannot x: No such file or directory\n");
	end();
}

static void once_debug(void)
{
	struct log_once fault = { 0 };

	begin(false);
	CHECK(log_once(&fault, LOG_LEVEL_DEBUG, 0, "details"));
	CHECK(!log_once(&fault, LOG_LEVEL_DEBUG, 0, "details"));
	logged("");
	log_open("usbiphp-test", true);
	log_once_clear(&fault);
	CHECK(log_once(&fault, LOG_LEVEL_DEBUG, 0, "details"));
	logged("usbiphp-test: details\n");
	end();
}

/* Each of several things once, and the oldest is forgotten. */
static void once_for_each(void)
{
	struct log_once_set set = { 0 };

	for (int round = 0; round < 2; round++)
		for (uint32_t key = 1; key <= LOG_ONCE_SET_MAX; key++)
			CHECK_INT(log_once_add(&set, key), round == 0);
	log_once_remove(&set, 99);
	log_once_remove(&set, 7);
	CHECK(!log_once_add(&set, 6));
	CHECK(log_once_add(&set, 7)); /* in the place of 1 */
	CHECK(!log_once_add(&set, 2));
	CHECK(log_once_add(&set, 1));
}

static void once_keeps_errno(void)
{
	struct log_once fault = { 0 };

	begin(false);
	errno = ENOTTY;
	log_once(&fault, LOG_LEVEL_ERROR, EPERM, "x");
	CHECK_INT(errno, ENOTTY);
	end();
}

/* A pipe that nobody reads costs lines, and no time. */
static void full(void)
{
	char text[200000], want[200], *line;
	unsigned written = 0, lost = 0;
	int pipe_fd[2];
	ssize_t n;

	begin(false);
	must(!pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK), "make a pipe");
	fcntl(pipe_fd[1], F_SETFL, 0); /* a write would wait */
	must(dup2(pipe_fd[1], STDERR_FILENO) >= 0, "log into the pipe");
	log_open("usbiphp-test", false);
	for (unsigned i = 0; i < 20000; i++)
		log_info("line %u", i);
	n = read(pipe_fd[0], text, sizeof(text) - 1);
	must(n > 0, "read the pipe");
	text[n] = '\0';
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), written++) {
		snprintf(want, sizeof(want), "usbiphp-test: line %u", written);
		CHECK_STR(line, want);
	}
	lost = 20000 - written;
	CHECK(written > 1000 && lost > 1000);
	log_warning("the next");
	log_warning("one more");
	n = read(pipe_fd[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	snprintf(want, sizeof(want), "usbiphp-test: %u lines are missing here, as the log was full\n"
		 "usbiphp-test: the next\nusbiphp-test: one more\n", lost);
	CHECK_STR(text, want);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	end();
}

int main(void)
{
	RUN("t_log: levels have no prefix elsewhere than in the journal", plain);
	RUN("t_log: --verbose", verbose);
	RUN("t_log: debug messages cost nothing", debug_costs_nothing);
	RUN("t_log: levels in the journal", journal);
	RUN("t_log: a stderr that is not the journal", not_the_journal);
	RUN("t_log: errno is kept", errno_is_kept);
	RUN("t_log: what is not printable", unprintable);
	RUN("t_log: a line that is too long", long_line);
	RUN("t_log: nobody reads it", full);
	RUN("t_log: once", once);
	RUN("t_log: once, of level debug", once_debug);
	RUN("t_log: once for each of several things", once_for_each);
	RUN("t_log: once, and errno is kept", once_keeps_errno);
	return check_status();
}
