/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/protect_people and protect_login: keyboards and displays, and who uses them.
 * LINK: -Wl,--wrap=openat
 */
#include "tests/openat.h"
#include "tests/protect.h"

#define MAY "this host may need it: cannot read "
#define LOGGED_IN "somebody is logged in at the console"
#define CAN_LOG_IN "somebody can log in at the console"

#define INPUT_OF(bus, path, bits)                                                                  \
	"I: Bus=" bus " Vendor=0627 Product=0001 Version=0111\nN: Name=\"x\"\nP: Phys=x\n"         \
	"S: Sysfs=/" path "input/input5\nU: Uniq=1\n" bits "\n\n"
#define INPUT(path, handlers)                                                                      \
	INPUT_OF("0003", path "0003:0627:0001.0001/", "H: Handlers=" handlers " ")
#define BITS(bits) INPUT_OF("0003", USB, "H: Handlers=kbd event3 \n" bits)
#define KEYBOARD INPUT(USB, "sysrq kbd event3 leds")

static void put_input(const char *text)
{
	put_file(root, "proc/bus/input/devices", text);
}

static void put_session(const char *id, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "run/systemd/sessions/%s", id);
	put_file(root, path, text);
}

static void begin_keyboard(void)
{
	begin();
	put_input(KEYBOARD);
}

static void begin_logged_in(void)
{
	begin();
	put_session("1", "UID=0\nCLASS=user\nSEAT=seat0\nSTATE=active\n");
}

static void connect_display(const char *status)
{
	put_file(root, "class/drm/version", "drm 1.1.0 20060810\n");
	put_file(root, "class/drm/card0/dev", "226:0\n");
	put_file(root, "class/drm/card0-HDMI-A-1/status", "disconnected\n");
	put_file(root, "class/drm/card0-DP-1/status", status);
	put_file(root, "class/drm/card0-Writeback-1/status", "unknown\n");
}

static void inputs(void)
{
	static const char *const people[] = {
		KEYBOARD,
		INPUT(USB, "mouse0 event3"),
		INPUT(USB, "sysrq kbd event3"),
		INPUT(USB, "kbd event3 leds"),
		BITS("B: PROP=1\nB: EV=b"),
		BITS("B: PROP=2\nB: EV=b"),
		BITS("B: PROP=20\nB: EV=b"),
		BITS("B: PROP=40 2\nB: EV=b"), /* of more bits than there are */
		BITS("B: EV=17\nB: REL=1943"),
		BITS("B: KEY=10000 7 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe"),
		BITS("B: KEY=ffefffff fffffffe"), /* of 32 bits */
	};
	static const char *const others[] = {
		"",
		INPUT(USB, "kbd event3"), /* some buttons */
		INPUT(USB, "js0 event3 sysrq0 leds1"),
		INPUT(USB, "kbd event3") INPUT(ELSEWHERE, "sysrq kbd event3 leds"),
		INPUT(ELSEWHERE, "sysrq kbd event3 leds") INPUT(USB, "kbd event3"),
		BITS("B: PROP=0\nB: EV=b"),
		BITS("B: PROP=40\nB: EV=b"), /* an accelerometer */
		BITS("B: PROP="),
		BITS("B: REL=1"),
		BITS("B: REL=40"),
		BITS("B: KEY=fffffffffffffffe 0"),
		BITS("B: KEY=3e000b00000000 fffffffe00000000"),
		BITS("B: KEY=7ffffffe"),
		BITS("B: EV=fffffffe\nB: ABS=3f"),
		"S: Sysfs=/devices/pci0000:00/usb1/1-2/1-2:1.0/input/input5",
	};

	for (size_t i = 0; i < LENGTH(people); i++) {
		begin_logged_in();
		put_input(people[i]);
		NEEDED(LOGGED_IN);
		end();
	}
	for (size_t i = 0; i < LENGTH(others); i++) {
		begin_logged_in();
		put_input(others[i]);
		NOT_NEEDED();
		end();
	}
}

#define UHID "devices/virtual/misc/uhid/0005:046D:B342.0007/"

static void bluetooth(void)
{
	begin_logged_in();
	put_input(INPUT_OF("0005", USB "bluetooth/hci0/hci0:256/", "H: Handlers=mouse0 "));
	NEEDED(LOGGED_IN); /* the kernel's own driver */
	put_input(INPUT_OF("0005", UHID, "H: Handlers=mouse0 "));
	NOT_NEEDED(); /* of another adapter */
	put_link(root, "class/bluetooth/hci0", "../../" USB "bluetooth/hci0");
	put_link(root, "class/bluetooth/hci1", "../../" ELSEWHERE "bluetooth/hci1");
	NEEDED(LOGGED_IN);
	put_input(INPUT_OF("0005", UHID, "H: Handlers=kbd event3 "));
	NOT_NEEDED();
	put_input(INPUT_OF("0005", ELSEWHERE, "H: Handlers=mouse0 "));
	NOT_NEEDED();
	put_input(INPUT_OF("0003", UHID, "H: Handlers=mouse0 "));
	NOT_NEEDED();
	put_input(INPUT_OF("0005", UHID, "H: Handlers=kbd ") INPUT(ELSEWHERE, "mouse0"));
	NOT_NEEDED();
	end();
}

static void displays(void)
{
	begin_logged_in();
	put_file(root, "class/drm/version", "drm 1.1.0 20060810\n");
	put_link(root, "class/drm/card0", "../../" ELSEWHERE "drm/card0");
	NOT_NEEDED();
	put_link(root, "class/drm/card1", "../../" USB "drm/card1");
	NEEDED(LOGGED_IN);
	take_away(root, "class/drm/card1");
	put_link(root, "class/graphics/fb0", "../../" ELSEWHERE "graphics/fb0");
	NOT_NEEDED();
	put_link(root, "class/graphics/fb1", "../../" USB "graphics/fb1");
	NEEDED(LOGGED_IN);
	take_away(root, "run/systemd");
	NOT_NEEDED();
	end();
}

static void sessions(void)
{
	static const struct {
		const char *text;
		bool there;
	} row[] = {
		{ "UID=0\nCLASS=user\nSEAT=seat0\nSTATE=active\n", true },
		{ "UID=0\nCLASS=user\nSEAT=seat0\nSTATE=online\n", true },
		{ "UID=0\nCLASS=user\nSEAT=seat0\nSTATE=opening\n", true },
		{ "UID=0\nCLASS=user\nSEAT=seat0\n", true },
		{ "SEAT=seat7\nCLASS=user-early\nSTATE=active\n", true }, /* root, from 256 on */
		{ "CLASS=user-light\nSEAT=seat0\nSTATE=active\n", true },
		{ "CLASS=user-early-light\nSEAT=seat0\nSTATE=active\n", true },
		{ "CLASS=user-incomplete\nSEAT=seat0\nSTATE=active\n", true },
		{ "CLASS=lock-screen\nSEAT=seat0\nSTATE=active\n", true },
		{ "CLASS=user\nSEAT=seat0\nSTATE=closing\n", false },
		{ "CLASS=user\nSTATE=active\nREMOTE=1\nREMOTE_HOST=SEAT=x\n", false },
		{ "CLASS=background\nSEAT=seat0\nSTATE=active\n", false },
		{ "CLASS=background-light\nSEAT=seat0\nSTATE=active\n", false },
		{ "CLASS=manager\nSEAT=seat0\nSTATE=active\n", false },
		{ "CLASS=manager-early\nSEAT=seat0\nSTATE=active\n", false },
		{ "CLASS=none\nSEAT=seat0\nSTATE=active\n", false },
		{ "CLASS=greeter\nSEAT=seat0\nSTATE=active\n", false }, /* without a display */
		{ "USER=CLASS=user\nSEAT=seat0\nSTATE=active\n", false },
		{ "", false },
	};

	begin_keyboard();
	NOT_NEEDED();
	for (size_t i = 0; i < LENGTH(row); i++) {
		put_session("1", "CLASS=user\nSTATE=active\nREMOTE=1\n");
		put_session("7", row[i].text);
		if (row[i].there)
			NEEDED(LOGGED_IN);
		else
			NOT_NEEDED();
	}
	put_session(".#7x", "CLASS=user\nSEAT=seat0\n"); /* not written to its end */
	must(!mkfifoat(sysfs.run, "systemd/sessions/7.ref", 0600), "make a pipe");
	NOT_NEEDED();
	end();
}

static void greeters(void)
{
	begin_keyboard();
	put_session("c1", "CLASS=greeter\nSEAT=seat0\nSTATE=active\nVTNR=1\nLEADER=7\n");
	NOT_NEEDED();
	connect_display("disconnected\n");
	NOT_NEEDED();
	connect_display("connected\n");
	NEEDED(CAN_LOG_IN);
	put_session("c1", "CLASS=greeter\nSTATE=active\n");
	NOT_NEEDED();
	put_session("c1", "CLASS=background\nSEAT=seat0\nSTATE=active\n");
	NOT_NEEDED();
	put_session("c1", "CLASS=greeter\nSEAT=seat0\nSTATE=closing\n");
	NOT_NEEDED();
	put_session("c1", "CLASS=greeter\nSEAT=seat0\nSTATE=active\n");
	NEEDED(CAN_LOG_IN);
	put_session("c2", "CLASS=user\nSEAT=seat0\nSTATE=active\n");
	NEEDED(LOGGED_IN);
	take_away(root, "run/systemd/sessions/c2");
	take_away(root, "class/drm");
	NOT_NEEDED();
	put_file(root, "class/graphics/fbcon/rotate", "0\n");
	put_file(root, "class/graphics/vfb0/name", "x\n");
	NOT_NEEDED();
	put_file(root, "class/graphics/fb0/name", "EFI VGA\n");
	NEEDED(CAN_LOG_IN);
	take_away(root, "run/systemd");
	NOT_NEEDED(); /* nobody could log in */
	end();
}

static void processes(void)
{
	static const struct {
		const char *stat;
		bool there;
	} row[] = {
		{ "7 (sh) S 1 7 7 1025 7 4194304", true },
		{ "7 (getty) S 1 7 7 1025 7 4194304", false },
		{ "7 (agetty) S 1 7 7 1025 7 4194304", false },
		{ "7 (login) S 1 7 7 1025 7 4194304", false },
		{ "7 (askfirst) S 1 7 7 1025 7 4194304", false },
		{ "7 (a) (b 1) S 1 7 7 1087 7 4194304", true },
		{ "7 (sh) S 1 7 7 1024 7 4194304", false }, /* tty0 */
		{ "7 (sh) S 1 7 7 1088 7 4194304", false }, /* a serial port */
		{ "7 (sh) S 1 7 7 34816 7 4194304", false }, /* pts/0 */
		{ "7 (sh) S 1 7 7 0 -1 4194304", false },
		{ "7 (sh) S 1 7 7 -1025 -1 4194304", false },
		{ "7 (sh) S 1 7 7", false },
		{ "7 (sh", false },
		{ "7 sh) S 1 7 7 1025", false },
		{ "", false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_keyboard();
		if (i % 2) /* logind knows nobody, or there is none */
			put_session("1", "CLASS=user\nSTATE=active\nREMOTE=1\n");
		put_file(root, "proc/x7/stat", "7 (sh) S 1 7 7 1025 7 4194304");
		put_file(root, "proc/stat", "7 (sh) S 1 7 7 1025 7 4194304");
		put_file(root, "proc/7/stat", row[i].stat);
		if (row[i].there)
			NEEDED(LOGGED_IN);
		else
			NOT_NEEDED();
		end();
	}
}

/* A login screen is on a console as well, also without a display. */
static void processes_of_greeters(void)
{
	begin_keyboard();
	put_session("c1", "CLASS=greeter\nSEAT=seat0\nSTATE=active\nVTNR=63\nLEADER=7\n");
	put_file(root, "proc/7/stat", "7 (gnome-shell) S 1 7 7 1087 7 4194304");
	NOT_NEEDED();
	connect_display("connected\n");
	NEEDED(CAN_LOG_IN);
	put_file(root, "proc/8/stat", "8 (sh) S 1 8 8 1026 8 4194304"); /* on another console */
	NEEDED(LOGGED_IN);
	take_away(root, "proc/8");
	for (const char *const *number = (const char *const[]){ "0", "64", "x", "", NULL }; *number;
	     number++) {
		char text[100];

		snprintf(text, sizeof(text), "CLASS=greeter\nSEAT=seat0\nVTNR=%s\n", *number);
		put_session("c1", text);
		NEEDED(LOGGED_IN);
	}
	end();
}

static void display_servers(void)
{
	begin_keyboard();
	put_file(root, "proc/7/stat", "7 (Xorg) S 1 7 7 1031 7 4194304");
	NOT_NEEDED();
	connect_display("connected\n");
	NEEDED(LOGGED_IN);
	put_file(root, "proc/7/stat", "7 (X) S 1 7 7 1031 7 4194304");
	NEEDED(LOGGED_IN);
	take_away(root, "class/drm");
	NOT_NEEDED();
	put_file(root, "proc/7/stat", "7 (sway) S 1 7 7 1031 7 4194304");
	NEEDED(LOGGED_IN);
	end();
}

/* When this host has just booted, its login screen is not there yet. */
static void at_start(void)
{
	begin_keyboard();
	ANSWER(PROTECT_AT_START, PROTECT_FREE, "");
	connect_display("connected\n");
	ANSWER(PROTECT_AT_START, PROTECT_LATER, "a login screen may come");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
	NOT_NEEDED();
	put_session("c1", "CLASS=greeter\nSEAT=seat0\n");
	ANSWER(PROTECT_AT_START, PROTECT_NEEDED, CAN_LOG_IN);
	put_input("");
	ANSWER(PROTECT_AT_START, PROTECT_FREE, "");
	end();
}

/* About people, and so about their devices only. */
static void unreadable(void)
{
	static const struct {
		const char *path, *reason;
	} row[] = {
		{ "proc/7/stat", MAY "/proc/7/stat: Is a directory" },
		{ "run/systemd/sessions", MAY "/run/systemd/sessions: Not a directory" },
		{ "run/systemd/sessions/1", MAY "/run/systemd/sessions/1: Is a directory" },
		{ "class/drm/card0-DP-1/status", MAY "/sys/class/drm/card0-DP-1/status: Is a directory" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_keyboard();
		connect_display("disconnected\n");
		put_file(root, "proc/7/stat", "7 (sh) S 1 7 7 0 -1 4194304");
		put_session("1", "CLASS=user\nSTATE=active\nREMOTE=1\n");
		make_unreadable(row[i].path);
		NEEDED(row[i].reason);
		put_file(root, "proc/8/stat", "8 (sh) S 1 8 8 1025 8 4194304");
		NEEDED(LOGGED_IN); /* that is known anyway */
		put_input("");
		NOT_NEEDED();
		end();
	}
}

/* Then any device may be one of people. */
static void unreadable_devices(void)
{
	static const struct {
		const char *path, *reason;
	} row[] = {
		{ "proc/bus/input/devices", MAY "/proc/bus/input/devices: Is a directory" },
		{ "class/bluetooth", MAY "/sys/class/bluetooth: Not a directory" },
		{ "class/drm", MAY "/sys/class/drm: Not a directory" },
		{ "class/graphics", MAY "/sys/class/graphics: Not a directory" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin();
		put_input("");
		put_file(root, "class/bluetooth/x", "");
		put_file(root, "class/drm/x", "");
		put_file(root, "class/graphics/x", "");
		NOT_NEEDED();
		make_unreadable(row[i].path);
		NEEDED_BY_ALL(row[i].reason);
		take_away(root, row[i].path);
		NOT_NEEDED();
		end();
	}
}

/* Each device has the reason that is its own. */
static void unreadable_both(void)
{
	begin_keyboard();
	put_file(root, "class/bluetooth", "");
	put_file(root, "run/systemd/sessions", "");
	ask(PROTECT_SETTLED);
	CHECK_STR(survey.item[0].reason.text, MAY "/run/systemd/sessions: Not a directory");
	CHECK_STR(survey.item[1].reason.text, MAY "/sys/class/bluetooth: Not a directory");
	end();
}

static int count_opens(void)
{
	int opens;

	open_fails = 1000;
	ask(PROTECT_SETTLED);
	opens = 1000 - open_fails;
	open_fails = -1;
	return opens;
}

static int count_opens_for_process(void)
{
	int before = count_opens(), opens;

	put_file(root, "proc/7/stat", "7 (sh) S 1 7 7 0 -1 4194304");
	opens = count_opens() - before;
	take_away(root, "proc/7");
	return opens;
}

/* Who is logged in is only asked if a device of people is in question. One open is that of the
 * descriptors of the process. */
static void only_if_asked(void)
{
	begin();
	CHECK_INT(count_opens_for_process(), 1);
	put_input(KEYBOARD);
	CHECK_INT(count_opens_for_process(), 2);
	put_file(root, "bus/usb/devices/1-2/authorized", "0\n");
	CHECK_INT(count_opens_for_process(), 1);
	end();
}

static void large_session(void)
{
	char text[8192];

	begin_keyboard();
	memset(text, '#', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	put_session("1", text);
	NEEDED(MAY "/run/systemd/sessions/1: File too large");
	text[4093] = '\0';
	put_session("1", text);
	NOT_NEEDED();
	end();
}

static void hidden_run(void)
{
	begin_keyboard();
	close(sysfs.run);
	sysfs.run = -ENOENT; /* no /run */
	NOT_NEEDED();
	sysfs.run = -EACCES;
	NEEDED(MAY "/run/systemd/sessions: Permission denied");
	put_file(root, "proc/7/stat", "7 (sh) S 1 7 7 1025 7 4194304");
	NEEDED(LOGGED_IN);
	end();
}

/* If any open(2) finds no free descriptor, the keyboard is needed. */
static void no_descriptor(void)
{
	begin_keyboard();
	put_link(root, "class/bluetooth/hci0", "../../" ELSEWHERE "bluetooth/hci0");
	connect_display("disconnected\n");
	put_file(root, "class/graphics/fbcon/rotate", "0\n");
	put_session("1", "CLASS=user\nSTATE=active\nREMOTE=1\n");
	put_session("c1", "CLASS=greeter\nSEAT=seat0\nSTATE=active\n");
	put_file(root, "proc/7/stat", "7 (sh) S 1 7 7 0 -1 4194304");
	NOT_NEEDED();
	refuse_each_open(15, "", "");
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	sessions();
	greeters();
	unreadable();
	unreadable_devices();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_protect_people: keyboards and pointers", inputs);
	RUN("t_protect_people: Bluetooth", bluetooth);
	RUN("t_protect_people: displays", displays);
	RUN("t_protect_people: sessions", sessions);
	RUN("t_protect_people: login screens", greeters);
	RUN("t_protect_people: processes on a console", processes);
	RUN("t_protect_people: processes of login screens", processes_of_greeters);
	RUN("t_protect_people: display servers", display_servers);
	RUN("t_protect_people: after the start", at_start);
	RUN("t_protect_people: files about people that cannot be read", unreadable);
	RUN("t_protect_people: files about devices that cannot be read", unreadable_devices);
	RUN("t_protect_people: files of both kinds that cannot be read", unreadable_both);
	RUN("t_protect_people: without a device of people nobody is looked for", only_if_asked);
	RUN("t_protect_people: a large session file", large_session);
	RUN("t_protect_people: a hidden /run", hidden_run);
	RUN("t_protect_people: no free descriptor", no_descriptor);
	RUN("t_protect_people: no descriptor is left open", no_leak);
	return check_status();
}
