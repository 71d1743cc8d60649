/* SPDX-License-Identifier: MIT */
/* Loads kernel modules with the system's modprobe. */
#include "sysfs/modprobe.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_MODPROBE = 127 }; /* exit status, as a shell's */

/* In a child: runs it with its output discarded and no signal blocked. */
static void modprobe_exec(const char *name)
{
	/* where it is in distributions whose services do not have it in PATH */
	static const char *const path[] = { "/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe",
					    "/usr/bin/modprobe" };
	const char *const argv[] = { "modprobe", "-q", name, NULL };
	char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	if (null >= 0) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(path); i++)
		execve(path[i], (char *const *)argv, envp);
	_exit(NO_MODPROBE);
}

int modprobe(const char *name)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid)
		modprobe_exec(name);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_MODPROBE)
		return -ENOENT;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ENOEXEC;
}
