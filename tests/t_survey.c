/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/protect: which parts a survey asks, and what it tells when something cannot be found out.
 * LINK: -Wl,--wrap=protect_disks,--wrap=protect_disks_held,--wrap=protect_config
 * LINK: -Wl,--wrap=protect_networks,--wrap=protect_people,--wrap=protect_programs
 * LINK: -Wl,--wrap=device_describe
 */
#include "sysfs/device.h"
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
	CHECK_STR(asked, "dh");
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
	NEEDED_BY_ALL("this host may need it: cannot read /proc: Permission denied");
	in_use = false;
	end();
}

static const struct {
	enum protect_answer answer;
	bool unknown;
	int error; /* of a look at what it is */
	uint8_t class; /* of its second interface */
	bool in_use;
	bool gone;
} uses[] = {
	{ PROTECT_FREE, false, 0, 8, false, false },
	{ PROTECT_LATER, false, 0, 8, false, false },
	{ PROTECT_NEEDED, false, 0, 0xff, true, false },
	{ PROTECT_NEEDED, false, -ENODEV, 8, true, false },
	{ PROTECT_NEEDED, true, 0, 8, true, false },
	{ PROTECT_NEEDED, true, 0, 3, false, false },
	{ PROTECT_NEEDED, true, -ENODEV, 8, false, true },
	{ PROTECT_NEEDED, true, -ENODEV, 3, true, false }, /* a file of it could not be read */
	{ PROTECT_NEEDED, true, -EMFILE, 3, true, false },
};

static size_t use;

int __wrap_device_describe(const struct sysfs *fs, const char *busid, struct op_device *device,
			   struct op_interface *interface);

int __wrap_device_describe(const struct sysfs *fs, const char *busid, struct op_device *device,
			   struct op_interface *interface)
{
	(void)fs;
	CHECK_STR(busid, "1-2");
	*device = (struct op_device){ .interfaces = 2 };
	interface[0] = (struct op_interface){ .class = 3 };
	interface[1] = (struct op_interface){ .class = uses[use].class };
	return uses[use].error;
}

static void disk_in_use(void)
{
	for (use = 0; use < LENGTH(uses); use++) {
		struct protect_item item = { .busid = "1-2", .answer = uses[use].answer,
					     .unknown = uses[use].unknown };

		start(NULL);
		if (!uses[use].gone)
			put_file(root, "bus/usb/devices/1-2/idVendor", "");
		if (protect_disk_in_use(&sysfs, &item) != uses[use].in_use)
			check_fault(__FILE__, __LINE__, "row %zu", use);
		end();
	}
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
	RUN("t_survey: its parts", parts);
	RUN("t_survey: a device that is not authorized", unauthorized);
	RUN("t_survey: what cannot be found out", unknown);
	RUN("t_survey: whether a disk is in use", disk_in_use);
	RUN("t_survey: reasons", reasons);
	return check_status();
}
