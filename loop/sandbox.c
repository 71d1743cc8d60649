/* SPDX-License-Identifier: MIT */
/* The rights that a daemon gives up. */
#include "loop/sandbox.h"

#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Older headers have not these, all processors the same numbers. */
#if __has_include(<linux/landlock.h>) && defined(SYS_landlock_create_ruleset)
#include <linux/landlock.h>
#define WRITE LANDLOCK_ACCESS_FS_WRITE_FILE
#define KEEP (WRITE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#endif

static void say_missing(const char *what)
{
	log_debug("cannot give up rights by %s: %s", what, strerror(errno));
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &head, none))
		say_missing("capset");
}

#ifdef WRITE
static void allow(int rules, int dir, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = access,
		.parent_fd = openat(dir, path, O_PATH | O_CLOEXEC),
	};

	syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	close(beneath.parent_fd);
}

/* What is not named here is as it was: reading, and directories. */
static void close_files(const struct sysfs *sysfs, const char *notes, const char *records)
{
	const struct landlock_ruleset_attr handled = {
		.handled_access_fs = KEEP | LANDLOCK_ACCESS_FS_EXECUTE |
				     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
				     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
				     LANDLOCK_ACCESS_FS_MAKE_SYM,
	};
	int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);

	if (rules >= 0) {
		allow(rules, sysfs->root, "bus/usb", WRITE);
		allow(rules, sysfs->root, "devices", WRITE);
		allow(rules, AT_FDCWD, notes, KEEP);
		if (records)
			allow(rules, AT_FDCWD, records, KEEP);
	}
	if (syscall(SYS_landlock_restrict_self, rules, 0))
		say_missing("landlock");
	close(rules);
}
#endif

/* The kernel's name for what this is compiled for; 0: calls are not looked at. */
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

/* Older headers have not these; behind the first one all processors have the same numbers. */
#ifdef __mips__
#define NR_FIRST 4000
#else
#define NR_FIRST 0
#endif
enum {
	NR_IO_URING_SETUP = NR_FIRST + 425,
	NR_CLONE3 = NR_FIRST + 435,
	NR_OPENAT2 = NR_FIRST + 437,
	NR_FCHMODAT2 = NR_FIRST + 452,
	NR_SETXATTRAT = NR_FIRST + 463,
};

#ifdef SYS_chmod
#define MORE_CHMOD SYS_chmod
#else
#define MORE_CHMOD SYS_fchmod
#endif

#ifdef __s390x__
#define CLONE_ARGUMENT 1
#else
#define CLONE_ARGUMENT 0
#endif
/* The lower half of an argument: no flag and no family is in the other. */
#define ARGUMENT(n)                                                                                \
	(offsetof(struct seccomp_data, args[n]) +                                                  \
	 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0))

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define DENY RETURN(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
/* Steps over so many instructions if the value is this, or unless it is like that. */
#define IF(value, steps) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (steps), 0)
#define UNLESS(like, value, steps) BPF_JUMP(BPF_JMP | (like) | BPF_K, (value), 0, (steps))
#define DENY_CALL(number) UNLESS(BPF_JEQ, number, 1), DENY
#define DENY_CALLS(a, b, c, d) IF(a, 3), IF(b, 2), IF(c, 1), DENY_CALL(d)
#define ALLOW_FAMILY(family) UNLESS(BPF_JEQ, family, 1), ALLOW

/* What is no use here, and where holes in the kernel were. */
static const struct sock_filter never[] = {
	LOAD(offsetof(struct seccomp_data, arch)),
	IF(ARCH, 1),
	DENY,
	LOAD(offsetof(struct seccomp_data, nr)),
	UNLESS(BPF_JGE, 0x40000000, 1), /* the x32 ABI's */
	DENY,
	DENY_CALLS(SYS_unshare, SYS_add_key, SYS_request_key, SYS_keyctl),
	DENY_CALLS(SYS_perf_event_open, SYS_bpf, SYS_userfaultfd, NR_IO_URING_SETUP),
	UNLESS(BPF_JEQ, NR_CLONE3, 1), /* its flags are out of sight; who knows it can do without */
	RETURN(SECCOMP_RET_ERRNO | ENOSYS),
	UNLESS(BPF_JEQ, SYS_clone, 3),
	LOAD(ARGUMENT(CLONE_ARGUMENT)),
	UNLESS(BPF_JSET, 0x10000000, 1), /* CLONE_NEWUSER */
	DENY,
	ALLOW,
};

/* Programs, what landlock does not know, and sockets. Behind the filter above. */
static const struct sock_filter alone[] = {
	LOAD(offsetof(struct seccomp_data, nr)),
	DENY_CALLS(SYS_execve, SYS_execveat, SYS_fchmod, SYS_fchmodat),
	DENY_CALLS(SYS_truncate, NR_FCHMODAT2, NR_OPENAT2, NR_SETXATTRAT),
	DENY_CALLS(SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, MORE_CHMOD),
#ifdef SYS_truncate64
	DENY_CALL(SYS_truncate64),
#endif
	/* with O_TRUNC a file that is open for reading, or for nothing, becomes empty */
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
	UNLESS(BPF_JEQ, SYS_socket, 8),
	LOAD(ARGUMENT(0)),
	ALLOW_FAMILY(AF_INET),
	ALLOW_FAMILY(AF_INET6),
	ALLOW_FAMILY(AF_NETLINK),
	DENY,
	ALLOW,
};

static void filter_calls(const struct sock_filter *filter, size_t len)
{
	const struct sock_fprog program = { (unsigned short)len, (struct sock_filter *)filter };

	if (syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0))
		say_missing("seccomp");
}

void sandbox_enter(const struct sysfs *sysfs, const char *notes, const char *records, bool programs)
{
	drop_capabilities();
#ifdef WRITE
	if (!programs)
		close_files(sysfs, notes, records);
#endif
	if (!ARCH)
		return;
	filter_calls(never, sizeof(never) / sizeof(*never));
	if (!programs)
		filter_calls(alone, sizeof(alone) / sizeof(*alone));
}
