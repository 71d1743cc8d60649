/* SPDX-License-Identifier: MIT */
/*
 * Tests of the program on this host's own sysfs, in a mount namespace where there is one USB device
 * in it: if /proc is hidden, the device is left alone, however the path of /sys is written.
 */
#include "tests/program.h"

#include <sched.h>
#include <sys/mount.h>

static char notes[TEMP_SIZE];
static bool hide_proc, as_user;

static void write_map(const char *path, unsigned id)
{
	char text[40];
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	snprintf(text, sizeof(text), "%d %u 1", as_user ? 1000 : 0, id);
	must(fd >= 0 && write(fd, text, strlen(text)) > 0, path);
	close(fd);
}

static void unshare_mounts(void)
{
	unsigned user = geteuid(), group = getegid();
	int fd;

	must(!unshare(CLONE_NEWNS | (user || as_user ? CLONE_NEWUSER : 0)), "make a mount namespace");
	if (user || as_user) {
		fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
		must(fd >= 0 && write(fd, "deny", 4) == 4, "deny setgroups");
		close(fd);
		write_map("/proc/self/uid_map", user);
		write_map("/proc/self/gid_map", group);
	}
	must(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make the mounts private");
}

static void cover(const char *path)
{
	must(!mount("test", path, "tmpfs", 0, NULL), path);
}

/* The file system of /sys stays the kernel's; the directories that count are made anew. */
static void prepare_host(void)
{
#define HOME "bus/usb/tree/usb1/1-2/"
	unshare_mounts();
	cover("/sys/bus");
	cover("/sys/class");
	put_file("/sys", HOME "idVendor", "0951\n");
	put_file("/sys", HOME "idProduct", "1666\n");
	put_file("/sys", HOME "bDeviceClass", "00\n");
	put_file("/sys", HOME "busnum", "1\n");
	put_file("/sys", HOME "devnum", "2\n");
	put_file("/sys", HOME "speed", "480\n");
	put_link("/sys", HOME "driver", "../../../drivers/usb");
	put_link("/sys", "bus/usb/devices/1-2", "../tree/usb1/1-2");
	if (hide_proc)
		cover("/proc");
}

static void left_alone(const char *command, const char *option, const char *sysfs)
{
	RUN_IT(command, option, "--sysfs", sysfs, "--run", notes, "--config", notes);
	CHECK_INT(got.status, 0);
	if (as_user)
		CHECK(strstr(got.err, "only root sees everything that this host needs\n"));
	else
		CHECK_STR(got.err, "");
	if (!strstr(got.out, "1-2"))
		check_fault(__FILE__, __LINE__, "no device in \"%s\"", got.out);
	if (!strstr(got.out, "left alone: this host may need it: cannot read /proc/version: "
			     "No such file or directory") == (hide_proc && !as_user))
		check_fault(__FILE__, __LINE__, "%s %s --sysfs %s prints \"%s\"", command, option,
			    sysfs, got.out);
}

static void on_host(void)
{
	static const char *const paths[] = { "/sys", "/sys/", "//sys", "/sys/.", "/proc/../sys" };

	temp_make(notes);
	before_exec = prepare_host;
	for (size_t i = 0; i < LENGTH(paths); i++) {
		left_alone("usbiphp", "list", paths[i]);
		left_alone("usbiphp-server", "--dry-run", paths[i]);
	}
	before_exec = NULL;
	temp_remove(notes);
}

static void hidden(void)
{
	hide_proc = true;
	on_host();
}

/* Another user than root does not see much anyway, which is no reason for each device. */
static void user(void)
{
	as_user = true;
	hidden();
	as_user = false;
}

/* The same device where /proc can be read: nothing needs it. */
static void shown(void)
{
	hide_proc = false;
	on_host();
}

int main(void)
{
	program_begin();
	RUN("t_protect_host: /proc is hidden", hidden);
	RUN("t_protect_host: another user than root", user);
	RUN("t_protect_host: /proc is shown", shown);
	return program_end();
}
