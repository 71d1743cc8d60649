/* SPDX-License-Identifier: MIT */
/* Trees of /sys, /proc, /run, /dev and /etc on which a test asks which devices the host needs. */
#ifndef TESTS_PROTECT_H
#define TESTS_PROTECT_H

#include "sysfs/protect.h"

#include "lib/str.h"
#include "tests/tree.h"

/* The device in question is 1-2, another card, disk or keyboard is elsewhere. */
#define USB "devices/pci0000:00/usb1/1-2/1-2:1.0/"
#define ELSEWHERE "devices/pci0000:00/ata1/"

static struct protect_survey survey; /* the latest answer: to 1-2, 1-22, 1-2.1, 2-2 */

static inline int open_tree(const char *name)
{
	int dir = openat(sysfs.root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	must(dir >= 0, name);
	return dir;
}

/* An interface of a device, as the scan of its traits finds it. class: hexadecimal. */
static inline void put_usb_interface(const char *busid, const char *class, const char *driver)
{
	char path[200], link[240];

	snprintf(path, sizeof(path), "bus/usb/devices/%s/%s:1.0/bInterfaceClass", busid, busid);
	put_file(root, path, class);
	snprintf(path, sizeof(path), "bus/usb/devices/%s:1.0/bInterfaceClass", busid);
	put_file(root, path, class);
	snprintf(path, sizeof(path), "bus/usb/devices/%s:1.0/driver", busid);
	snprintf(link, sizeof(link), "../../drivers/%s", driver);
	put_link(root, path, link);
}

/* As of a real kernel: the files of /proc that always exist are there. */
static inline void begin(void)
{
	start(NULL);
	put_file(root, "proc/version", "Linux version 6.1\n");
	put_file(root, "proc/self/mountinfo", "");
	put_file(root, "proc/1/stat", "1 (init) S 0 1 1 0 -1 4194560\n");
	put_link(root, "proc/1/exe", "/sbin/init");
	put_file(root, "run/x", "");
	put_file(root, "dev/x", "");
	put_file(root, "etc/x", "");
	sysfs.fake = false;
	sysfs.proc = open_tree("proc");
	sysfs.run = open_tree("run");
	sysfs.dev = open_tree("dev");
	sysfs.etc = open_tree("etc");
}

/* A directory in the place of a file, a file in the place of a directory. */
static inline void make_unreadable(const char *path)
{
	char name[PATH_MAX];
	struct stat st;

	snprintf(name, sizeof(name), "%s/%s", root, path);
	must(!lstat(name, &st), name);
	take_away(root, path);
	if (S_ISREG(st.st_mode))
		must(!mkdir(name, 0755), name);
	else
		put_file(root, path, "");
}

static inline void ask(enum protect_stage stage)
{
	static const char *const busids[] = { "1-2", "1-22", "1-2.1", "2-2" };

	survey.starting = stage == PROTECT_AT_START;
	survey.count = LENGTH(busids);
	for (size_t i = 0; i < LENGTH(busids); i++) {
		memset(&survey.item[i], 0xa5, sizeof(survey.item[i]));
		survey.item[i].stage = stage;
		survey.item[i].opening = false;
		strcpy(survey.item[i].busid, busids[i]);
	}
	protect_survey(&sysfs, &survey);
}

/* Of 1-2, while none of the others is needed. */
#define NEEDED(reason) answered(PROTECT_SETTLED, PROTECT_NEEDED, reason, __LINE__)
#define NOT_NEEDED() answered(PROTECT_SETTLED, PROTECT_FREE, "", __LINE__)
#define ANSWER(stage, answer, reason) answered(stage, answer, reason, __LINE__)

static inline void answered(enum protect_stage stage, enum protect_answer answer,
			    const char *reason, int line)
{
	ask(stage);
	if (survey.item[0].answer != answer || strcmp(survey.item[0].reason.text, reason) != 0)
		check_fault(__FILE__, line, "the answer is %d \"%s\", not %d \"%s\"",
			    survey.item[0].answer, survey.item[0].reason.text, answer, reason);
	for (size_t i = 1; i < survey.count; i++)
		if (survey.item[i].answer != PROTECT_FREE)
			check_fault(__FILE__, line, "%s: %s", survey.item[i].busid,
				    survey.item[i].reason.text);
}

/* Of every device, as it cannot be found out which one. */
#define NEEDED_BY_ALL(reason) needed_by_all(reason, __LINE__)

static inline void needed_by_all(const char *reason, int line)
{
	ask(PROTECT_SETTLED);
	for (size_t i = 0; i < survey.count; i++)
		if (survey.item[i].answer != PROTECT_NEEDED ||
		    strcmp(survey.item[i].reason.text, reason) != 0)
			check_fault(__FILE__, line, "%s: %d \"%s\", not \"%s\"", survey.item[i].busid,
				    survey.item[i].answer, survey.item[i].reason.text, reason);
}

#ifdef TESTS_OPENAT_H
/* Lets each openat(2) of a survey find no free descriptor, one after the other: 1-2 is needed each
 * time, by a reason that has both texts, and no descriptor is left open. There are more than least. */
static inline void refuse_each_open(unsigned least, const char *begin, const char *end)
{
	unsigned before = open_files(), n = 0;

	for (;; n++) {
		open_fails = (int)n;
		ask(PROTECT_SETTLED);
		if (open_fails >= 0) /* it made fewer calls than that */
			break;
		if (survey.item[0].answer != PROTECT_NEEDED ||
		    !strstr(survey.item[0].reason.text, begin) ||
		    !strstr(survey.item[0].reason.text, end))
			check_fault(__FILE__, __LINE__, "open %u failed: %d \"%s\"", n,
				    survey.item[0].answer, survey.item[0].reason.text);
	}
	open_fails = -1;
	CHECK(n > least);
	CHECK_INT(open_files(), before);
}
#endif

#endif
