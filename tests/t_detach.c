/* SPDX-License-Identifier: MIT */
/*
 * Tests of cmd/hold_disk: usbiphp detach of a device of which a disk is in use.
 * LINK: -Wl,--wrap=log_line,--wrap=protect_survey,--wrap=sync,--wrap=poll,--wrap=fork
 * LINK: -Wl,--wrap=sysfs_write
 */
#include "cmd/cmd.h"
#include "tests/said.h"
#include "tests/tree.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENT FIXTURES "sysfs/client-6.12.tree"
#define VHCI "devices/platform/vhci_hcd.0/"
#define DISK "4-1" /* at port 15 */
#define MOUSE "3-1"
#define MOUNTED "it holds the file system at /mnt"

/* What the child finds out. */
static struct protect_item answer;
static bool hangs, sync_hangs; /* it, or its sync, never ends */
static unsigned closed_after;  /* a program has the disk open in so many answers; 0: no program */
static unsigned *asked;	       /* shared with the children: so often since begin() */
static bool no_fork;
static pid_t child;
static char events[40]; /* a letter for each write to held.client, sync and detach */

int __real_poll(struct pollfd *fds, nfds_t count, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms);
pid_t __real_fork(void);
pid_t __wrap_fork(void);
void __wrap_sync(void);
void __wrap_protect_survey(const struct sysfs *fs, struct protect_survey *survey);
int __wrap_sysfs_write(const struct sysfs *fs, const char *value, const char *path);

static void hang(void)
{
	for (;;)
		pause();
}

void __wrap_protect_survey(const struct sysfs *fs, struct protect_survey *survey)
{
	char busid[BUSID_SIZE];

	(void)fs;
	if (hangs)
		hang();
	must(survey->count == 1 && survey->disks_only, "ask for disks");
	strcpy(busid, survey->item[0].busid);
	survey->item[0] = answer;
	strcpy(survey->item[0].busid, busid);
	if (++*asked <= closed_after) {
		protect_need(&survey->item[0], "dd has /dev/sda open");
		survey->item[0].open = true;
	}
}

/* In the child. */
void __wrap_sync(void)
{
	if (sync_hangs)
		hang();
	put_file(root, "synced", "");
}

/* What never comes is not waited for. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms)
{
	if (count && ms == 5000 && (hangs || sync_hangs))
		ms = 300;
	if (!count)
		ms = 0;
	return __real_poll(fds, count, ms);
}

pid_t __wrap_fork(void)
{
	child = no_fork ? -1 : __real_fork();
	return child;
}

/* The kernel: the port is free at once. */
int __wrap_sysfs_write(const struct sysfs *fs, const char *value, const char *path)
{
	(void)fs;
	CHECK_STR(path, VHCI "detach");
	CHECK_STR(value, "15");
	CHECK(is_there(root, "config/held.client")); /* or a client would attach it again */
	strcat(events, is_there(root, "synced") ? "sd" : "d");
	put_file(root, VHCI "status", "hub port sta spd dev      sockfd local_busid\n");
	return 0;
}

static void begin(void)
{
	start(CLIENT);
	answer = (struct protect_item){ 0 };
	hangs = sync_hangs = no_fork = false;
	closed_after = *asked = 0;
	*events = '\0';
	said_forget();
}

static void in_use(bool unknown)
{
	protect_need(&answer, "%s", unknown ? "this host may need it: why" : MOUNTED);
	answer.unknown = unknown;
}

static int check_disk(const char *busid, bool force)
{
	struct inventory_entry entry = { .port = 15 };
	unsigned files = open_files();
	int status;

	str_copy(entry.device.busid, sizeof(entry.device.busid), busid);
	status = entry_check_disk(&entry, &sysfs, force);
	CHECK_INT(open_files(), files);
	if (child > 0 && (hangs || sync_hangs))
		kill(child, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	CHECK_INT(errno, ECHILD);
	return status;
}

static void not_in_use(void)
{
	begin();
	CHECK_INT(check_disk(DISK, false), 0);
	CHECK(!is_there(root, "synced"));
	CHECK_INT(check_disk(DISK, true), 0);
	CHECK(is_there(root, "synced"));
	child = 0; /* a device that is not here yet has no disk */
	CHECK_INT(check_disk("", false), 0);
	CHECK_INT(child, 0);
	CHECK_INT(log_kept.lines, 0);
	end();
}

static void used(void)
{
	begin();
	in_use(false);
	CHECK_INT(check_disk(DISK, false), 1);
	CHECK_STR(log_kept.line[0], DISK " is in use: " MOUNTED
				    "; unmount or close it, or detach it with --force");
	CHECK_INT(check_disk(MOUSE, false), 1); /* as it is known */
	*asked = 0;
	CHECK_INT(check_disk(DISK, false), 1);
	CHECK_INT(*asked, 1); /* a mount is not waited for */
	CHECK_INT(said(DISK " is in use: " MOUNTED), 2);
	CHECK(!is_there(root, "synced"));
	CHECK_INT(check_disk(DISK, true), 0);
	CHECK(is_there(root, "synced"));
	CHECK_INT(log_kept.lines, 3);
	end();
}

/* A program that has it open is named, if it does not close it soon. */
static void open_disk(void)
{
	begin();
	closed_after = 9;
	CHECK_INT(check_disk(DISK, false), 0);
	CHECK_INT(log_kept.lines, 0);
	CHECK_INT(*asked, 10);
	closed_after = 10;
	*asked = 0;
	CHECK_INT(check_disk(DISK, false), 1);
	CHECK_INT(*asked, 10);
	CHECK_INT(said(DISK " is in use: dd has /dev/sda open; unmount or close it, or detach it with --force"), 1);
	CHECK_INT(check_disk(DISK, true), 0);
	CHECK(is_there(root, "synced"));
	CHECK_INT(*asked, 10);
	CHECK_INT(log_kept.lines, 1);
	end();
}

static void unknown(void)
{
	begin();
	in_use(true);
	CHECK_INT(check_disk(DISK, false), 1);
	CHECK_INT(said(DISK " is in use: this host may need it: why; unmount or close it"), 1);
	CHECK_INT(check_disk(MOUSE, false), 0);
	CHECK_INT(log_kept.lines, 1);
	no_fork = true;
	CHECK_INT(check_disk(DISK, false), 1);
	CHECK_INT(said(DISK " is in use: this host may need it: a disk or driver does not answer; unmount or close it"), 1);
	CHECK_INT(check_disk(MOUSE, false), 0);
	CHECK_INT(check_disk(DISK, true), 0);
	CHECK_INT(said(DISK ": not everything is written to the disks yet"), 1);
	end();
}

/* A disk that does not answer can be got rid of, and a mouse beside it. */
static void no_answer(void)
{
	begin();
	hangs = true;
	CHECK_INT(check_disk(DISK, false), 1);
	CHECK_INT(said(DISK " is in use: this host may need it: a disk or driver does not answer"), 1);
	CHECK_INT(check_disk(MOUSE, false), 0);
	CHECK_INT(log_kept.lines, 1);
	CHECK_INT(check_disk(DISK, true), 0); /* nobody asks */
	CHECK(is_there(root, "synced"));
	CHECK_INT(log_kept.lines, 1);
	sync_hangs = true;
	CHECK_INT(check_disk(DISK, true), 0);
	CHECK_INT(said(DISK ": not everything is written to the disks yet"), 1);
	end();
}

/* Refused, nothing has changed. Forced: first the sync, then the hold, then the detach. */
static void command(void)
{
	static struct inventory inventory;
	char config[TEMP_SIZE + 8], run_dir[TEMP_SIZE + 8];
	struct daemon_options options = { .sysfs = root, .run = run_dir, .config = config };

	begin();
	snprintf(config, sizeof(config), "%s/config", root);
	snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	in_use(false);
	CHECK_INT(cmd_hold(&options, &inventory, true, false, false, "15"), 1);
	CHECK_STR(events, "");
	CHECK(!is_there(root, "config/held.client"));
	sysfs_close(&inventory.sysfs);
	CHECK_INT(cmd_hold(&options, &inventory, true, false, true, "15"), 0);
	CHECK_STR(events, "sd");
	sysfs_close(&inventory.sysfs);
	end();
}

int main(void)
{
	asked = mmap(NULL, sizeof(*asked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(asked != MAP_FAILED, "share memory");
	RUN("t_detach: not in use", not_in_use);
	RUN("t_detach: in use", used);
	RUN("t_detach: open in a program", open_disk);
	RUN("t_detach: unknown", unknown);
	RUN("t_detach: the command", command);
	RUN("t_detach: no answer", no_answer);
	return check_status();
}
