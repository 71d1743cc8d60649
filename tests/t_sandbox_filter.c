/* SPDX-License-Identifier: MIT */
/*
 * Tests of lib/sandbox: the answers of its seccomp filters, computed here, as emulators of other
 * processors have no seccomp. Each way out of a sandbox that one filter or another has to close.
 * LINK: -Wl,--wrap=prctl,--wrap=syscall
 */
#include "lib/sandbox.h"

#include "tests/check.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { FILTERS_MAX = 4 };

static struct sock_fprog installed[FILTERS_MAX];
static struct sock_filter program[FILTERS_MAX][BPF_MAXINSNS];
static unsigned filters;

int __wrap_prctl(int option, ...);
long __wrap_syscall(long number, ...);

int __wrap_prctl(int option, ...)
{
	va_list args;

	va_start(args, option);
	if (option == PR_SET_SECCOMP && va_arg(args, unsigned long) == SECCOMP_MODE_FILTER &&
	    filters < FILTERS_MAX) {
		installed[filters] = *va_arg(args, const struct sock_fprog *);
		memcpy(program[filters], installed[filters].filter,
		       installed[filters].len * sizeof(**program));
		installed[filters].filter = program[filters];
		filters++;
	}
	va_end(args);
	return 0;
}

long __wrap_syscall(long number, ...)
{
	(void)number;
	errno = ENOSYS; /* no capabilities, no Landlock */
	return -1;
}

/* What this program's header says of its processor, as linux/audit.h makes a number of it. */
static uint32_t this_arch(void)
{
	extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

	return __ehdr_start.e_machine |
	       (__ehdr_start.e_ident[EI_CLASS] == ELFCLASS64 ? __AUDIT_ARCH_64BIT : 0) |
	       (__ehdr_start.e_ident[EI_DATA] == ELFDATA2LSB ? __AUDIT_ARCH_LE : 0);
}

/* Runs one: Documentation/networking/filter.rst, as far as seccomp allows it. */
static uint32_t run_filter(const struct sock_fprog *filter, const struct seccomp_data *data)
{
	uint32_t value = 0;
	bool jump;

	for (unsigned i = 0; i < filter->len; i++) {
		const struct sock_filter *step = &filter->filter[i];

		switch (step->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			must(step->k % 4 == 0 && step->k + 4 <= sizeof(*data), "read the data");
			memcpy(&value, (const char *)data + step->k, sizeof(value));
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			value &= step->k;
			continue;
		case BPF_JMP | BPF_JA:
			i += step->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			jump = value == step->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			jump = value >= step->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			jump = value & step->k;
			break;
		case BPF_RET | BPF_K:
			return step->k;
		default:
			must(false, "know the instruction");
			return 0;
		}
		i += jump ? step->jt : step->jf;
	}
	must(false, "come to an end");
	return 0;
}

/* 0 or the error of a call, as the kernel takes the strictest answer. */
static int answer(const struct seccomp_data *data)
{
	int error = 0;

	for (unsigned i = 0; i < filters; i++) {
		uint32_t result = run_filter(&installed[i], data);

		if ((result & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
			error = (int)(result & SECCOMP_RET_DATA);
		else
			CHECK_INT(result, SECCOMP_RET_ALLOW);
	}
	return error;
}

static int call(long number, uint64_t a, uint64_t b, uint64_t c)
{
	struct seccomp_data data = { (int)number, this_arch(), 0, { a, b, c } };

	return answer(&data);
}

static int sends_to(uint64_t address)
{
	struct seccomp_data data = { SYS_sendto, this_arch(), 0, { 3, 0x1000, 1, 0, address } };

	return answer(&data);
}

static void enter(void (*sandbox)(void))
{
	filters = 0;
	sandbox();
}

static void enter_client(void)
{
	sandbox_enter(-1, "/", "/", NULL, 0);
}

static void enter_server(void)
{
	sandbox_enter(-1, "/", NULL, NULL, 0);
}

static void (*const sandboxes[])(void) = {
	enter_client, enter_server, sandbox_enter_inspector, sandbox_enter_holder,
	sandbox_enter_guard, sandbox_enter_ssh,
};

enum { STRICT = 5 /* so many of them */ };

/* It may only do what is listed. */
static bool has_list(void (*sandbox)(void))
{
	return sandbox == sandbox_enter_holder || sandbox == sandbox_enter_guard;
}

/* A call of another ABI has other numbers. */
static void other_numbers(void)
{
	struct seccomp_data data = { SYS_close, this_arch(), 0, { 3 } };

	for (unsigned i = 0; i < LENGTH(sandboxes); i++) {
		enter(sandboxes[i]);
		CHECK(filters > 0);
		CHECK_INT(answer(&data), sandboxes[i] == sandbox_enter_guard ? EPERM : 0);
		data.arch ^= __AUDIT_ARCH_LE;
		CHECK_INT(answer(&data), EPERM);
		data.arch ^= __AUDIT_ARCH_LE ^ __AUDIT_ARCH_64BIT;
		CHECK_INT(answer(&data), EPERM);
		data.arch ^= __AUDIT_ARCH_64BIT;
		data.nr |= 0x40000000;
		CHECK_INT(answer(&data), EPERM);
		data.nr = SYS_close;
	}
}

static void to_the_kernel(void)
{
	static const long calls[] = {
		SYS_unshare, SYS_add_key, SYS_request_key, SYS_keyctl,
		SYS_perf_event_open, SYS_bpf, SYS_userfaultfd, SYS_io_uring_setup,
	};
	const unsigned flags_at = this_arch() == AUDIT_ARCH_S390X; /* clone(2) */

	for (unsigned i = 0; i < LENGTH(sandboxes); i++) {
		enter(sandboxes[i]);
		for (unsigned j = 0; j < LENGTH(calls); j++)
			CHECK_INT(call(calls[j], 0, 0, 0), EPERM);
		CHECK_INT(call(SYS_clone, flags_at ? 0 : CLONE_NEWUSER | SIGCHLD,
			       flags_at ? CLONE_NEWUSER | SIGCHLD : 0, 0), EPERM);
		if (has_list(sandboxes[i]))
			continue;
		CHECK_INT(call(SYS_clone, flags_at ? 0 : SIGCHLD, flags_at ? SIGCHLD : 0, 0), 0);
		CHECK_INT(call(SYS_clone3, 0, 0, 0), ENOSYS);
	}
}

/* By a program, by another process, by a file that Landlock does not guard. */
static void to_files(void)
{
	static const long calls[] = {
		SYS_execve, SYS_execveat, SYS_fchmod, SYS_fchmodat, SYS_truncate,
		SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_ptrace,
		SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_open_by_handle_at,
		SYS_clone3 - 435 + 434, /* pidfd_open */
		SYS_clone3 - 435 + 437, /* openat2 */
		SYS_clone3 - 435 + 438, /* pidfd_getfd */
		SYS_clone3 - 435 + 440, /* process_madvise */
		SYS_clone3 - 435 + 452, /* fchmodat2 */
		SYS_clone3 - 435 + 463, /* setxattrat */
#ifdef SYS_chmod
		SYS_chmod,
#endif
#ifdef SYS_truncate64
		SYS_truncate64,
#endif
	};

	for (unsigned i = 0; i < STRICT; i++) {
		enter(sandboxes[i]);
		for (unsigned j = 0; j < LENGTH(calls); j++)
			CHECK_INT(call(calls[j], 0, 0, 0), EPERM);
	}
	enter(sandbox_enter_ssh);
	CHECK_INT(call(SYS_execve, 0, 0, 0), 0);
}

/* Landlock sees no writing in these. */
static void to_their_end(void)
{
	static const struct {
		uint64_t flags;
		int error;
	} row[] = {
		{ O_RDONLY, 0 },
		{ O_RDWR, 0 },
		{ O_WRONLY | O_CREAT | O_TRUNC, 0 },
		{ O_RDONLY | O_TRUNC, EPERM },
		{ O_RDONLY | O_TRUNC | O_CREAT, EPERM },
		{ O_WRONLY | O_RDWR | O_TRUNC, EPERM },
	};

	for (unsigned i = 0; i < 2; i++) {
		enter(sandboxes[i]);
		for (unsigned j = 0; j < LENGTH(row); j++) {
			CHECK_INT(call(SYS_openat, 0, 0, row[j].flags), row[j].error);
#ifdef SYS_open
			CHECK_INT(call(SYS_open, 0, row[j].flags, 0), row[j].error);
#endif
		}
	}
}

/* Local sockets, of whatever call. */
static void to_other_programs(void)
{
	const uint64_t pair = SOCK_SEQPACKET | SOCK_CLOEXEC;
	const uint64_t stream = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

	for (unsigned i = 0; i < STRICT; i++) {
		int error = has_list(sandboxes[i]) ? EPERM : 0;

		enter(sandboxes[i]);
		CHECK_INT(call(SYS_socket, AF_UNIX, SOCK_STREAM, 0), EPERM);
		CHECK_INT(call(SYS_socket, AF_UNIX, SOCK_DGRAM, 0), EPERM);
		CHECK_INT(call(SYS_socket, 40 /* AF_VSOCK */, SOCK_STREAM, 0), EPERM);
		CHECK_INT(call(SYS_socketpair, AF_UNIX, pair, 0), error);
		CHECK_INT(call(SYS_socketpair, AF_UNIX, stream, 0), error);
		CHECK_INT(call(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0), EPERM);
		CHECK_INT(call(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), EPERM);
		CHECK_INT(call(SYS_socketpair, AF_UNIX, SOCK_RAW, 0), EPERM); /* the same */
#if defined(SYS_socketcall) && !defined(__GLIBC__)
		CHECK_INT(call(SYS_socketcall, 1 /* SYS_SOCKET */, 0x1000, 0), EPERM);
		CHECK_INT(call(SYS_socketcall, 3 /* SYS_CONNECT */, 0x1000, 0), EPERM);
		CHECK_INT(call(SYS_socketcall, 8 /* SYS_SOCKETPAIR */, 0x1000, 0), EPERM);
#endif
	}
}

static void to_the_network(void)
{
	enter(enter_client);
	CHECK_INT(call(SYS_socket, AF_INET, SOCK_STREAM, 0), 0);
	CHECK_INT(call(SYS_socket, AF_INET6, SOCK_DGRAM, 0), 0);
	CHECK_INT(call(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), 0);
	CHECK_INT(call(SYS_setsockopt, 3, IPPROTO_IP, IP_MULTICAST_IF), 0);
	CHECK_INT(call(SYS_ioctl, 3, 0x8913 /* SIOCGIFFLAGS */, 0x1000), 0);
	CHECK_INT(call(SYS_connect, 3, 0x1000, 16), 0);
	CHECK_INT(call(SYS_listen, 3, 1, 0), EPERM);
	CHECK_INT(call(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_TCP), 0);
	CHECK_INT(call(SYS_socket, AF_INET6, SOCK_DGRAM, IPPROTO_UDP), 0);
	CHECK_INT(call(SYS_socket, AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */), EPERM);
	CHECK_INT(call(SYS_socket, AF_INET6, SOCK_STREAM, IPPROTO_SCTP), EPERM);
	CHECK_INT(sends_to(0x1000), 0);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t flags = MSG_NOSIGNAL | (i ? MSG_FASTOPEN : 0);
		struct seccomp_data to = { SYS_sendto, this_arch(), 0,
					   { 3, 0x1000, 1, flags, 0x1000 } };

		CHECK_INT(answer(&to), i ? EPERM : 0);
		to.nr = SYS_sendmmsg;
		CHECK_INT(answer(&to), i ? EPERM : 0);
		CHECK_INT(call(SYS_sendmsg, 3, 0x1000, flags), i ? EPERM : 0);
	}
	enter(enter_server);
	CHECK_INT(call(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 0);
	CHECK_INT(call(SYS_socket, AF_INET6, SOCK_STREAM, 0), 0);
	CHECK_INT(call(SYS_socket, AF_NETLINK, SOCK_RAW, 0), 0);
	CHECK_INT(call(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), EPERM);
	CHECK_INT(call(SYS_socket, AF_INET6, SOCK_RAW, 0), EPERM);
	CHECK_INT(call(SYS_connect, 3, 0x1000, 16), EPERM);
	CHECK_INT(call(SYS_sendmmsg, 3, 0x1000, 1), EPERM);
	CHECK_INT(call(SYS_sendmsg, 3, 0x1000, MSG_NOSIGNAL), 0);
	CHECK_INT(call(SYS_sendmsg, 3, 0x1000, MSG_FASTOPEN | MSG_NOSIGNAL), EPERM);
	CHECK_INT(sends_to(0), 0);
	CHECK_INT(sends_to(0x1000), EPERM);
	CHECK_INT(sends_to(UINT64_C(0x100000000)), EPERM);
}

/* Only what is open, by calls that need no more. */
static void to_a_device(void)
{
	static const long calls[] = {
		SYS_openat, SYS_socket, SYS_connect, SYS_kill, SYS_mprotect, SYS_unlinkat,
		SYS_renameat2, SYS_dup, SYS_prctl, SYS_mknodat, SYS_chroot, SYS_mount,
		SYS_brk,
	};

	enter(sandbox_enter_holder);
	CHECK_INT(call(SYS_ioctl, 3, 0, 0), 0);
	for (unsigned i = 0; i < LENGTH(calls); i++)
		CHECK_INT(call(calls[i], 0, 0, 0), EPERM);
}

/* Its two sockets, and its log. */
static void to_a_session(void)
{
	static const long calls[] = {
		SYS_openat, SYS_socket, SYS_connect, SYS_kill, SYS_mprotect, SYS_unlinkat,
		SYS_ioctl, SYS_read, SYS_recvmsg, SYS_sendmsg, SYS_accept4, SYS_dup, SYS_prctl,
		SYS_munmap, SYS_brk, SYS_close,
	};

	enter(sandbox_enter_guard);
	CHECK_INT(call(SYS_recvfrom, 3, 0, 0), 0);
	CHECK_INT(call(SYS_sendto, 3, 0, 0), 0);
	for (unsigned i = 0; i < LENGTH(calls); i++)
		CHECK_INT(call(calls[i], 0, 0, 0), EPERM);
}

int main(void)
{
	RUN("t_sandbox_filter: numbers of another processor", other_numbers);
	RUN("t_sandbox_filter: calls that nobody needs", to_the_kernel);
	RUN("t_sandbox_filter: programs, processes, files", to_files);
	RUN("t_sandbox_filter: files that would be emptied", to_their_end);
	RUN("t_sandbox_filter: local sockets", to_other_programs);
	RUN("t_sandbox_filter: the network", to_the_network);
	RUN("t_sandbox_filter: a holder", to_a_device);
	RUN("t_sandbox_filter: a guard", to_a_session);
	return check_status();
}
