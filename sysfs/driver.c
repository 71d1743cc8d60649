/* SPDX-License-Identifier: MIT */
/* The driver that a role needs: loads its module, and tells why it cannot be used. */
#include "sysfs/sysfs.h"

#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SETUP_MS = 5000, /* for the module's devices to appear after modprobe has returned */
	SETUP_POLL_MS = 20,
};

/* In a child: runs it with its output discarded and no signal blocked. */
static void modprobe_exec(const char *module)
{
	/* where it is in distributions whose services do not have it in PATH */
	static const char path[][19] = { "/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe",
					 "/usr/bin/modprobe" };
	const char *const argv[] = { "modprobe", "-q", module, NULL };
	char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(path); i++)
		execve(path[i], (char *const *)argv, envp);
	_exit(1);
}

bool modprobe(const char *module)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return false;
	if (!pid)
		modprobe_exec(module);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

int driver_load(const struct sysfs *sysfs, const struct driver *driver, struct log_once *fault)
{
	int error = driver->check(sysfs), waited = 0;
	const char *reason;

	if (error == -ENOENT && driver->module && modprobe(driver->module))
		error = driver->check(sysfs);
	for (; error == -EAGAIN && waited < SETUP_MS; waited += SETUP_POLL_MS) {
		poll(NULL, 0, SETUP_POLL_MS);
		error = driver->check(sysfs);
	}
	if (error && driver->optional)
		return 0;
	reason = strerror(-error);
	if (error && driver->module && geteuid())
		reason = "run as root";
	else if (error == -ENOENT && driver->module)
		reason = "it is not installed: usbiphp doctor tells how to install it";
	if (error)
		log_once(fault, LOG_LEVEL_ERROR, 0, "cannot use %s: %s",
			 driver->module ? driver->module : "/dev/bus/usb", reason);
	return error;
}
