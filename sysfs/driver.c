/* SPDX-License-Identifier: MIT */
/* The driver that a role needs: loads its module, and tells why it cannot be used. */
#include "sysfs/sysfs.h"

#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/utsname.h>
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
	static const char *const path[] = { "/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe",
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

int driver_load(const struct sysfs *sysfs, const struct driver *driver)
{
	int error = driver->check(sysfs), waited = 0;
	struct utsname system;

	if (error == -ENOENT && driver->module && modprobe(driver->module))
		error = driver->check(sysfs);
	for (; error == -EAGAIN && waited < SETUP_MS; waited += SETUP_POLL_MS) {
		poll(NULL, 0, SETUP_POLL_MS);
		error = driver->check(sysfs);
	}
	if (error && driver->optional)
		return 0;
	if (error && !driver->module)
		log_error_errno(error, "cannot use /dev/bus/usb");
	else if (error && geteuid())
		log_error("cannot use kernel module %s: run as root", driver->module);
	else if (error == -ENOENT && !uname(&system))
		log_error("cannot load kernel module %s: not installed for Linux %s; install your "
			  "distribution's kernel modules package",
			  driver->module, system.release);
	else if (error)
		log_error_errno(error, "cannot use kernel module %s", driver->module);
	return error;
}
