/* SPDX-License-Identifier: MIT */
/* Runs the program in $USBIPHP (build/usbiphp), and keeps what it printed. */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

#include "tests/files.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { TIMEOUT_S = 60 };

static const char *program;
static void (*before_exec)(void); /* called in the child; what it prints counts as the program's */

static struct {
	int status; /* -1: killed */
	char *out, *err;
} got;

static inline char *text_of(int fd)
{
	char path[40], *text;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	text = file_read(path, NULL);
	must(text, "read what it printed");
	close(fd);
	return text;
}

/* Runs it with these words, argv[0] first. */
static inline void run(const char *const *argv)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	int status = 0;
	pid_t pid = fork();

	must(out >= 0 && err >= 0 && pid >= 0, "start it");
	if (!pid) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		alarm(TIMEOUT_S); /* survives the exec */
		if (before_exec)
			before_exec();
		execv(program, (char **)(uintptr_t)argv);
		_exit(99);
	}
	must(waitpid(pid, &status, 0) == pid, "wait for it");
	free(got.out);
	free(got.err);
	got.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	got.out = text_of(out);
	got.err = text_of(err);
}

#define RUN_IT(...) run((const char *const[]){ __VA_ARGS__, NULL })

static inline void program_begin(void)
{
	program = getenv("USBIPHP") ? getenv("USBIPHP") : "build/usbiphp";
	must(!access(program, X_OK), program);
}

static inline int program_end(void)
{
	free(got.out);
	free(got.err);
	return check_status();
}

#endif
