/* SPDX-License-Identifier: MIT */
/* Kernel modules, by the system's modprobe. */
#include "sysfs/modprobe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_MODPROBE = 127 };

static void run(const char *name)
{
	/* where it is on distributions whose services do not have it in their PATH */
	static const char *const path[] = { "/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe",
					    "/usr/bin/modprobe" };
	const char *const argv[] = { "modprobe", "-q", name, NULL };
	char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	if (null >= 0) {
		dup2(null, 1);
		dup2(null, 2);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (unsigned i = 0; i < sizeof(path) / sizeof(*path); i++)
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
		run(name);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_MODPROBE)
		return -ENOENT;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ENOEXEC;
}
