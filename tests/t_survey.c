/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/protect: which parts a survey asks, and what it tells when something cannot be found out.
 * LINK: -Wl,--wrap=protect_disks,--wrap=protect_disks_held,--wrap=protect_config
 * LINK: -Wl,--wrap=protect_networks,--wrap=protect_people,--wrap=protect_programs
 */
#include "tests/protect.h"

static char asked[20]; /* a letter for each part */
static bool in_use;    /* 1-2 is a disk that something holds */

#define PART(part, letter)                                                                         \
	void __wrap_##part(struct protect *protect);                                               \
	void __wrap_##part(struct protect *protect)                                                \
	{                                                                                          \
		strcat(asked, letter);                                                             \
		if (in_use && *letter == 'h')                                                      \
			protect_need(&protect->survey->item[0], "a program has it open");          \
	}

PART(protect_disks, "d")
PART(protect_disks_held, "h")
PART(protect_config, "c")
PART(protect_networks, "n")
PART(protect_people, "p")
PART(protect_programs, "g")

static void ask_for(bool disks_only)
{
	*asked = '\0';
	survey.disks_only = disks_only;
	ask(PROTECT_SETTLED);
}

static void parts(void)
{
	begin();
	ask_for(false);
	CHECK_STR(asked, "ndpgch");
	ask_for(true);
	CHECK_STR(asked, "dgh");
	sysfs.fake = true;
	ask_for(false);
	CHECK_STR(asked, "");
	end();
}

/* USBGuard decides what is exported; a disk that is in use here is another matter. */
static void unauthorized(void)
{
	begin();
	put_file(root, "bus/usb/devices/1-2/authorized", "0\n");
	ask_for(false);
	CHECK_INT(survey.item[0].answer, PROTECT_NEEDED);
	CHECK(survey.item[0].blocked);
	CHECK_STR(survey.item[0].reason.text, "it is not authorized, by USBGuard for example");
	ask_for(true);
	CHECK_INT(survey.item[0].answer, PROTECT_FREE);
	CHECK(!survey.item[0].blocked);
	end();
}

/* A device that is needed anyway has its own reason. */
static void unknown(void)
{
	begin();
	in_use = true;
	ask_for(true);
	CHECK(!survey.item[0].unknown && !survey.item[1].unknown);
	put_file(root, "bus/usb/devices/1-22", "no directory");
	ask_for(true);
	CHECK_STR(survey.item[0].reason.text, "a program has it open");
	CHECK(!survey.item[0].unknown);
	for (unsigned i = 1; i < survey.count; i++) {
		CHECK_INT(survey.item[i].answer, PROTECT_NEEDED);
		CHECK(survey.item[i].unknown);
		CHECK(strstr(survey.item[i].reason.text, "cannot read /sys/bus/usb/devices/1-22"));
	}
	take_away(root, "proc/version");
	ask_for(true);
	CHECK_STR(asked, "");
	CHECK_INT(survey.item[0].answer, PROTECT_NEEDED);
	CHECK(survey.item[0].unknown);
	CHECK(strstr(survey.item[0].reason.text, "cannot read /proc/version"));
	close(sysfs.proc);
	sysfs.proc = -EACCES;
	NEEDED_BY_ALL("this host may need it: cannot read /proc/.: Permission denied");
	in_use = false;
	end();
}

/* Its disk hangs: that concerns no other device. */
static void opening(void)
{
	for (int disks_only = 0; disks_only < 2; disks_only++) {
		begin();
		survey.disks_only = disks_only;
		survey.count = 2;
		memset(survey.item, 0, sizeof(survey.item));
		strcpy(survey.item[0].busid, "1-2");
		strcpy(survey.item[1].busid, "1-22");
		survey.item[0].opening = true;
		protect_survey(&sysfs, &survey);
		CHECK_INT(survey.item[0].answer, PROTECT_NEEDED);
		CHECK_STR(survey.item[0].reason.text, "this host may need it: its disk does not answer");
		CHECK(survey.item[0].unknown && !survey.item[0].blocked && !survey.item[0].opening);
		CHECK_INT(survey.item[1].answer, PROTECT_FREE);
		end();
	}
}

static const struct {
	enum protect_answer answer;
	bool unknown;
	const char *disk; /* a link in class/block; NULL: it cannot be read, "": there is none */
	bool in_use;
} uses[] = {
	{ PROTECT_FREE, false, "../../" USB "host0/block/sda", false },
	{ PROTECT_LATER, false, "../../" USB "host0/block/sda", false },
	{ PROTECT_NEEDED, false, "", true },
	{ PROTECT_NEEDED, true, "../../" USB "host0/block/sda", true },
	{ PROTECT_NEEDED, true, "../../" USB "rtsx_usb_sdmmc.1.auto/mmc_host/mmc0/block/mmcblk0", true },
	{ PROTECT_NEEDED, true, "../../devices/pci0000:00/usb1/1-22/1-22:1.0/host0/block/sda", false },
	{ PROTECT_NEEDED, true, "../../" ELSEWHERE "block/sda", false },
	{ PROTECT_NEEDED, true, "", false },
	{ PROTECT_NEEDED, true, NULL, true },
};

static void disk_in_use(void)
{
	struct protect_item item = { .busid = "1-2", .answer = PROTECT_NEEDED, .unknown = true };

	begin();
	CHECK(!protect_disk_in_use(&sysfs, &item)); /* a kernel without block devices */
	for (size_t i = 0; i < LENGTH(uses); i++) {
		item.answer = uses[i].answer;
		item.unknown = uses[i].unknown;
		put_link(root, "class/block/loop0", "../../devices/virtual/block/loop0");
		if (uses[i].disk && *uses[i].disk)
			put_link(root, "class/block/sda", uses[i].disk);
		else if (!uses[i].disk)
			put_file(root, "class/block/sda", "no link");
		if (protect_disk_in_use(&sysfs, &item) != uses[i].in_use)
			check_fault(__FILE__, __LINE__, "row %zu", i);
		take_away(root, "class/block");
	}
	put_file(root, "class/block", "no directory");
	CHECK(protect_disk_in_use(&sysfs, &item));
	end();
}

/* The first reason is kept; it may have a name from anywhere in it. */
static void reasons(void)
{
	struct protect_item item = { .busid = "1-2" };

	protect_later(&item, "its disk is not here yet");
	CHECK_INT(item.answer, PROTECT_LATER);
	protect_need(&item, "it holds the file system at %s", "/mnt/a\033[31m\n");
	CHECK_INT(item.answer, PROTECT_NEEDED);
	protect_need(&item, "another");
	protect_later(&item, "another");
	CHECK_INT(item.answer, PROTECT_NEEDED);
	CHECK_STR(item.reason.text, "it holds the file system at /mnt/a?[31m?");
}

int main(void)
{
	RUN("t_survey: another one opens its disk", opening);
	RUN("t_survey: its parts", parts);
	RUN("t_survey: a device that is not authorized", unauthorized);
	RUN("t_survey: what cannot be found out", unknown);
	RUN("t_survey: whether a disk is in use", disk_in_use);
	RUN("t_survey: reasons", reasons);
	return check_status();
}
