/* SPDX-License-Identifier: MIT */
/* The sandbox: capabilities, Landlock and seccomp. */
#include "lib/sandbox.h"

#include "lib/log.h"
#include "lib/str.h"
#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux headers before 5.13 lack both: then there is no Landlock. */
#if __has_include(<linux/landlock.h>) && defined(SYS_landlock_create_ruleset)
#include <linux/landlock.h>
#define HAVE_LANDLOCK
enum { BUSES_MAX = 64 }; /* drivers/usb/core/hcd.c USB_MAXBUS */
#define ACCESS_WRITE LANDLOCK_ACCESS_FS_WRITE_FILE
#define ACCESS_REPLACE                                                                             \
	(ACCESS_WRITE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE)

/* As linux/landlock.h has it since Linux 6.7. */
enum { ABI_TCP = 4, RULE_NET_PORT = 2, ACCESS_CONNECT = 2, DNS_PORT = 53 };

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* older kernels take it if it is 0 */
};

struct net_port_attr {
	uint64_t allowed_access;
	uint64_t port;
};
#endif

/* The daemon goes on with the layers that the kernel has. */
static void log_missing(const char *layer)
{
	log_debug("sandbox without %s: %s", layer, strerror(errno));
}

/* To look at other users' processes, and at files that only they may read. */
#define INSPECTOR_CAPABILITIES (1U << CAP_SYS_PTRACE | 1U << CAP_DAC_READ_SEARCH)

/* Keeps the capabilities that a mask has, as far as the process has them: the first 32, others. */
static void keep_capabilities(uint32_t first, uint32_t others)
{
	const uint32_t mask[_LINUX_CAPABILITY_U32S_3] = { first, others };
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = { 0 };

	/* no function of libc's gets or sets capabilities */
	syscall(SYS_capget, &head, kept);
	for (size_t i = 0; i < ARRAY_SIZE(mask); i++) {
		kept[i].effective = kept[i].permitted &= mask[i];
		kept[i].inheritable &= mask[i];
	}
	if (syscall(SYS_capset, &head, kept))
		log_missing("dropped capabilities");
}

/* 0 or less: this kernel has none, or it is off. */
static long landlock_abi(void)
{
#ifdef HAVE_LANDLOCK
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
#else
	return 0;
#endif
}

bool sandbox_has_landlock(void)
{
	return landlock_abi() > 0;
}

#ifdef HAVE_LANDLOCK
/* Below the path these kinds of access stay allowed. */
static void landlock_allow(int ruleset, int dir, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = access,
		.parent_fd = openat(dir, path, O_PATH | O_CLOEXEC),
	};

	syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	close(beneath.parent_fd);
}

static void allow_port(int ruleset, uint32_t port)
{
	const struct net_port_attr attr = { ACCESS_CONNECT, port };

	syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &attr, 0);
}

/* Its port table, and the ports of its servers. */
static void allow_client(int ruleset, int sysfs, const char *records,
			 const struct endpoint *server, unsigned servers)
{
	uint32_t port;

	landlock_allow(ruleset, sysfs, "devices/platform/vhci_hcd.0", ACCESS_WRITE);
	landlock_allow(ruleset, AT_FDCWD, records, ACCESS_REPLACE);
	allow_port(ruleset, DNS_PORT); /* where an answer is too long for UDP */
	for (unsigned i = 0; i < servers; i++)
		if (!server[i].through[0] && !str_decimal(server[i].port, UINT16_MAX, &port))
			allow_port(ruleset, port);
}

/* The drivers, and the devices of each bus. Beside a bus are the registers of its controller. */
static void allow_server(int ruleset, int sysfs)
{
	char bus[32];

	landlock_allow(ruleset, sysfs, "bus/usb", ACCESS_WRITE);
	for (unsigned i = 1; i <= BUSES_MAX; i++) {
		str_format(bus, sizeof(bus), "bus/usb/devices/usb%u", i);
		landlock_allow(ruleset, sysfs, bus, ACCESS_WRITE);
	}
}

/* Reading stays allowed, and removing directories. Making them is denied because that is also what
 * the kernel asks for when one is renamed, and a rule goes with the directory that it was made for:
 * renamed into another one's place, the run directory could stand for any in its parent. */
static void enter_landlock(int sysfs, const char *run_dir, const char *records,
			   const struct endpoint *server, unsigned servers)
{
	const struct ruleset_attr handled = {
		.handled_access_net = records && landlock_abi() >= ABI_TCP ? ACCESS_CONNECT : 0,
		.handled_access_fs = ACCESS_REPLACE | LANDLOCK_ACCESS_FS_EXECUTE |
				     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK |
				     LANDLOCK_ACCESS_FS_MAKE_FIFO |
				     LANDLOCK_ACCESS_FS_MAKE_SYM,
	};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);

	if (ruleset >= 0) {
		landlock_allow(ruleset, AT_FDCWD, run_dir, ACCESS_REPLACE);
		if (records)
			allow_client(ruleset, sysfs, records, server, servers);
		else
			allow_server(ruleset, sysfs);
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0))
		log_missing("Landlock");
	close(ruleset);
}
#endif

/* The architecture this is compiled for, as seccomp sees it; 0: no filter. */
#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define ARCH AUDIT_ARCH_I386
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__) && defined(__ARMEL__)
#define ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#elif defined(__mips__) && _MIPS_SIM == _ABIO32
#define ARCH (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? AUDIT_ARCH_MIPS : AUDIT_ARCH_MIPSEL)
#elif defined(__powerpc64__)
#define ARCH (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? AUDIT_ARCH_PPC64 : AUDIT_ARCH_PPC64LE)
#elif defined(__s390x__)
#define ARCH AUDIT_ARCH_S390X
#else
#define ARCH 0
#endif

/* Older headers lack these. From 424 on all architectures have the same numbers. */
#ifdef __mips__
#define NR_FIRST 4000
#else
#define NR_FIRST 0
#endif
enum {
	NR_IO_URING_SETUP = NR_FIRST + 425,
	NR_PIDFD_OPEN = NR_FIRST + 434,
	NR_CLONE3 = NR_FIRST + 435,
	NR_OPENAT2 = NR_FIRST + 437,
	NR_PIDFD_GETFD = NR_FIRST + 438,
	NR_PROCESS_MADVISE = NR_FIRST + 440,
	NR_FCHMODAT2 = NR_FIRST + 452,
	NR_SETXATTRAT = NR_FIRST + 463,
};

/* Newer architectures lack the oldest calls. */
#ifdef SYS_chmod
#define NR_CHMOD SYS_chmod
#else
#define NR_CHMOD SYS_fchmod
#endif
#ifdef SYS_renameat
#define NR_RENAMEAT SYS_renameat
#else
#define NR_RENAMEAT SYS_renameat2
#endif

#ifdef __s390x__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif
/* The lower half of an argument: it has all flags and families. */
#define ARGUMENT(n)                                                                                \
	(offsetof(struct seccomp_data, args[n]) +                                                  \
	 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0))

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define DENIED (SECCOMP_RET_ERRNO | EPERM)
#define DENY RETURN(DENIED)
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
/* Skips so many instructions if the loaded value is equal, or unless the comparison holds. */
#define IF(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (skip), 0)
#define UNLESS(compare, value, skip) BPF_JUMP(BPF_JMP | (compare) | BPF_K, (value), 0, (skip))
#define ALLOW_FAMILY(family) UNLESS(BPF_JEQ, family, 1), ALLOW

/* A filter has a list of calls that are denied (a holder's: allowed) whatever their arguments are,
 * and its instructions for all others, which begin with the number of the call. */
enum { FILTER_MAX = 64 };

/* Calls that no process of ours needs, and that have been ways to exploit the kernel. */
static const uint16_t base_calls[] = {
	SYS_unshare, SYS_add_key, SYS_request_key, SYS_keyctl,
	SYS_perf_event_open, SYS_bpf, SYS_userfaultfd, NR_IO_URING_SETUP,
};
static const struct sock_filter base_filter[] = {
	LOAD(offsetof(struct seccomp_data, arch)),
	IF(ARCH, 1),
	DENY,
	LOAD(offsetof(struct seccomp_data, nr)),
	UNLESS(BPF_JGE, 0x40000000, 1), /* calls of the x32 ABI */
	DENY,
	UNLESS(BPF_JEQ, NR_CLONE3, 1), /* its flags are in memory: libc falls back to clone(2) */
	RETURN(SECCOMP_RET_ERRNO | ENOSYS),
	UNLESS(BPF_JEQ, SYS_clone, 3),
	LOAD(ARGUMENT(CLONE_FLAGS)),
	UNLESS(BPF_JSET, 0x10000000, 1), /* CLONE_NEWUSER */
	DENY,
	ALLOW,
};

/*
 * Programs, other processes, changes of files that Landlock does not handle, and sockets of other
 * families. Runs besides the filter above. socketcall(2) of some architectures takes its arguments
 * in memory, which a filter cannot see. musl since 1.2.2 does without it; glibc needs it for i386
 * and s390x.
 */
static const uint16_t strict_calls[] = {
	SYS_execve, SYS_execveat, SYS_fchmod, SYS_fchmodat,
	SYS_truncate, NR_FCHMODAT2, NR_OPENAT2, NR_SETXATTRAT,
	SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, NR_CHMOD,
	SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp,
	NR_PIDFD_GETFD, NR_PIDFD_OPEN, NR_PROCESS_MADVISE, SYS_open_by_handle_at,
#ifdef SYS_truncate64
	SYS_truncate64,
#endif
#if defined(SYS_socketcall) && !(defined(__GLIBC__) && (defined(__i386__) || defined(__s390x__)))
	SYS_socketcall,
#endif
};
static const struct sock_filter strict_filter[] = {
	/* O_TRUNC empties a file even if it is opened for reading, or with access mode 3 */
#ifdef SYS_open
	UNLESS(BPF_JEQ, SYS_open, 2),
	LOAD(ARGUMENT(1)),
	BPF_STMT(BPF_JMP | BPF_JA, 2),
#endif
	UNLESS(BPF_JEQ, SYS_openat, 6),
	LOAD(ARGUMENT(2)),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_TRUNC | O_WRONLY | O_RDWR),
	IF(O_TRUNC, 1),
	UNLESS(BPF_JEQ, O_TRUNC | O_WRONLY | O_RDWR, 1),
	DENY,
	ALLOW,
	/* one of datagrams could send to every local socket of datagrams */
	UNLESS(BPF_JEQ, SYS_socketpair, 5),
	LOAD(ARGUMENT(1)),
	IF(SOCK_SEQPACKET | SOCK_CLOEXEC, 1),
	UNLESS(BPF_JEQ, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 1),
	ALLOW,
	DENY,
	UNLESS(BPF_JEQ, SYS_socket, 8),
	LOAD(ARGUMENT(0)),
	ALLOW_FAMILY(AF_INET),
	ALLOW_FAMILY(AF_INET6),
	ALLOW_FAMILY(AF_NETLINK),
	DENY,
	ALLOW,
};

/* The server answers, and reaches nobody by itself: no TCP connection, no datagram. The addresses
 * of sendmsg(2) are in memory, but its kinds of sockets need none, or MSG_FASTOPEN for one. */
static const uint16_t server_calls[] = { SYS_connect, SYS_sendmmsg };
static const struct sock_filter server_filter[] = {
	UNLESS(BPF_JEQ, SYS_sendmsg, 4),
	LOAD(ARGUMENT(2)),
	UNLESS(BPF_JSET, MSG_FASTOPEN, 1),
	DENY,
	ALLOW,
	UNLESS(BPF_JEQ, SYS_sendto, 6),
	LOAD(offsetof(struct seccomp_data, args[4])),
	UNLESS(BPF_JEQ, 0, 3),
	LOAD(offsetof(struct seccomp_data, args[4]) + sizeof(uint32_t)),
	UNLESS(BPF_JEQ, 0, 1),
	ALLOW,
	DENY,
	UNLESS(BPF_JEQ, SYS_socket, 8),
	LOAD(ARGUMENT(0)),
	ALLOW_FAMILY(AF_NETLINK),
	LOAD(ARGUMENT(1)),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf), /* without SOCK_CLOEXEC and such */
	UNLESS(BPF_JEQ, SOCK_STREAM, 1),
	ALLOW,
	DENY,
	ALLOW,
};

/* The client accepts no connection, and does not go around Landlock's rules for TCP: by a protocol
 * that stands for it (IPPROTO_MPTCP), or by sending to whom it is not connected. */
static const uint16_t client_calls[] = { SYS_listen };
static const struct sock_filter client_filter[] = {
	UNLESS(BPF_JEQ, SYS_socket, 6),
	LOAD(ARGUMENT(2)),
	IF(0, 3), /* the usual one */
	IF(IPPROTO_TCP, 2),
	IF(IPPROTO_UDP, 1),
	DENY,
	ALLOW,
	UNLESS(BPF_JEQ, SYS_sendmsg, 2),
	LOAD(ARGUMENT(2)),
	BPF_STMT(BPF_JMP | BPF_JA, 3),
	IF(SYS_sendto, 1),
	UNLESS(BPF_JEQ, SYS_sendmmsg, 3),
	LOAD(ARGUMENT(3)),
	UNLESS(BPF_JSET, MSG_FASTOPEN, 1),
	DENY,
	ALLOW,
};

/*
 * The inspector only reads. It has no Landlock, as that keeps a process from looking at others
 * (Documentation/userspace-api/landlock.rst, "Ptrace restrictions"), so files are not opened for
 * writing, made or removed by this filter.
 */
static const uint16_t inspector_calls[] = {
	SYS_mkdirat, SYS_mknodat, SYS_unlinkat, SYS_linkat,
	SYS_symlinkat, SYS_renameat2, NR_RENAMEAT, SYS_socket,
#ifdef SYS_open
	SYS_mkdir, SYS_mknod, SYS_unlink, SYS_rmdir,
	SYS_link, SYS_symlink, SYS_rename, SYS_creat,
#endif
};
static const struct sock_filter inspector_filter[] = {
#ifdef SYS_open
	UNLESS(BPF_JEQ, SYS_open, 2),
	LOAD(ARGUMENT(1)),
	BPF_STMT(BPF_JMP | BPF_JA, 2),
#endif
	UNLESS(BPF_JEQ, SYS_openat, 3),
	LOAD(ARGUMENT(2)),
	UNLESS(BPF_JSET, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 1),
	DENY,
	ALLOW,
};

#ifdef SYS_mmap2
#define NR_MMAP SYS_mmap2
#else
#define NR_MMAP SYS_mmap
#endif

/* A holder speaks with usbfs (ioctl, mmap), its client and the server. Which of these calls libc
 * makes depends on the architecture. Those of each URB come first; since Linux 5.11 the filters are
 * not run for them, as they do not look at arguments. */
static const uint16_t holder_calls[] = {
	SYS_ioctl,
	SYS_epoll_pwait,
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
	SYS_recvfrom,
	SYS_sendto,
	SYS_recvmsg,
	SYS_sendmsg,
	SYS_epoll_ctl,
	SYS_read,
	SYS_readv,
	SYS_write,
	SYS_writev,
	SYS_accept4,
#ifdef SYS_poll
	SYS_poll,
#endif
#ifdef SYS_ppoll
	SYS_ppoll,
#endif
#ifdef SYS_ppoll_time64
	SYS_ppoll_time64,
#endif
	SYS_shutdown,
	SYS_close,
	NR_MMAP,
	SYS_munmap,
#ifdef SYS_timerfd_settime
	SYS_timerfd_settime,
#endif
	/* 32 bits, as musl calls the old one */
#ifdef SYS_timerfd_settime32
	SYS_timerfd_settime32,
#endif
#ifdef SYS_timerfd_settime64
	SYS_timerfd_settime64,
#endif
	SYS_exit_group,
	SYS_rt_sigreturn,
};

/* A guard or a relay passes messages on. */
static const uint16_t guard_calls[] = {
#ifdef SYS_poll
	SYS_poll,
#endif
#ifdef SYS_ppoll
	SYS_ppoll,
#endif
#ifdef SYS_ppoll_time64
	SYS_ppoll_time64,
#endif
	SYS_recvfrom,
	SYS_readv,
	SYS_sendto,
	/* where the kernel has no vDSO for it */
#ifdef SYS_clock_gettime
	SYS_clock_gettime,
#endif
#ifdef SYS_clock_gettime64
	SYS_clock_gettime64,
#endif
	SYS_write,
	SYS_shutdown,
	SYS_exit_group,
	SYS_rt_sigreturn,
};
static const struct sock_filter nothing_else[] = { DENY };

/* On an unknown processor there is no filter. */
static void add_filter(const uint16_t *calls, size_t count, uint32_t action,
		       const struct sock_filter *others, size_t len)
{
	struct sock_filter filter[FILTER_MAX], *end = filter;
	const struct sock_fprog program = { (unsigned short)(count + len + 3), filter };

	*end++ = (struct sock_filter)LOAD(offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < count; i++)
		*end++ = (struct sock_filter)IF(calls[i], (uint8_t)(count - i));
	*end++ = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1);
	*end++ = (struct sock_filter)RETURN(action);
	memcpy(end, others, len * sizeof(*others));
	if (ARCH && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0UL, 0UL))
		log_missing("seccomp filter");
}

#define ADD_FILTER(calls, action, others)                                                          \
	do {                                                                                       \
		static_assert(ARRAY_SIZE(calls) + ARRAY_SIZE(others) + 3 <= FILTER_MAX, "room");   \
		add_filter(calls, ARRAY_SIZE(calls), action, others, ARRAY_SIZE(others));          \
	} while (0)

/* No program that it runs gets more than those capabilities. */
static void enter_base(uint32_t kept)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL))
		log_missing("PR_SET_NO_NEW_PRIVS");
	keep_capabilities(kept, 0);
	ADD_FILTER(base_calls, DENIED, base_filter);
}

static void enter_strict(void)
{
	ADD_FILTER(strict_calls, DENIED, strict_filter);
}

void sandbox_enter(int sysfs, const char *run_dir, const char *records,
		   const struct endpoint *server, unsigned servers)
{
	enter_base(0);
#ifdef HAVE_LANDLOCK
	enter_landlock(sysfs, run_dir, records, server, servers);
#endif
	enter_strict();
	if (records)
		ADD_FILTER(client_calls, DENIED, client_filter);
	else
		ADD_FILTER(server_calls, DENIED, server_filter);
}

void sandbox_enter_inspector(void)
{
	enter_base(INSPECTOR_CAPABILITIES);
	enter_strict();
	ADD_FILTER(inspector_calls, DENIED, inspector_filter);
}

void sandbox_enter_holder(void)
{
	enter_base(0);
	ADD_FILTER(holder_calls, SECCOMP_RET_ALLOW, nothing_else);
}

void sandbox_enter_guard(void)
{
	enter_base(0);
	ADD_FILTER(guard_calls, SECCOMP_RET_ALLOW, nothing_else);
}

void sandbox_enter_ssh(void)
{
	enter_base(0);
}

void sandbox_enter_hooks(void)
{
	keep_capabilities(~INSPECTOR_CAPABILITIES, UINT32_MAX);
}
