/* SPDX-License-Identifier: MIT */
/*
 * In a test guest: runs a program as a container would, box DIRECTORY PROGRAM [ARGUMENT]...
 *
 * The root of its file system is DIRECTORY, an empty mount point at first, which gets a /proc, /sys and /dev. It has
 * namespaces of its own, docker's default capabilities and masked files, a seccomp filter, and a
 * device cgroup that grants the usual devices and the nodes in /dev/bus/usb. Its network namespace
 * is that of its caller. In the environment:
 *	BOX_COPIES=1	copies of the nodes that are there now (--device /dev/bus/usb), not the
 *			directory (-v)
 *	BOX_USER=UID	that user, also as group
 *	BOX_VHCI=1	what the client needs: -v /sys/devices/platform:/sys/devices/platform
 *			-v /run/usbiphp:/var/run/usbiphp
 *	BOX_SEES=1	what it needs to see who uses a device: --pid=host --cap-add=SYS_PTRACE -v /dev:/dev
 *			-v /run:/run --device-cgroup-rule 'b *:* r'
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUP "/run/cgroup"
#define CAPABILITIES 0xa80425fbU /* docker's default */

static unsigned capabilities = CAPABILITIES;
static int sees;

static void must(int failed, const char *what)
{
	if (!failed)
		return;
	perror(what);
	exit(125);
}
#define MUST(call) must((call) < 0, #call)

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	must(fd < 0 || write(fd, text, strlen(text)) < 0, path);
	close(fd);
}

/* Character devices: null and its like, tty and ptmx, pts, and those of usbfs. Others: maybe. */
static void restrict_devices(void)
{
	static const int majors[] = { 1, 5, 136, 189 };
	struct bpf_insn code[20], *next = code;
	union bpf_attr load, attach;
	int cgroup, program;

#define LOAD_FIELD(field)                                                                          \
	((struct bpf_insn){ BPF_LDX | BPF_MEM | BPF_W, 2, 1,                                       \
			    offsetof(struct bpf_cgroup_dev_ctx, field), 0 })
#define RETURN_VALUE(value)                                                                        \
	((struct bpf_insn){ BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value }),                        \
		((struct bpf_insn){ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 })
	const struct bpf_insn head[] = {
		LOAD_FIELD(access_type),
		{ BPF_ALU64 | BPF_AND | BPF_K, 2, 0, 0, 0xffff },
		{ BPF_JMP | BPF_JNE | BPF_K, 2, 0, sees ? 7 : 5, BPF_DEVCG_DEV_CHAR },
		LOAD_FIELD(major),
	};
	const struct bpf_insn tail[] = { RETURN_VALUE(0), RETURN_VALUE(1) };

	memcpy(next, head, sizeof(head));
	next += 4;
	for (int i = 0; i < 4; i++)
		*next++ = (struct bpf_insn){ BPF_JMP | BPF_JEQ | BPF_K, 2, 0, (short)(5 - i),
					     majors[i] };
	memcpy(next, tail, sizeof(tail));
	memset(&load, 0, sizeof(load));
	load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	load.insns = (unsigned long)code;
	load.insn_cnt = 12;
	load.license = (unsigned long)"GPL";
	MUST(program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load)));
	mkdir(CGROUP, 0755);
	must(mount("cgroup2", CGROUP, "cgroup2", 0, NULL) && errno != EBUSY, "cgroup2");
	must(mkdir(CGROUP "/box", 0755) && errno != EEXIST, CGROUP "/box");
	MUST(cgroup = open(CGROUP "/box", O_RDONLY));
	memset(&attach, 0, sizeof(attach));
	attach.target_fd = (unsigned)cgroup;
	attach.attach_bpf_fd = (unsigned)program;
	attach.attach_type = BPF_CGROUP_DEVICE;
	MUST(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)));
	write_file(CGROUP "/box/cgroup.procs", "0");
}

static int copy_node(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_D)
		return mkdir(path + 1, 0755) && errno != EEXIST;
	if (mknod(path + 1, st->st_mode, st->st_rdev))
		return 1;
	return chown(path + 1, st->st_uid, st->st_gid);
}

static void bind_mount(const char *from, const char *to)
{
	must(mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0, to);
}

static void make_devices(void)
{
	static const unsigned char minors[] = { 3, 5, 7, 8, 9 };
	static const char *const names[] = { "null", "zero", "full", "random", "urandom" };
	char path[20];

	MUST(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, NULL));
	for (size_t i = 0; i < sizeof(minors); i++) {
		snprintf(path, sizeof(path), "dev/%s", names[i]);
		must(mknod(path, S_IFCHR, makedev(1, minors[i])) || chmod(path, 0666), path);
	}
	must(mkdir("dev/bus", 0755) || mkdir("dev/bus/usb", 0755), "dev/bus/usb");
	if (getenv("BOX_COPIES"))
		must(nftw("/dev/bus/usb", copy_node, 8, FTW_PHYS), "nodes");
	else
		bind_mount("/dev/bus/usb", "dev/bus/usb");
}

/* In the new root. A path that begins with a "/" is the guest's. */
static void fill_root(const char *root)
{
	static const char *const masked[] = { "proc/asound", "proc/acpi", "proc/scsi",
					      "sys/firmware" };
	static const char *const made[] = { "proc", "sys", "dev", "tmp", "run", "var", "bin", "etc" };

	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	MUST(mount("tmpfs", root, "tmpfs", 0, NULL));
	MUST(chdir(root));
	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
		MUST(mkdir(made[i], 0755));
	MUST(chmod("tmp", 01777));
	MUST(symlink("/run", "var/run"));
	bind_mount("/bin", "bin");
	bind_mount("/etc", "etc");
	if (sees) {
		bind_mount("/dev", "dev");
		bind_mount("/run", "run");
	} else {
		make_devices();
	}
	MUST(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	MUST(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL));
	if (getenv("BOX_VHCI")) {
		bind_mount("/sys/devices/platform", "sys/devices/platform");
		MUST(mkdir("run/usbiphp", 0755));
		bind_mount("/run/usbiphp", "run/usbiphp");
	}
	for (size_t i = 0; i < sizeof(masked) / sizeof(*masked); i++)
		if (!access(masked[i], F_OK))
			MUST(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, NULL));
	bind_mount("proc/sys", "proc/sys");
	MUST(mount(NULL, "proc/sys", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	MUST(chroot("."));
}

/* Of what docker's profile denies, what could matter here; Landlock, too, as older ones do. */
static void restrict_calls(void)
{
	static const int denied[] = {
		SYS_mount, SYS_umount2, SYS_unshare, SYS_setns, SYS_bpf, SYS_keyctl, SYS_add_key,
		SYS_request_key, SYS_perf_event_open, SYS_userfaultfd, SYS_init_module,
		SYS_finit_module, SYS_open_by_handle_at, 425 /* io_uring_setup */,
		444 /* landlock_create_ruleset */, 445, 446,
	};
	enum { DENIED = sizeof(denied) / sizeof(*denied) };
	struct sock_filter code[DENIED + 3] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog filter = { DENIED + 3, code };

	for (int i = 0; i < DENIED; i++)
		code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							   (unsigned)denied[i],
							   (unsigned char)(DENIED - i), 0);
	code[DENIED + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[DENIED + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
							SECCOMP_RET_ERRNO | EPERM);
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
}

static void drop_rights(void)
{
	const char *user = getenv("BOX_USER");
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct kept[2] = { { capabilities, capabilities, 0 } };

	for (unsigned long i = 0; i < 64; i++)
		if (i > 31 || !(capabilities & 1U << i))
			prctl(PR_CAPBSET_DROP, i);
	if (user) {
		gid_t id = (gid_t)atoi(user);

		MUST(setgroups(0, NULL));
		MUST(setresgid(id, id, id));
		MUST(setresuid(id, id, id));
	} else {
		MUST(syscall(SYS_capset, &head, kept));
	}
}

int main(int argc, char **argv)
{
	int namespaces = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
	int status;
	pid_t pid;

	if (argc < 3)
		return 125;
	sees = getenv("BOX_SEES") != NULL;
	if (sees)
		capabilities |= 1U << CAP_SYS_PTRACE;
	else
		namespaces |= CLONE_NEWPID;
	restrict_devices();
	MUST(unshare(namespaces));
	MUST(pid = fork());
	if (pid) {
		MUST(waitpid(pid, &status, 0));
		return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fill_root(argv[1]);
	restrict_calls();
	drop_rights();
	execv(argv[2], argv + 2);
	must(1, argv[2]);
}
