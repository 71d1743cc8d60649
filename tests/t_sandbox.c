/* SPDX-License-Identifier: MIT */
/*
 * Tests of lib/sandbox: what a process can do before, and cannot after. Each look is a process of
 * its own, as nothing is ever given back.
 */
#include "lib/sandbox.h"

#include "lib/addr.h"
#include "sysfs/sysfs.h"
#include "tests/files.h"

#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

enum { CONFINED = 1, SSH, SERVER, INSPECTOR, HOOKS, HOLDER, GUARD };
enum { OTHER_USER = 65534 };

static char root[TEMP_SIZE];
static struct sysfs sysfs;
/* Behind ssh it connects to none. */
static const struct endpoint server_of_client[] = {
	{ .port = "3" },
	{ .port = "4", .through = "4" },
};
static uint32_t all_capabilities[2]; /* that the test has: the first 32, others */

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
		if (how == CONFINED)
			sandbox_enter(sysfs.root, notes, records, server_of_client, 2);
		else if (how == SSH)
			sandbox_enter_ssh();
		else if (how == SERVER)
			sandbox_enter(sysfs.root, notes, NULL, NULL, 0);
		else if (how == INSPECTOR)
			sandbox_enter_inspector();
		else if (how == HOOKS)
			sandbox_enter_hooks();
		else if (how == HOLDER)
			sandbox_enter_holder();
		else if (how == GUARD)
			sandbox_enter_guard();
		errno = 0;
		/* the sanitizers' _exit() needs calls that a holder has not */
		syscall(SYS_exit_group, work(path) ? errno : 0);
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

static int makes_directory(const char *path)
{
	return mkdir(below(path), 0700) || rmdir(below(path));
}

/* The run directory gets another one's place, where its files would mean more. */
static int takes_place(const char *path)
{
	char to[PATH_MAX], from[PATH_MAX], aside[PATH_MAX + 4];

	strcpy(to, below(path));
	strcpy(from, below("notes"));
	snprintf(aside, sizeof(aside), "%s.old", to);
	return rename(to, aside) || rename(from, to) || rename(to, from) || rename(aside, to);
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

/* A program that the filter lets run: it has calls of this architecture. */
#define MYSELF "/proc/self/exe"

static int runs(const char *path)
{
	execl(path, path, "", (char *)NULL);
	return -1;
}

static int runs_at(const char *path)
{
	char *argv[] = { (char *)path, "", NULL };

	return (int)syscall(SYS_execveat, AT_FDCWD, path, argv, argv + 2, 0);
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
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ||
	       socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
}

/* From one of these a process could send to any local socket of datagrams. */
static int pairs_datagrams(const char *unused)
{
	int pair[2];

	(void)unused;
	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair);
}

/* To a port of an address where nobody listens. */
static int connects(const char *port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons((uint16_t)atoi(port)),
					.sin_addr.s_addr = htonl(0x7f0a0b0c) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (const struct sockaddr *)&to, sizeof(to));
}

static int sends(const char *fast)
{
	struct sockaddr_in to = { AF_INET, htons(1), { htonl(INADDR_LOOPBACK) }, { 0 } };
	struct msghdr header = { .msg_name = &to, .msg_namelen = sizeof(to) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fast)
		return sendmsg(fd, &header, MSG_FASTOPEN | MSG_NOSIGNAL) < 0;
	return sendto(fd, "", 1, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) < 0;
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

#define INSPECTOR_CAPABILITIES (1U << CAP_SYS_PTRACE | 1U << CAP_DAC_READ_SEARCH)
static const uint32_t inspector_capabilities[2] = { INSPECTOR_CAPABILITIES, 0 };
static const uint32_t no_capabilities[2];

static void get_capabilities(struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	must(!syscall(SYS_capget, &head, data), "read the capabilities");
}

static void set_capabilities(uint32_t first)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { first, first, 0 }, { 0, 0, 0 } };

	must(!syscall(SYS_capset, &head, data), "set the capabilities");
}

/* Others than all of the mask that root has here. */
static int has_capabilities_but(const char *mask)
{
	struct __user_cap_data_struct data[2];
	uint32_t want[2];

	memcpy(want, mask, sizeof(want));
	get_capabilities(data);
	errno = EPERM;
	for (int i = 0; i < 2; i++) {
		want[i] &= all_capabilities[i];
		if (data[i].effective != want[i] || data[i].permitted != want[i] || data[i].inheritable)
			return -1;
	}
	return 0;
}

static int follows_file(const char *pid)
{
	char target[PATH_MAX];

	return readlink(sysfs_path("/proc/%s/fd/0", pid).text, target, sizeof(target)) < 0;
}

static const char *text_of_pid(pid_t pid)
{
	static char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return text;
}

/* One that may not exist: with the same error then. */
static int opens_disk(const char *unused)
{
	(void)unused;
	return open(below("etc/disk"), O_RDONLY | O_NONBLOCK | O_CLOEXEC) < 0;
}

static void before(void)
{
	temp_make(root);
	put_file(root, "sys/bus/usb/file", "1");
	put_file(root, "sys/devices/pci0/usb1/1-1/file", "1");
	put_file(root, "sys/devices/pci0/usb2/file", "1");
	put_file(root, "sys/devices/pci0/config", "1");
	put_file(root, "sys/devices/platform/vhci_hcd.0/attach", "1");
	put_file(root, "sys/devices/platform/other/file", "1");
	put_file(root, "sys/kernel/file", "1");
	put_file(root, "notes/file", "1");
	put_file(root, "records/file", "1");
	put_file(root, "etc/file", "1");
	put_link(root, "sys/bus/usb/devices/usb1", "../../../devices/pci0/usb1");
	put_link(root, "sys/bus/usb/devices/1-1", "../../../devices/pci0/usb1/1-1");
	must(!mknod(below("etc/disk"), S_IFBLK | 0600, makedev(7, 0)), "have a disk");
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
	CAN(writes, "sys/devices/platform/vhci_hcd.0/attach");
	CANNOT(EACCES, writes, "sys/devices/platform/other/file");
	CANNOT(EACCES, writes, "sys/bus/usb/file");
	CANNOT(EACCES, writes, "sys/devices/pci0/usb1/1-1/file");
	CANNOT(EACCES, writes, "sys/devices/pci0/config");
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
	CANNOT(EACCES, makes_directory, "notes/new");
	CANNOT(EACCES, makes_directory, "etc/new");
	CANNOT(EACCES, takes_place, "etc");
	CANNOT(EACCES, links, "notes/link");
	CANNOT(EACCES, makes_node, "100000");
	CANNOT(EACCES, makes_node, "140000"); /* a socket */
	CANNOT(EACCES, makes_node, "10000");  /* a pipe */
	CANNOT(EPERM, runs, MYSELF);
	CANNOT(EPERM, runs_at, MYSELF);
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
	CANNOT(EPERM, pairs_datagrams, NULL);
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

/* The kernel restricts ports of TCP since Linux 6.7. */
static bool restricts_tcp(void)
{
#if __has_include(<linux/landlock.h>) && defined(SYS_landlock_create_ruleset)
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 4;
#else
	return false;
#endif
}

/* It reaches the ports of its servers, and the DNS. */
static void client(void)
{
	const int elsewhere = restricts_tcp() ? EACCES : ECONNREFUSED;

	before();
	CHECK_INT(error_of(0, connects, "1"), ECONNREFUSED);
	CHECK_INT(error_of(CONFINED, connects, "3"), ECONNREFUSED);
	CHECK_INT(error_of(CONFINED, connects, "53"), ECONNREFUSED);
	CHECK_INT(error_of(CONFINED, connects, "4"), elsewhere);
	CHECK_INT(error_of(CONFINED, connects, "1"), elsewhere);
	CHECK_INT(error_of(SSH, connects, "1"), ECONNREFUSED);
	CHECK_INT(error_of(CONFINED, sends, "fast"), EPERM);
	after();
}

/* It answers peers, and reaches nobody by itself. */
static void server(void)
{
	before();
	CHECK_INT(error_of(SERVER, writes, "notes/file"), 0);
	CHECK_INT(error_of(SERVER, writes, "records/file"), EACCES);
	CHECK_INT(error_of(SERVER, writes, "sys/bus/usb/file"), 0);
	CHECK_INT(error_of(SERVER, writes, "sys/bus/usb/devices/1-1/file"), 0);
	CHECK_INT(error_of(SERVER, writes, "sys/devices/pci0/usb1/1-1/file"), 0);
	CHECK_INT(error_of(SERVER, writes, "sys/devices/pci0/usb2/file"), EACCES); /* no bus yet */
	CHECK_INT(error_of(SERVER, writes, "sys/devices/pci0/config"), EACCES);
	CHECK_INT(error_of(SERVER, writes, "sys/devices/platform/vhci_hcd.0/attach"), EACCES);
	CHECK_INT(error_of(SERVER, makes, "sys/bus/usb/new"), EACCES);
	CHECK_INT(error_of(SERVER, connects, "3"), EPERM);
	CHECK_INT(error_of(CONFINED, sends, NULL), EPIPE);
	CHECK_INT(error_of(SERVER, sends, NULL), EPERM);
	CHECK_INT(error_of(SERVER, sends, "fast"), EPERM);
	CHECK_INT(error_of(CONFINED, opens_socket, "2"), 0);
	CHECK_INT(error_of(SERVER, opens_socket, "2"), EPERM);
	CHECK_INT(error_of(SERVER, opens_socket, "16"), 0);
	CHECK_INT(error_of(SERVER, finds_interface, "fe80::1%lo"), 0);
	CHECK_INT(error_of(SERVER, pairs, NULL), 0);
	CHECK_INT(error_of(SERVER, runs, MYSELF), EPERM);
	after();
}

static void ssh(void)
{
	look(SSH);
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
	for (int how = CONFINED; how <= SSH; how++) {
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
		CHECK(error_of(SSH, calls, number) != EPERM);
	}
	CHECK_INT(error_of(0, has_capabilities, NULL), EPERM);
	CHECK_INT(error_of(0, changes_root, "etc"), 0);
	CHECK_INT(error_of(0, unshares, NULL), 0);
	CHECK_INT(error_of(0, clones, NULL), 0);
	after();
}

/* Another user's process, until it is killed. */
static pid_t start_other_user(void)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		if (setgid(OTHER_USER) || setuid(OTHER_USER) || prctl(PR_SET_DUMPABLE, 1))
			_exit(1);
		for (;;)
			pause();
	}
	while (error_of(CONFINED, follows_file, text_of_pid(pid)) != EACCES) /* not yet */
		usleep(1000);
	return pid;
}

static int traces(const char *pid)
{
	return ptrace(PTRACE_ATTACH, atoi(pid), NULL, NULL) < 0;
}

static int reads_memory(const char *pid)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { &sysfs, 1 };

	return process_vm_readv(atoi(pid), &here, 1, &there, 1, 0) != 1;
}

static int writes_memory(const char *pid)
{
	char byte = 1;
	struct iovec here = { &byte, 1 }, there = { &sysfs, 1 };

	return process_vm_writev(atoi(pid), &here, 1, &there, 1, 0) != 1;
}

static int reads_memory_file(const char *pid)
{
	return open(sysfs_path("/proc/%s/mem", pid).text, O_RDWR | O_CLOEXEC) < 0;
}

/* By a number of the file, which its capability allows: past all paths. */
static int reads_by_handle(const char *path)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} file = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int dir = open(root, O_RDONLY | O_CLOEXEC), mount;

	/* a file system without such numbers: then the call itself is denied, or not */
	if (name_to_handle_at(dir, path, &file.handle, &mount, 0))
		return open_by_handle_at(dir, &file.handle, O_RDONLY) < 0 && errno == EPERM;
	return open_by_handle_at(dir, &file.handle, O_RDONLY) < 0;
}

static int writes_by_truncation(const char *path)
{
	return open(below(path), O_RDONLY | O_TRUNC | O_CLOEXEC) < 0;
}

static int reads_and_writes(const char *path)
{
	return open(below(path), O_RDWR | O_CLOEXEC) < 0;
}

static int makes_empty(const char *path)
{
	(void)path;
	return open(below("notes/made"), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) < 0;
}

#define BY_NUMBER(name, ...)                                                                       \
	static int name(const char *path)                                                          \
	{                                                                                          \
		char there[PATH_MAX], here[PATH_MAX];                                              \
                                                                                                   \
		strcpy(here, below(path));                                                         \
		strcpy(there, below("notes/made"));                                                \
		return syscall(__VA_ARGS__) < 0;                                                   \
	}

BY_NUMBER(mkdirat_it, SYS_mkdirat, AT_FDCWD, there, 0700)
BY_NUMBER(mknodat_it, SYS_mknodat, AT_FDCWD, there, S_IFREG | 0600, 0)
BY_NUMBER(unlinkat_it, SYS_unlinkat, AT_FDCWD, here, 0)
BY_NUMBER(linkat_it, SYS_linkat, AT_FDCWD, here, AT_FDCWD, there, 0)
BY_NUMBER(symlinkat_it, SYS_symlinkat, here, AT_FDCWD, there)
BY_NUMBER(renameat2_it, SYS_renameat2, AT_FDCWD, here, AT_FDCWD, there, 0)
BY_NUMBER(chmod_it, SYS_fchmodat, AT_FDCWD, here, 0600)
BY_NUMBER(truncate_it, SYS_truncate, here, 0)
#ifdef SYS_renameat
BY_NUMBER(renameat_it, SYS_renameat, AT_FDCWD, here, AT_FDCWD, there)
#endif
#ifdef SYS_open
BY_NUMBER(mkdir_it, SYS_mkdir, there, 0700)
BY_NUMBER(mknod_it, SYS_mknod, there, S_IFREG | 0600, 0)
BY_NUMBER(unlink_it, SYS_unlink, here)
BY_NUMBER(rmdir_it, SYS_rmdir, strcat(there, ".dir"))
BY_NUMBER(link_it, SYS_link, here, there)
BY_NUMBER(symlink_it, SYS_symlink, here, there)
BY_NUMBER(rename_it, SYS_rename, here, there)
BY_NUMBER(creat_it, SYS_creat, here, 0600)
BY_NUMBER(open_it, SYS_open, here, O_WRONLY, 0)
#endif

static int (*const changes[])(const char *path) = {
	writes, reads_and_writes, writes_by_truncation, makes_empty, mkdirat_it, mknodat_it,
	unlinkat_it, linkat_it, symlinkat_it, renameat2_it, chmod_it, truncate_it,
#ifdef SYS_renameat
	renameat_it,
#endif
#ifdef SYS_open
	mkdir_it, mknod_it, unlink_it, rmdir_it, link_it, symlink_it, rename_it, creat_it, open_it,
#endif
};

static void before_change(void)
{
	take_away(root, "notes");
	put_file(root, "notes/file", "1");
	put_file(root, "notes/made.dir/x", "");
	take_away(root, "notes/made.dir/x");
}

/* It sees what others may not see, and can do nothing with it. */
static void inspector(void)
{
	static const long numbers[] = {
		SYS_kcmp,
#ifdef SYS_clone3
		SYS_clone3 - 435 + 434, /* pidfd_open */
		SYS_clone3 - 435 + 438, /* pidfd_getfd */
		SYS_clone3 - 435 + 440, /* process_madvise */
#endif
	};
	static const char *const families[] = { "1", "2", "10", "16" };
	int how = INSPECTOR;
	char number[32];
	const char *pid;
	pid_t other;

	before();
	must(!chmod(below("etc/file"), 0400) && !chown(below("etc/file"), OTHER_USER, OTHER_USER),
	     "have another user's file");
	CHECK_INT(error_of(CONFINED, reads, "etc/file"), EACCES);
	CHECK_INT(error_of(how, reads, "etc/file"), 0);
	other = start_other_user();
	pid = text_of_pid(other);
	CHECK_INT(error_of(how, follows_file, pid), 0);
	CHECK_INT(error_of(how, forks, NULL), 0);
	CHECK_INT(error_of(how, opens_disk, NULL), error_of(0, opens_disk, NULL));
	CHECK_INT(error_of(how, reads_by_handle, "etc/file"), EPERM);
	CHECK_INT(error_of(0, reads_by_handle, "etc/file"), 0);
	for (size_t i = 0; i < LENGTH(changes); i++) {
		before_change();
		CHECK_INT(error_of(how, changes[i], "notes/file"), EPERM);
		CHECK_INT(error_of(0, changes[i], "notes/file"), 0);
	}
	CHECK_INT(error_of(how, runs, MYSELF), EPERM);
	CHECK_INT(error_of(how, changes_root, "etc"), EPERM);
	CHECK_INT(error_of(how, unshares, NULL), EPERM);
	for (size_t i = 0; i < LENGTH(families); i++)
		CHECK_INT(error_of(how, opens_socket, families[i]), EPERM);
	CHECK_INT(error_of(how, traces, pid), EPERM);
	CHECK_INT(error_of(how, reads_memory, pid), EPERM);
	CHECK_INT(error_of(how, writes_memory, pid), EPERM);
	CHECK_INT(error_of(how, reads_memory_file, pid), EPERM);
	CHECK_INT(error_of(0, traces, pid), 0);
	CHECK_INT(error_of(0, reads_memory, pid), 0);
	CHECK_INT(error_of(0, writes_memory, pid), 0);
	CHECK_INT(error_of(0, reads_memory_file, pid), 0);
	for (size_t i = 0; i < LENGTH(numbers); i++) {
		snprintf(number, sizeof(number), "%ld", numbers[i]);
		CHECK_INT(error_of(how, calls, number), EPERM);
		CHECK_INT(error_of(CONFINED, calls, number), EPERM);
		CHECK(error_of(SSH, calls, number) != EPERM);
	}
	/* for which one of its capabilities would be enough */
	snprintf(number, sizeof(number), "%ld", (long)SYS_userfaultfd);
	CHECK_INT(error_of(how, calls, number), EPERM);
	CHECK_INT(error_of(how, has_capabilities_but, (const char *)inspector_capabilities), 0);
	kill(other, SIGKILL);
	must(waitpid(other, NULL, 0) == other, "wait");
	after();
}

/* As systemd runs it: with the inspector's capabilities, and no way to any others. */
static int has_left_of_inspector(const char *unused)
{
	set_capabilities(INSPECTOR_CAPABILITIES);
	sandbox_enter_hooks();
	(void)unused;
	return has_capabilities_but((const char *)no_capabilities);
}

/* They have no more than without an inspector, and with all rights nearly all. */
static void hooks(void)
{
	const uint32_t others[2] = { ~INSPECTOR_CAPABILITIES, UINT32_MAX };

	before();
	CHECK_INT(error_of(0, has_left_of_inspector, NULL), 0);
	CHECK_INT(error_of(HOOKS, has_capabilities_but, (const char *)others), 0);
	CHECK_INT(error_of(HOOKS, runs, MYSELF), 0);
	CHECK_INT(error_of(HOOKS, changes_root, "etc"), 0);
	CHECK_INT(error_of(HOOKS, writes, "etc/file"), 0);
	after();
}

/* It has these open: an eventpoll instance, memory, its connection. */
static int works_as_holder(const char *unused)
{
	int fd[2], epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN };
	struct iovec iov = { &event, sizeof(event) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	char *memory;

	(void)unused;
	must(epoll >= 0 && !socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), "make what it has");
	sandbox_enter_holder();
	memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED || epoll_ctl(epoll, EPOLL_CTL_ADD, fd[0], &event) ||
	       sendmsg(fd[1], &message, MSG_NOSIGNAL) < 0 || epoll_wait(epoll, &event, 1, -1) != 1 ||
	       recvmsg(fd[0], &message, 0) < 0 || send(fd[1], "", 1, MSG_NOSIGNAL) != 1 ||
	       recv(fd[0], memory, 1, 0) != 1 || ioctl(fd[0], FIONREAD, memory) ||
	       munmap(memory, 1 << 20) || close(fd[0]);
}

static void opens_nothing(int how)
{
	static const char *const families[] = { "1", "2", "10", "16" };

	CHECK_INT(error_of(how, reads, "etc/file"), EPERM);
	CHECK_INT(error_of(how, writes, "etc/file"), EPERM);
	CHECK_INT(error_of(how, makes, "etc/new"), EPERM);
	CHECK_INT(error_of(how, removes, "etc/file"), EPERM);
	CHECK_INT(error_of(how, runs, MYSELF), EPERM);
	CHECK_INT(error_of(how, forks, NULL), EPERM);
	for (size_t i = 0; i < LENGTH(families); i++)
		CHECK_INT(error_of(how, opens_socket, families[i]), EPERM);
}

/* A process with one device, which reads what an unknown client sends. */
static void holder(void)
{
	before();
	CHECK_INT(error_of(0, works_as_holder, NULL), 0);
	opens_nothing(HOLDER);
	after();
}

/* By what /proc says of it: it has no capabilities, and no way to any. */
static bool has_no_rights(int status)
{
	static const char *const rights[] = { "\nCapInh:\t0000000000000000\n", "\nCapPrm:\t0000000000000000\n",
					      "\nCapEff:\t0000000000000000\n", "\nNoNewPrivs:\t1\n" };
	static char text[8192];
	const struct iovec all = { text, sizeof(text) - 1 };
	bool has = readv(status, &all, 1) <= 0;

	for (size_t i = 0; i < LENGTH(rights); i++)
		has |= !strstr(text, rights[i]);
	errno = EPERM;
	return !has;
}

/* It has two connections open. */
static int works_as_guard(const char *unused)
{
	int fd[2], status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	struct pollfd ready = { .events = POLLIN };
	struct timespec now;
	char byte[2];
	const struct iovec pieces[] = { { byte, 1 }, { byte + 1, 1 } };

	(void)unused;
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fd), "make what it has");
	ready.fd = fd[0];
	sandbox_enter_guard();
	return !has_no_rights(status) || send(fd[1], "abc", 3, MSG_NOSIGNAL) != 3 || poll(&ready, 1, -1) != 1 ||
	       recv(fd[0], byte, 1, 0) != 1 || readv(fd[0], pieces, 2) != 2 || clock_gettime(CLOCK_MONOTONIC, &now) ||
	       write(STDERR_FILENO, "", 0) || shutdown(fd[0], SHUT_RDWR);
}

/* A process with one session, which reads what an unknown server sends. */
static void guard(void)
{
	before();
	CHECK_INT(error_of(0, works_as_guard, NULL), 0);
	opens_nothing(GUARD);
	after();
}

/* A second time takes nothing back. */
static int twice(const char *path)
{
	sandbox_enter(sysfs.root, below("etc"), NULL, NULL, 0);
	return writes(path);
}

static void for_good(void)
{
	before();
	CHECK_INT(error_of(CONFINED, twice, "etc/file"), EACCES);
	after();
}

int main(int argc, char **argv)
{
	struct __user_cap_data_struct data[2];

	(void)argv;
	if (argc > 1) /* it is the program that is run */
		_exit(0);
	get_capabilities(data);
	all_capabilities[0] = data[0].permitted;
	all_capabilities[1] = data[1].permitted;
	RUN("t_sandbox: what can be done without", not_confined);
	RUN("t_sandbox: what can be done with it, and what not", confined);
	RUN("t_sandbox: a client connects to its servers", client);
	RUN("t_sandbox: a server cannot connect to anybody", server);
	RUN("t_sandbox: what ssh can do, and the process that starts it", ssh);
	RUN("t_sandbox: no capabilities, and no calls that nobody needs", never);
	RUN("t_sandbox: the inspector sees more and can do less", inspector);
	RUN("t_sandbox: hooks have none of the inspector's rights", hooks);
	RUN("t_sandbox: a holder uses what it has open, and opens nothing", holder);
	RUN("t_sandbox: a guard uses what it has open, and opens nothing", guard);
	RUN("t_sandbox: nothing is given back", for_good);
	return check_status();
}
