/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/driver: when a module is loaded, and how long it may take to be set up.
 * LINK: -Wl,--wrap=fork,--wrap=execve,--wrap=poll,--wrap=log_line,--wrap=geteuid
 */
#include "sysfs/sysfs.h"

#include "tests/said.h"

#include <poll.h>
#include <unistd.h>

static struct {
	int error[4]; /* of the checks, one after the other; the last one stays */
	unsigned checks;
	int modprobe; /* its exit status; -1: there is none */
	unsigned modprobes;
	int waited; /* ms */
	uid_t user;
} t;

pid_t __real_fork(void);
pid_t __wrap_fork(void);
int __wrap_execve(const char *path, char *const argv[], char *const envp[]);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
uid_t __wrap_geteuid(void);

pid_t __wrap_fork(void)
{
	t.modprobes++;
	return __real_fork();
}

/* In the child: with another name it fails. */
int __wrap_execve(const char *path, char *const argv[], char *const envp[])
{
	(void)envp;
	if (strcmp(path, "/bin/modprobe") != 0 || t.modprobe < 0)
		return -1;
	_exit(strcmp(argv[1], "-q") || strcmp(argv[2], "usbip-host") || argv[3] ? 9 : t.modprobe);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	CHECK(!fds && !n);
	t.waited += timeout;
	return 0;
}

uid_t __wrap_geteuid(void)
{
	return t.user;
}

static int check_driver(const struct sysfs *sysfs)
{
	unsigned i = t.checks++;

	CHECK(!sysfs);
	return t.error[i < LENGTH(t.error) ? i : LENGTH(t.error) - 1];
}

static void loads(void)
{
	static const struct driver driver = { "usbip-host", check_driver, false };
	static const struct {
		int error[4], modprobe;
		uid_t user;
		int want, waited;
		unsigned modprobes;
		const char *message;
	} row[] = {
		{ .error = { 0 } },
		{ .error = { -ENOENT, 0 }, .modprobes = 1 },
		{ .error = { -ENOENT, -EAGAIN, -EAGAIN, 0 }, .modprobes = 1, .waited = 40 },
		{ .error = { -EAGAIN, -EAGAIN, 0 }, .waited = 40 },
		{ .error = { -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN }, .want = -EAGAIN, .waited = 5000,
		  .message = "cannot use usbip-host" },
		{ .error = { -ENOENT, -ENOENT, -ENOENT, -ENOENT }, .modprobe = 1,
		  .modprobes = 1, .want = -ENOENT,
		  .message = "cannot use usbip-host: it is not installed: usbiphp doctor tells" },
		{ .error = { -ENOENT, 0 }, .modprobe = 1, .modprobes = 1, .want = -ENOENT,
		  .message = "cannot use usbip-host: it is not installed: usbiphp doctor tells" },
		{ .error = { -ENOENT, 0 }, .modprobe = -1, .modprobes = 1, .want = -ENOENT,
		  .message = "cannot use usbip-host: it is not installed: usbiphp doctor tells" },
		{ .error = { -ENOENT, -ENOENT }, .modprobes = 1, .want = -ENOENT,
		  .message = "cannot use usbip-host: it is not installed: usbiphp doctor tells" },
		{ .error = { -ENOENT, -ENOENT }, .modprobes = 1, .want = -ENOENT, .user = 1000,
		  .message = "cannot use usbip-host: run as root" },
		{ .error = { -EACCES }, .want = -EACCES,
		  .message = "cannot use usbip-host" },
		{ .error = { -EACCES }, .want = -EACCES, .user = 1000,
		  .message = "cannot use usbip-host: run as root" },
		{ .error = { -ENOENT, -EROFS }, .modprobes = 1, .want = -EROFS,
		  .message = "cannot use usbip-host" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct log_once fault = { 0 };

		memset(&t, 0, sizeof(t));
		said_forget();
		memcpy(t.error, row[i].error, sizeof(t.error));
		t.modprobe = row[i].modprobe;
		t.user = row[i].user;
		CHECK_INT(driver_load(NULL, &driver, &fault), row[i].want);
		CHECK_INT(t.modprobes, row[i].modprobes);
		CHECK_INT(t.waited, row[i].waited);
		CHECK_INT(log_kept.lines, row[i].message != NULL);
		CHECK(!row[i].message || said(row[i].message) == 1);
		driver_load(NULL, &driver, &fault); /* the same again is logged once */
		CHECK(!row[i].message || said(row[i].message) == 1);
	}
}

int main(void)
{
	RUN("t_driver: loaded, awaited, or one line that tells why not", loads);
	return check_status();
}
