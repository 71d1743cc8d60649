/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/sandbox: what a process can do before, and cannot after. Each look is a process of
 * its own, as nothing is ever given back.
 */
#include "loop/daemon.h"

#include "lib/addr.h"
#include "tests/files.h"

#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { CONFINED = 1, WITH_PROGRAMS = 2 };

static char root[TEMP_SIZE];
static struct sysfs sysfs;

/* 0 or the error of work, in a process that is confined, or not. */
static int error_of(int how, int (*work)(const char *path), const char *path)
{
	char notes[TEMP_SIZE + 10], records[TEMP_SIZE + 10];
	int status;
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		snprintf(notes, sizeof(notes), "%s/notes", root);
		snprintf(records, sizeof(records), "%s/records", root);
		if (how)
			sandbox_enter(&sysfs, notes, records, how == WITH_PROGRAMS);
		errno = 0;
		_exit(work(path) ? errno : 0);
	}
	must(waitpid(pid, &status, 0) == pid, "wait");
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static char *below(const char *path)
{
	static char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s/%s", root, path);
	return name;
}

static int writes(const char *path)
{
	return open(below(path), O_WRONLY | O_CLOEXEC) < 0;
}

static int writes_anew(const char *path)
{
	return open(below(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) < 0;
}

static int reads(const char *path)
{
	return open(below(path), O_RDONLY | O_CLOEXEC) < 0;
}

static int makes(const char *path)
{
	return open(below(path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) < 0 ||
	       unlink(below(path));
}

static int renames(const char *path)
{
	char from[PATH_MAX];

	snprintf(from, sizeof(from), "%s.new", below(path));
	return close(open(from, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) ||
	       rename(from, below(path));
}

static int removes(const char *path)
{
	return unlink(below(path));
}

static int links(const char *path)
{
	return symlink("/etc/shadow", below(path)) || unlink(below(path));
}

static int truncates(const char *path)
{
	return truncate(below(path), 0);
}

/* Opened in a way in which landlock sees no writing. */
static int empties(const char *path)
{
	return open(below(path), O_RDONLY | O_TRUNC | O_CLOEXEC) < 0;
}

static int empties_blindly(const char *path)
{
	return open(below(path), O_WRONLY | O_RDWR | O_TRUNC | O_CLOEXEC) < 0;
}

#ifdef SYS_open
static int empties_plainly(const char *path)
{
	return syscall(SYS_open, below(path), O_RDONLY | O_TRUNC, 0) < 0;
}
#endif

static int changes_mode(const char *path)
{
	return chmod(below(path), 04755);
}

static int changes_mode_at(const char *path)
{
	return (int)syscall(SYS_fchmodat, AT_FDCWD, below(path), 04755);
}

static int changes_mode_of_open(const char *path)
{
	return fchmod(open(below(path), O_RDONLY | O_CLOEXEC), 04755);
}

/* In etc a plain one, in notes such as nobody makes there. */
static int makes_node(const char *mode)
{
	mode_t kind = (mode_t)strtoul(mode, NULL, 8);
	const char *path = below(S_ISREG(kind) ? "etc/node" : "notes/node");

	if (mknod(path, kind | 0600, 0))
		return -1;
	unlink(path);
	return 0;
}

static int runs(const char *path)
{
	execl(path, path, (char *)NULL);
	return -1;
}

static int runs_at(const char *path)
{
	char *argv[] = { (char *)path, NULL };

	return (int)syscall(SYS_execveat, AT_FDCWD, path, argv, argv + 1, 0);
}

static int opens_socket(const char *family)
{
	return socket(atoi(family), SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0;
}

static int finds_interface(const char *address)
{
	struct sockaddr_in6 sa;

	return addr_parse_scoped(address, &sa);
}

static int pairs(const char *unused)
{
	int pair[2];

	(void)unused;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int forks(const char *unused)
{
	int status;
	pid_t pid = fork();

	(void)unused;
	if (!pid)
		_exit(7);
	return waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7;
}

static int unshares(const char *unused)
{
	(void)unused;
	return unshare(CLONE_NEWUSER);
}

/* As fork() does, in a namespace of its own. */
static int clones(const char *unused)
{
#ifdef __s390x__
	long pid = syscall(SYS_clone, 0, CLONE_NEWUSER | SIGCHLD, 0, 0, 0);
#else
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
#endif

	(void)unused;
	if (!pid)
		_exit(0);
	return pid < 0;
}

static int calls(const char *number)
{
	long call = atol(number);

	/* userfaultfd(2) without UFFD_USER_MODE_ONLY is denied anyway */
	return syscall(call, (long)(call == SYS_userfaultfd), 0, 0, 0, 0) < 0;
}

#ifdef __x86_64__
static void has_no_such_calls(int sig)
{
	(void)sig;
	_exit(ENOSYS);
}

/* getpid() of a 32-bit program, whose numbers are others. */
static int calls_as_i386(const char *unused)
{
	long result = 20;

	(void)unused;
	signal(SIGSEGV, has_no_such_calls);
	__asm__ volatile("int $0x80" : "+a"(result) : : "r8", "r9", "r10", "r11", "memory");
	errno = (int)-result;
	return result < 0;
}

static void other_numbers(int how)
{
	int without = error_of(0, calls_as_i386, NULL);
	char number[32];

	CHECK_INT(error_of(how, calls_as_i386, NULL), without ? without : EPERM);
	snprintf(number, sizeof(number), "%ld", 0x40000000L | SYS_getpid); /* of x32 */
	CHECK_INT(error_of(how, calls, number), EPERM);
}
#else
static void other_numbers(int how)
{
	(void)how;
}
#endif

static int changes_root(const char *path)
{
	return chroot(below(path));
}

/* Capabilities that it has, or can get: none. */
static int has_capabilities(const char *unused)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	(void)unused;
	errno = EPERM;
	return syscall(SYS_capget, &head, data) || data[0].effective || data[0].permitted ||
	       data[0].inheritable || data[1].effective || data[1].permitted ||
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

static void before(void)
{
	temp_make(root);
	put_file(root, "sys/bus/usb/file", "1");
	put_file(root, "sys/devices/1-1/file", "1");
	put_file(root, "sys/kernel/file", "1");
	put_file(root, "notes/file", "1");
	put_file(root, "records/file", "1");
	put_file(root, "etc/file", "1");
	put_link(root, "sys/bus/usb/1-1", "../../devices/1-1");
	must(!sysfs_open(&sysfs, below("sys")), "open the tree");
}

static void after(void)
{
	sysfs_close(&sysfs);
	temp_remove(root);
}

#define CAN(...) CHECK_INT(error_of(how, __VA_ARGS__), 0)
#define CANNOT(error, ...) CHECK_INT(error_of(how, __VA_ARGS__), how == CONFINED ? (error) : 0)

/* The same looks for all three: an error that is there without it proves nothing. */
static void look(int how)
{
	before();
	CAN(writes, "sys/bus/usb/file");
	CAN(writes, "sys/devices/1-1/file");
	CAN(writes, "sys/bus/usb/1-1/file");
	CAN(writes, "notes/file");
	CAN(makes, "notes/new");
	CAN(renames, "notes/file");
	CAN(renames, "records/file");
	CAN(makes, "records/new");
	CAN(writes_anew, "records/file");
	CAN(writes_anew, "records/new");
	CAN(reads, "etc/file");
	CANNOT(EACCES, writes, "sys/kernel/file");
	CANNOT(EACCES, makes, "sys/devices/new");
	CANNOT(EACCES, makes, "sys/bus/usb/new");
	CANNOT(EACCES, writes, "etc/file");
	CANNOT(EACCES, makes, "etc/new");
	CANNOT(EACCES, links, "notes/link");
	CANNOT(EACCES, makes_node, "100000");
	CANNOT(EACCES, makes_node, "140000"); /* a socket */
	CANNOT(EACCES, makes_node, "10000");  /* a pipe */
	CANNOT(EPERM, runs, "/bin/true");
	CANNOT(EPERM, runs_at, "/bin/true");
	CANNOT(EPERM, truncates, "etc/file");
	CANNOT(EPERM, empties, "etc/file");
	CANNOT(EPERM, empties_blindly, "etc/file");
#ifdef SYS_open
	CANNOT(EPERM, empties_plainly, "etc/file");
#endif
	CANNOT(EPERM, changes_mode, "etc/file");
	CANNOT(EPERM, changes_mode_at, "etc/file");
	CANNOT(EPERM, changes_mode_of_open, "etc/file");
	CANNOT(EPERM, opens_socket, "1"); /* AF_UNIX */
	CANNOT(EACCES, removes, "etc/file");
	CAN(opens_socket, "2");	 /* AF_INET */
	CAN(opens_socket, "16"); /* AF_NETLINK */
	CHECK_INT(error_of(how, opens_socket, "10"), error_of(0, opens_socket, "10")); /* AF_INET6 */
	CAN(pairs, NULL);
	CAN(finds_interface, "fe80::1%lo");
	CAN(forks, NULL);
	after();
}

static void not_confined(void)
{
	look(0);
}

static void confined(void)
{
	look(CONFINED);
	before();
	CHECK_INT(error_of(0, makes_node, "60000"), 0); /* a device */
	CHECK_INT(error_of(CONFINED, makes_node, "60000"), EACCES);
	after();
}

static void with_programs(void)
{
	look(WITH_PROGRAMS);
}

/* Which nobody needs. Without the filter the kernel has another answer to a call without sense. */
static void never(void)
{
	static const struct {
		long number;
		int error;
	} call[] = {
		{ SYS_bpf, EPERM },	 { SYS_keyctl, EPERM },	 { SYS_add_key, EPERM },
		{ SYS_request_key, EPERM }, { SYS_perf_event_open, EPERM },
		{ SYS_userfaultfd, EPERM },
#ifdef SYS_io_uring_setup
		{ SYS_io_uring_setup, EPERM },
#endif
#ifdef SYS_clone3
		{ SYS_clone3, ENOSYS },
#endif
	};
	static const long alone[] = {
		SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr,
#ifdef SYS_clone3 /* the newer ones have a number for all of their kind */
		SYS_clone3 - 435 + 437, /* openat2 */
		SYS_clone3 - 435 + 452, /* fchmodat2 */
		SYS_clone3 - 435 + 463, /* setxattrat */
#endif
	};

	before();
	for (int how = CONFINED; how <= WITH_PROGRAMS; how++) {
		CHECK_INT(error_of(how, has_capabilities, NULL), 0);
		CHECK_INT(error_of(how, changes_root, "etc"), EPERM);
		CHECK_INT(error_of(how, unshares, NULL), EPERM);
		CHECK_INT(error_of(how, clones, NULL), EPERM);
		other_numbers(how);
		for (size_t i = 0; i < LENGTH(call); i++) {
			char number[32];

			snprintf(number, sizeof(number), "%ld", call[i].number);
			CHECK_INT(error_of(how, calls, number), call[i].error);
		}
	}
	for (size_t i = 0; i < LENGTH(alone); i++) {
		char number[32];

		snprintf(number, sizeof(number), "%ld", alone[i]);
		CHECK_INT(error_of(CONFINED, calls, number), EPERM);
		CHECK(error_of(WITH_PROGRAMS, calls, number) != EPERM);
	}
	CHECK_INT(error_of(0, has_capabilities, NULL), EPERM);
	CHECK_INT(error_of(0, changes_root, "etc"), 0);
	CHECK_INT(error_of(0, unshares, NULL), 0);
	CHECK_INT(error_of(0, clones, NULL), 0);
	after();
}

/* A second time takes nothing back. */
static int twice(const char *path)
{
	sandbox_enter(&sysfs, below("etc"), NULL, true);
	return writes(path);
}

static void for_good(void)
{
	before();
	CHECK_INT(error_of(CONFINED, twice, "etc/file"), EACCES);
	after();
}

int main(void)
{
	RUN("t_sandbox: what can be done without", not_confined);
	RUN("t_sandbox: what can be done with it, and what not", confined);
	RUN("t_sandbox: what can be done when programs must be run", with_programs);
	RUN("t_sandbox: no capabilities, and no calls that nobody needs", never);
	RUN("t_sandbox: nothing is given back", for_good);
	return check_status();
}
