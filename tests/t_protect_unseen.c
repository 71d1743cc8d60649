/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/protect_unseen: devices that a program may use, where not all programs can be seen: in a
 * container, or without the right to look at others'.
 */
#include "tests/protect.h"

#define CONTAINER "; a container can see that only with --pid=host -v /dev:/dev"
#define ROOT "; only root with CAP_SYS_PTRACE can see that"
#define OPEN(node) "this host may need it: a program may have its " node " open"
#define PERSON "this host may need it: somebody may be logged in at the console"

static void put_node(const char *number, const char *place)
{
	char path[100], link[200];

	snprintf(path, sizeof(path), "dev/char/%s", number);
	snprintf(link, sizeof(link), "../../%s", place);
	put_link(root, path, link);
}

static void begin_in(const char *namespace)
{
	begin();
	put_node("1:3", "devices/virtual/mem/null");
	put_node("188:9", ELSEWHERE "ttyUSB9/tty/ttyUSB9");
	put_link(root, "proc/self/ns/pid", namespace);
}

#define HOST "pid:[4026531836]"
#define OTHER "pid:[4026532199]"

static void namespaces(void)
{
	static const struct {
		const char *namespace; /* NULL: the kernel has none */
		enum protect_sight unseen;
	} row[] = {
		{ HOST, PROTECT_SEES_ALL },
		{ OTHER, PROTECT_SEES_CONTAINER },
		{ "pid:[40265318361]", PROTECT_SEES_CONTAINER },
		{ "pid:[99999999999999999999999999999]", PROTECT_SEES_CONTAINER },
		{ NULL, PROTECT_SEES_ALL },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_in(HOST);
		put_node("188:0", USB "ttyUSB0/tty/ttyUSB0");
		take_away(root, "proc/self/ns/pid");
		if (row[i].namespace)
			put_link(root, "proc/self/ns/pid", row[i].namespace);
		if (row[i].unseen)
			NEEDED(OPEN("ttyUSB0") CONTAINER);
		else
			NOT_NEEDED();
		CHECK_INT(survey.item[0].unseen, row[i].unseen);
		CHECK_INT(survey.item[0].unknown, row[i].unseen != PROTECT_SEES_ALL);
		CHECK(!survey.item[0].blocked && !survey.item[0].lasting);
		end();
	}
	begin_in(HOST);
	take_away(root, "proc/self/ns/pid");
	put_file(root, "proc/self/ns/pid", "no link");
	put_node("188:0", USB "ttyUSB0/tty/ttyUSB0");
	NEEDED(OPEN("ttyUSB0") CONTAINER);
	end();
}

/* With hidepid=2 the processes of others do not even seem to be there. */
static void hidden(void)
{
	begin_in(HOST);
	put_node("188:0", USB "ttyUSB0/tty/ttyUSB0");
	take_away(root, "proc/1");
	NEEDED(OPEN("ttyUSB0") ROOT);
	CHECK_INT(survey.item[0].unseen, PROTECT_SEES_OWN);
	take_away(root, "dev/char/188:0");
	NOT_NEEDED();
	end();
}

static void nodes(void)
{
	static const struct {
		const char *number, *place, *name; /* NULL: it does not count */
	} row[] = {
		{ "188:0", USB "ttyUSB0/tty/ttyUSB0", OPEN("ttyUSB0") CONTAINER },
		{ "243:0", USB "0003:046D:C077.0001/hidraw/hidraw0", OPEN("hidraw0") CONTAINER },
		{ "81:0", USB "video4linux/video0", OPEN("video0") CONTAINER },
		{ "21:0", USB "host6/target6:0:0/6:0:0:0/scsi_generic/sg0", OPEN("sg0") CONTAINER },
		{ "116:11", USB "sound/card1/pcmC1D0p", OPEN("pcmC1D0p") CONTAINER },
		{ "116:10", USB "sound/card1/controlC1", NULL },
		{ "13:69", USB "input/input5/event5", NULL },
		{ "189:1", "devices/pci0000:00/usb1/1-2", NULL },
		{ "18:1", USB "usbmisc/x", OPEN("x") CONTAINER },
		{ "1890:1", USB "usbmisc/x", OPEN("x") CONTAINER },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_in(OTHER);
		NOT_NEEDED();
		put_node(row[i].number, row[i].place);
		if (row[i].name)
			NEEDED(row[i].name);
		else
			NOT_NEEDED();
		end();
	}
}

/* What the kernel tells of sound counts. */
static void sound(void)
{
	begin_in(OTHER);
	put_node("116:11", USB "sound/card1/pcmC1D0p");
	put_link(root, "class/sound/pcmC1D0p", "../../" USB "sound/card1/pcmC1D0p");
	put_file(root, "proc/asound/x", ""); /* an empty directory hides it */
	NEEDED(OPEN("pcmC1D0p") CONTAINER);
	put_file(root, "proc/asound/version", "Advanced Linux Sound Architecture\n");
	put_file(root, "proc/asound/card1/pcm0p/sub0/status", "closed\n");
	NOT_NEEDED();
	put_file(root, "proc/asound/card1/pcm0p/sub0/status", "state: RUNNING\n");
	NEEDED("sound card 1 plays or records");
	end();
}

/* A disk has nodes for raw commands, which nobody uses who has not opened the disk. */
static void disks(void)
{
	begin_in(OTHER);
	put_node("21:0", USB "host6/target6:0:0/6:0:0:0/scsi_generic/sg0");
	put_node("247:0", USB "host6/target6:0:0/6:0:0:0/bsg/6:0:0:0");
	put_link(root, "class/block/mmcblk0", "../../" USB "host6/target6:0:0/6:0:0:0/block/mmcblk0");
	ask(PROTECT_SETTLED);
	CHECK(!survey.item[0].unseen); /* it cannot be opened, as it has no node here */
	CHECK_STR(survey.item[0].reason.text, "");
	put_node("188:0", USB "ttyUSB0/tty/ttyUSB0");
	NEEDED(OPEN("ttyUSB0") CONTAINER);
	end();
}

static void people(void)
{
	begin_in(OTHER);
	put_file(root, "proc/bus/input/devices", "I: Bus=0003\nS: Sysfs=/" USB "input/input5\nB: KEY=fffffffe\n");
	NEEDED(PERSON CONTAINER);
	CHECK_INT(survey.item[0].unseen, PROTECT_SEES_CONTAINER);
	take_away(root, "proc/bus");
	put_link(root, "class/drm/card1", "../../" USB "drm/card1");
	NEEDED(PERSON CONTAINER);
	take_away(root, "class/drm");
	NOT_NEEDED();
	end();
}

/* For a client, whoever has the disk open without the right to look at him. In a container that counts for
 * no disk. */
static void disks_of_client(void)
{
	survey.disks_only = true;
	for (int kind = 0; kind < 3; kind++) {
		begin_in(HOST);
		put_node("188:0", USB "ttyUSB0/tty/ttyUSB0");
		take_away(root, "proc/1");
		if (kind == 1)
			put_link(root, "class/block/mmcblk0", "../../" USB "block/mmcblk0");
		else if (kind == 2)
			put_usb_interface("1-2", "08\n", "usb-storage");
		if (kind)
			NEEDED("this host may need it: a program may have its disk open" ROOT);
		else
			NOT_NEEDED();
		put_link(root, "proc/self/ns/pid", OTHER);
		NOT_NEEDED();
		end();
	}
	survey.disks_only = false;
}

/* What is known counts more. */
static void known(void)
{
	begin_in(OTHER);
	put_node("188:0", USB "ttyUSB0/tty/ttyUSB0");
	put_file(root, "proc/consoles", "ttyUSB0              -W- (EC  p a)  188:0\n");
	NEEDED("the kernel's console is on its ttyUSB0");
	CHECK_INT(survey.item[0].unseen, PROTECT_SEES_ALL);
	CHECK(!survey.item[0].unknown);
	end();
}

int main(void)
{
	RUN("t_protect_unseen: namespaces", namespaces);
	RUN("t_protect_unseen: processes are hidden", hidden);
	RUN("t_protect_unseen: device files", nodes);
	RUN("t_protect_unseen: sound", sound);
	RUN("t_protect_unseen: disks", disks);
	RUN("t_protect_unseen: people", people);
	RUN("t_protect_unseen: disks of a client", disks_of_client);
	RUN("t_protect_unseen: what is known", known);
	return check_status();
}
