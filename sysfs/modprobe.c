/* SPDX-License-Identifier: MIT */
/* Loads kernel modules with the system's modprobe. */
#include "sysfs/modprobe.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

/* The places of it in distributions whose services do not have them all in PATH. */
static const char *const modprobe_paths[] = { "/sbin/modprobe", "/usr/sbin/modprobe",
					      "/bin/modprobe", "/usr/bin/modprobe" };

/* Starts it with its output discarded and no signal blocked: 0 or an errno. */
static int modprobe_start(const char *name, pid_t *pid)
{
	const char *const argv[] = { "modprobe", "-q", name, NULL };
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *const envp[] = { path, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error = ENOENT;
	sigset_t none;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
	for (size_t i = 0; error == ENOENT && i < ARRAY_SIZE(modprobe_paths); i++)
		error = posix_spawn(pid, modprobe_paths[i], &actions, &attributes,
				    (char *const *)argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error;
}

int modprobe(const char *name)
{
	int status, error;
	pid_t pid;

	error = modprobe_start(name, &pid);
	if (error)
		return -error;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ENOEXEC;
}
