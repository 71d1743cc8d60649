/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/protect_net: network cards that this host needs, and whether it has a link, on
 * trees of /sys and /proc, complete ones and ones with unreadable parts.
 * LINK: -Wl,--wrap=openat,--wrap=read
 */
#include "tests/openat.h"
#include "tests/protect.h"

#define NO_LINK "this host has no other network card with a link"
#define WAITS "it may be this host's way to a network"
#define AWAY "its network interface is in another network namespace"
#define MAY "this host may need it: cannot read "
#define OTHER_USB "devices/pci0000:00/usb2/2-2/2-2:1.0/"
#define VIRTUAL "devices/virtual/"
#define V4_HEAD                                                                                    \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define V4_VIA(name) name "\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
#define ZERO "00000000000000000000000000000000"
#define V6_VIA(name)                                                                               \
	ZERO " 00 " ZERO " 00 fe800000000000000000000000000001 00000400 00000001 00000000 "        \
	     "00000003     " name "\n"

static int read_fails = -1; /* the next read(2) but so many fails with EINVAL; -1: none */

ssize_t __real_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size);

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	if (read_fails >= 0 && !read_fails--) {
		errno = EINVAL;
		return -1;
	}
	return __real_read(fd, buf, size);
}

/* A network interface below a directory. up: as IFF_UP; state: as its operstate. */
static void put_card(const char *where, const char *name, bool up, const char *state)
{
	char path[200], link[240];

	snprintf(path, sizeof(path), "%snet/%s/flags", where, name);
	put_file(root, path, up ? "0x1003\n" : "0x1002\n");
	snprintf(path, sizeof(path), "%snet/%s/operstate", where, name);
	snprintf(link, sizeof(link), "%s\n", state);
	put_file(root, path, link);
	*strrchr(path, '/') = '\0';
	snprintf(link, sizeof(link), "../../%s", path);
	snprintf(path, sizeof(path), "class/net/%s", name);
	put_link(root, path, link);
}

/* The device as a stick, on a host with a card that has a link and the default route. */
static void begin_stick(void)
{
	begin();
	put_file(root, USB "bInterfaceClass", "ff\n");
	put_link(root, USB "driver", "../../../bus/usb/drivers/ftdi_sio");
	put_link(root, "bus/usb/devices/1-2", "../../../devices/pci0000:00/usb1/1-2");
	put_link(root, "bus/usb/devices/1-2:1.0", "../../../" USB);
	put_card(ELSEWHERE, "eth0", true, "up");
	put_card(VIRTUAL, "lo", true, "unknown");
	put_file(root, "class/net/bonding_masters", "\n");
	put_file(root, "proc/net/route", V4_HEAD V4_VIA("eth0"));
}

/* As a card, which nobody has brought up. */
static void begin_card(void)
{
	begin_stick();
	put_card(USB, "eth1", false, "down");
}

/* Sticky, or asked again. */
static void lasts(bool want)
{
	CHECK_INT(survey.item[0].lasting, want);
	for (size_t i = 1; i < survey.count; i++)
		CHECK(!survey.item[i].lasting && !survey.item[i].network);
}

static void brought_up(void)
{
	static const struct {
		const char *flags, *state;
		bool needed;
	} row[] = {
		{ "0x1003\n", "up\n", true },	   { "0x1003\n", "down\n", true },
		{ "0x1003\n", "unknown\n", true }, { "0x1003\n", "dormant\n", true },
		{ "0x1\n", "down\n", true },	   { "0x1002\n", "down\n", false },
		{ "0x1002\n", "up\n", true },	   { "0\n", "down\n", false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_card();
		put_file(root, USB "net/eth1/flags", row[i].flags);
		put_file(root, USB "net/eth1/operstate", row[i].state);
		if (row[i].needed)
			NEEDED("its network interface eth1 is up");
		else
			NOT_NEEDED();
		lasts(row[i].needed);
		CHECK(survey.item[0].network);
		end();
	}
	begin_stick();
	NOT_NEEDED();
	lasts(false);
	CHECK(!survey.item[0].network);
	end();
}

/* Also while it is down: the bridge takes it up. */
static void has_upper(void)
{
	begin_card();
	put_link(root, USB "net/eth1/lower_wlan1", "x");
	put_link(root, USB "net/eth1/uppe", "x");
	NOT_NEEDED();
	put_link(root, USB "net/eth1/upper_br0", "../../../../../../../virtual/net/br0");
	NEEDED("its network interface eth1 is a part of br0");
	lasts(true);
	put_file(root, USB "net/eth1/flags", "0x1003\n");
	NEEDED("its network interface eth1 is a part of br0");
	end();
	begin_card(); /* that one is above the other card */
	put_link(root, ELSEWHERE "net/eth0/upper_br0", "x");
	NOT_NEEDED();
	end();
}

static void in_another_namespace(void)
{
	begin_stick();
	put_file(root, USB "net/x", "");
	NOT_NEEDED();
	take_away(root, USB "net/x");
	NEEDED(AWAY);
	lasts(true);
	CHECK(survey.item[0].network);
	take_away(root, USB "net");
	NOT_NEEDED();
	end();
}

/* It is down: is it the only way to a network? */
static void only_way(void)
{
	static const struct {
		const char *where, *name, *state; /* of another card; NULL: none */
		bool needed;
	} row[] = {
		{ NULL, NULL, NULL, true },
		{ ELSEWHERE, "eth0", "up", false },
		{ ELSEWHERE, "eth0", "unknown", false },
		{ ELSEWHERE, "eth0", "down", true },
		{ ELSEWHERE, "eth0", "dormant", true },
		{ ELSEWHERE, "eth0", "lowerlayerdown", true },
		{ ELSEWHERE, "eth0", "upper", true },
		{ VIRTUAL, "tun0", "unknown", true },
		{ VIRTUAL, "br0", "up", true },
		{ USB, "eth2", "down", true }, /* its own second one */
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_card();
		take_away(root, "class/net/eth0");
		if (row[i].where)
			put_card(row[i].where, row[i].name, true, row[i].state);
		if (row[i].where && !strcmp(row[i].where, USB))
			put_file(root, USB "net/eth2/flags", "0x1002\n");
		if (row[i].needed)
			NEEDED(NO_LINK);
		else
			NOT_NEEDED();
		lasts(row[i].needed);
		end();
	}
	begin_stick(); /* a stick is no way to a network */
	take_away(root, "class/net/eth0");
	NOT_NEEDED();
	end();
}

/* Two cards in question. */
static void two_cards(void)
{
	begin_card();
	take_away(root, "class/net/eth0");
	put_card(OTHER_USB, "eth2", true, "up");
	ask(PROTECT_SETTLED);
	CHECK_INT(survey.item[0].answer, PROTECT_FREE);
	CHECK(!survey.item[0].lasting && survey.item[0].network);
	CHECK_STR(survey.item[3].reason.text, "its network interface eth2 is up");
	CHECK(survey.item[3].lasting && survey.item[3].network);
	put_file(root, OTHER_USB "net/eth2/operstate", "down\n");
	ask(PROTECT_SETTLED);
	CHECK_STR(survey.item[0].reason.text, NO_LINK);
	CHECK_STR(survey.item[3].reason.text, "its network interface eth2 is up");
	put_file(root, OTHER_USB "net/eth2/flags", "0x1002\n");
	ask(PROTECT_SETTLED);
	CHECK_STR(survey.item[0].reason.text, NO_LINK);
	CHECK_STR(survey.item[3].reason.text, NO_LINK);
	end();
}

/* The default route, as it ends the waiting at the start. */
static void waits_for_route(void)
{
	static const struct {
		const char *v4, *v6;
		bool there;
	} row[] = {
		{ V4_HEAD, "", false },
		{ V4_HEAD V4_VIA("eth0"), "", true },
		{ V4_HEAD V4_VIA("br0"), "", true },
		{ V4_HEAD V4_VIA("eth9"), "", false }, /* in another namespace */
		{ V4_HEAD V4_VIA("*"), "", false },
		{ V4_HEAD "eth0\t00000000\t0100000A\t0203\t0\t0\t100\t00000000\t0\t0\t0\n", "",
		  false }, /* a reject route */
		{ V4_HEAD "eth0\t00000000\t0100000A\t0002\t0\t0\t100\t00000000\t0\t0\t0\n", "",
		  false }, /* not up */
		{ V4_HEAD "eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", "",
		  false }, /* a network */
		{ V4_HEAD "eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n", "",
		  false }, /* half of the Internet */
		{ V4_HEAD "eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\n", "", false },
		{ V4_HEAD "eth0\t00000000\t0100000A\tup\t0\t0\t100\t00000000\t0\t0\t0\n", "", false },
		{ "", V6_VIA("eth0"), true },
		{ "", V6_VIA("eth9") V6_VIA("br0"), true },
		{ "", ZERO " 00 " ZERO " 00 " ZERO " ffffffff 00000001 00000000 00200200       lo\n",
		  false },
		{ "", "fe800000000000000000000000000000 40 " ZERO " 00 " ZERO
		      " 00000100 00000001 00000000 00000001     eth0\n", false },
		{ "", ZERO " 01 " ZERO " 00 " ZERO " 00000100 00000001 00000000 00000001     eth0\n",
		  false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_card();
		put_card(VIRTUAL, "br0", true, "up");
		put_file(root, "proc/net/route", row[i].v4);
		put_file(root, "proc/net/ipv6_route", row[i].v6);
		if (row[i].there)
			ANSWER(PROTECT_AT_START, PROTECT_FREE, "");
		else
			ANSWER(PROTECT_AT_START, PROTECT_LATER, WAITS);
		lasts(false);
		ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
		NOT_NEEDED();
		end();
	}
}

/* At the start a link may still come; then it is judged. */
static void waits_for_link(void)
{
	begin_card();
	put_file(root, ELSEWHERE "net/eth0/operstate", "down\n");
	put_file(root, "proc/net/route", V4_HEAD);
	ANSWER(PROTECT_AT_START, PROTECT_LATER, WAITS);
	lasts(false);
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_NEEDED, NO_LINK);
	lasts(true);
	put_file(root, "proc/net/route", V4_HEAD V4_VIA("eth0"));
	ANSWER(PROTECT_AT_START, PROTECT_NEEDED, NO_LINK);
	lasts(true);
	put_file(root, ELSEWHERE "net/eth0/operstate", "up\n");
	ANSWER(PROTECT_AT_START, PROTECT_FREE, "");
	put_file(root, USB "net/eth1/flags", "0x1003\n");
	put_file(root, "proc/net/route", V4_HEAD);
	ANSWER(PROTECT_AT_START, PROTECT_NEEDED, "its network interface eth1 is up");
	end();
}

/* The route is read after the flags: it has come up in between. */
static void route_of_its_own(void)
{
	begin_card();
	put_file(root, "proc/net/route", V4_HEAD V4_VIA("eth1"));
	NEEDED("its network interface eth1 is up");
	lasts(true);
	end();
}

static void modem(void)
{
	static const struct {
		const char *driver, *file; /* NULL: none */
		bool waits;
	} row[] = {
		{ "option", NULL, true },
		{ "qcserial", NULL, true },
		{ "sierra", NULL, true },
		{ "qmi_wwan", NULL, true },
		{ "cdc_mbim", NULL, true },
		{ "huawei_cdc_ncm", NULL, true },
		{ "cdc_wdm", "usbmisc/cdc-wdm0/dev", true },
		{ NULL, "usbmisc/cdc-wdm1/dev", true },
		{ "usblp", "usbmisc/lp0/dev", false },
		{ "usbhid", "usbmisc/hiddev0/dev", false },
		{ "ftdi_sio", NULL, false },
		{ "options", NULL, false },
		{ NULL, NULL, false },
	};
	char text[200];

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_stick();
		put_file(root, "proc/net/route", V4_HEAD);
		snprintf(text, sizeof(text), "../../../bus/usb/drivers/%s", row[i].driver);
		take_away(root, USB "driver");
		put_file(root, USB "bInterfaceClass", "03\n");
		if (row[i].driver)
			put_link(root, USB "driver", text);
		snprintf(text, sizeof(text), USB "%s", row[i].file);
		if (row[i].file)
			put_file(root, text, "");
		if (row[i].waits)
			ANSWER(PROTECT_AT_START, PROTECT_LATER, WAITS);
		else
			ANSWER(PROTECT_AT_START, PROTECT_FREE, "");
		CHECK(!survey.item[0].network);
		NOT_NEEDED();
		put_file(root, "proc/net/route", V4_HEAD V4_VIA("eth0"));
		ANSWER(PROTECT_AT_START, PROTECT_FREE, "");
		take_away(root, "class/net/eth0"); /* it is no card yet */
		NOT_NEEDED();
		end();
	}
}

/* An interface may still get a driver, as its module is being loaded. */
/* By its class alone: it is taken, and known as a card. */
static void card_by_class(void)
{
	static const struct {
		const char *class, *subclass, *protocol; /* NULL: there is no such file */
		bool card;
	} row[] = {
		{ "02\n", "06\n", "00\n", true },  { "02\n", "06\n", "01\n", true },
		{ "02\n", "06\n", NULL, true },    { "02\n", "0d\n", "00\n", true },
		{ "02\n", "0c\n", "07\n", true },  { "02\n", "0e\n", "00\n", true },
		{ "02\n", "02\n", "ff\n", true },  { "02\n", "02\n", "01\n", false },
		{ "e0\n", "01\n", "03\n", true },  { "e0\n", "01\n", "01\n", false },
		{ "ef\n", "04\n", "01\n", true },  { "ef\n", "02\n", "01\n", false },
		{ "02\n", "ff\n", "00\n", false }, { "ff\n", "06\n", "00\n", false },
		{ "02\n", NULL, "00\n", false },   { "03\n", "06\n", "00\n", false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_stick();
		put_file(root, USB "bInterfaceClass", row[i].class);
		if (row[i].subclass)
			put_file(root, USB "bInterfaceSubClass", row[i].subclass);
		if (row[i].protocol)
			put_file(root, USB "bInterfaceProtocol", row[i].protocol);
		NOT_NEEDED();
		CHECK(!survey.item[0].network);
		take_away(root, USB "driver");
		NOT_NEEDED();
		if (survey.item[0].network != row[i].card)
			check_fault(__FILE__, __LINE__, "row %zu", i);
		CHECK(!survey.item[1].network);
		put_file(root, ELSEWHERE "net/eth0/operstate", "down\n");
		NOT_NEEDED();
		end();
	}
}

static void driverless(void)
{
	static const struct {
		const char *class;
		bool waits;
	} row[] = {
		{ "02\n", true },  { "e0\n", true },  { "ef\n", true },  { "ff\n", true },
		{ "03\n", false }, { "0a\n", false }, { "00\n", false }, { "fe\n", false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		enum protect_answer want = row[i].waits ? PROTECT_LATER : PROTECT_FREE;
		const char *why = row[i].waits ? WAITS : "";

		begin_stick();
		put_file(root, USB "bInterfaceClass", row[i].class);
		put_file(root, "proc/net/route", V4_HEAD);
		ANSWER(PROTECT_AT_START, PROTECT_FREE, "");
		take_away(root, USB "driver");
		ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
		ANSWER(PROTECT_AT_START, want, why);
		put_file(root, ELSEWHERE "net/eth0/operstate", "down\n");
		ANSWER(PROTECT_PLUGGED_IN, want, why);
		NOT_NEEDED();
		put_file(root, "proc/net/route", V4_HEAD V4_VIA("eth0"));
		ANSWER(PROTECT_PLUGGED_IN, want, why);
		ANSWER(PROTECT_AT_START, PROTECT_FREE, "");
		put_card(VIRTUAL, "br0", true, "up");
		put_file(root, "proc/net/route", V4_HEAD V4_VIA("br0"));
		ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
		end();
	}
}

/* A device that comes later may be a way to a network as well, while the host starts. */
static void comes_while_starting(void)
{
	begin_card();
	put_file(root, "proc/net/route", V4_HEAD);
	survey.count = 1;
	survey.starting = true;
	survey.item[0] = (struct protect_item){ .busid = "1-2", .stage = PROTECT_PLUGGED_IN };
	protect_survey(&sysfs, &survey);
	CHECK_INT(survey.item[0].answer, PROTECT_LATER);
	CHECK_STR(survey.item[0].reason.text, WAITS);
	survey.starting = false;
	survey.item[0].stage = PROTECT_AT_START;
	protect_survey(&sysfs, &survey);
	CHECK_INT(survey.item[0].answer, PROTECT_FREE);
	end();
}

/* Whether this host has a link, without the devices in question. */
static void links(void)
{
	begin_card();
	NOT_NEEDED();
	CHECK(survey.has_link);
	survey.count = 0;
	protect_survey(&sysfs, &survey);
	CHECK(survey.has_link);
	put_file(root, "proc/net/route", V4_HEAD);
	NOT_NEEDED();
	CHECK(survey.has_link);
	put_file(root, ELSEWHERE "net/eth0/operstate", "down\n");
	put_file(root, USB "net/eth1/operstate", "up\n");
	ask(PROTECT_SETTLED);
	CHECK(!survey.has_link); /* that card is in question */
	survey.count = 0;
	protect_survey(&sysfs, &survey);
	CHECK(survey.has_link); /* now it is not */
	put_file(root, USB "net/eth1/operstate", "down\n");
	survey.count = 0;
	protect_survey(&sysfs, &survey);
	CHECK(!survey.has_link);
	sysfs.fake = true; /* nothing in a test's tree counts */
	protect_survey(&sysfs, &survey);
	CHECK(survey.has_link);
	end();
}

/* The default route is one if it has a link, and a tunnel does not tell. */
static void link_of_route(void)
{
	static const struct {
		const char *type, *state, *v4, *v6;
		bool has_link;
	} row[] = {
		{ "512\n", "unknown", V4_HEAD V4_VIA("ppp0"), "", true },
		{ "512\n", "up", V4_HEAD V4_VIA("ppp0"), "", true },
		{ "512\n", "down", V4_HEAD V4_VIA("ppp0"), "", false },
		{ "65534\n", "unknown", V4_HEAD V4_VIA("ppp0"), "", false }, /* WireGuard */
		{ "1\n", "up", V4_HEAD V4_VIA("ppp0"), "", true }, /* a bridge */
		{ "512\n", "unknown", V4_HEAD V4_VIA("eth0"), "", false }, /* set by hand */
		{ "512\n", "unknown", V4_HEAD V4_VIA("eth0") V4_VIA("ppp0"), "", true },
		{ "512\n", "unknown", V4_HEAD V4_VIA("eth0"), V6_VIA("ppp0"), true },
		{ "512\n", "unknown", V4_HEAD, "", false },
		{ "", "unknown", V4_HEAD V4_VIA("ppp0"), "", false }, /* it is being unregistered */
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_stick();
		put_card(VIRTUAL, "ppp0", true, row[i].state);
		put_file(root, VIRTUAL "net/ppp0/type", row[i].type);
		put_file(root, ELSEWHERE "net/eth0/operstate", "down\n");
		put_file(root, "proc/net/route", row[i].v4);
		put_file(root, "proc/net/ipv6_route", row[i].v6);
		survey.count = 0;
		protect_survey(&sysfs, &survey);
		CHECK_INT(survey.has_link, row[i].has_link);
		end();
	}
	begin_stick();
	put_card(VIRTUAL, "ppp0", true, "unknown");
	put_file(root, ELSEWHERE "net/eth0/operstate", "down\n");
	put_file(root, "proc/net/route", V4_HEAD V4_VIA("ppp0"));
	put_file(root, VIRTUAL "net/ppp0/type/x", "");
	NEEDED_BY_ALL(MAY "/sys/class/net/ppp0/type: Is a directory");
	CHECK(survey.has_link);
	end();
}

static void unreadable(void)
{
	static const struct {
		const char *path, *reason;
		enum protect_stage stage;
	} row[] = {
		{ "class/net", MAY "/sys/class/net: Not a directory", PROTECT_SETTLED },
		{ USB "net/eth1/flags", MAY "/sys/class/net/eth1/flags: Is a directory",
		  PROTECT_SETTLED },
		{ USB "net/eth1/operstate", MAY "/sys/class/net/eth1/operstate: Is a directory",
		  PROTECT_SETTLED },
		{ ELSEWHERE "net/eth0/operstate", MAY "/sys/class/net/eth0/operstate: Is a directory",
		  PROTECT_SETTLED },
		{ USB "net/eth1", MAY "/sys/class/net/eth1/operstate: Not a directory",
		  PROTECT_SETTLED },
		{ USB "net", MAY "/sys/bus/usb/devices/1-2:1.0/net: Not a directory",
		  PROTECT_SETTLED },
		{ USB "usbmisc", MAY "/sys/bus/usb/devices/1-2:1.0/usbmisc: Not a directory",
		  PROTECT_AT_START },
		{ "proc/net/route", MAY "/proc/net/route: Is a directory", PROTECT_SETTLED },
		{ "proc/net/ipv6_route", MAY "/proc/net/ipv6_route: Is a directory",
		  PROTECT_SETTLED },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_card();
		put_file(root, "proc/net/ipv6_route", "");
		put_file(root, USB "usbmisc/x", "");
		put_file(root, "proc/net/route", V4_HEAD);
		put_file(root, OTHER_USB "x", "");
		ask(row[i].stage);
		CHECK_INT(survey.item[3].answer, PROTECT_FREE);
		make_unreadable(row[i].path);
		if (!strcmp(row[i].path, USB "net")) /* its link would lead nowhere */
			take_away(root, "class/net/eth1");
		ask(row[i].stage);
		for (size_t k = 0; k < survey.count; k++) {
			CHECK_STR(survey.item[k].reason.text, row[i].reason);
			CHECK(!survey.item[k].lasting);
		}
		CHECK(survey.has_link);
		end();
	}
}

static void malformed(void)
{
	static const char *const flags[] = { "", "\n", "0x\n", "0x1003 \n", "up\n", "0x100000000\n",
					     "0x00000000001003\n" };

	for (size_t i = 0; i < LENGTH(flags); i++) {
		begin_card();
		put_file(root, USB "net/eth1/flags", flags[i]);
		ask(PROTECT_SETTLED);
		CHECK_INT(survey.item[0].answer, PROTECT_NEEDED);
		CHECK(strstr(survey.item[0].reason.text, MAY "/sys/class/net/eth1/flags: "));
		end();
	}
}

/* Files that are absent, on some kernels or as an interface is gone: that is an answer. */
static void absent(void)
{
	static const char *const paths[] = {
		"class/net", "class/net/eth1", USB "net/eth1/flags", USB "net/eth1/operstate",
		"proc/net/ipv6_route", "proc/net", "bus/usb/devices/1-2", "bus",
	};

	for (size_t i = 0; i < LENGTH(paths); i++) {
		begin_card();
		put_file(root, "proc/net/ipv6_route", "");
		take_away(root, paths[i]);
		NOT_NEEDED();
		end();
	}
}

/* The kernel is unregistering the interface: its flags cannot be read any more. */
static void goes_away(void)
{
	unsigned failed = 0;

	for (int n = 0; n < 60; n++) {
		begin_card();
		read_fails = n;
		ask(PROTECT_SETTLED);
		failed += survey.item[0].answer != PROTECT_FREE;
		if (survey.item[0].answer != PROTECT_FREE)
			CHECK(!strstr(survey.item[0].reason.text, "flags"));
		if (read_fails >= 0)
			n = 60;
		read_fails = -1;
		end();
	}
	CHECK(failed >= 3); /* two of operstate, that of the routes */
}

/* If any open(2) finds no free descriptor, the device is not taken. */
static void no_descriptor(void)
{
	bool is_over = false;

	for (int n = 0; !is_over; n++) {
		begin_card();
		put_file(root, "proc/net/route", V4_HEAD);
		put_file(root, "proc/net/ipv6_route", "");
		put_file(root, USB "usbmisc/x", "");
		open_fails = n;
		ask(PROTECT_AT_START);
		is_over = open_fails >= 0; /* it made fewer calls than that */
		open_fails = -1;
		if (is_over)
			CHECK(n > 10);
		else
			CHECK(survey.item[0].answer != PROTECT_FREE);
		CHECK(is_over || !survey.item[0].lasting);
		end();
	}
}

/* How many files are opened for so many interfaces and routes. */
static int count_opened(unsigned interfaces, unsigned routes)
{
	size_t size = 100000 + 100UL * routes, len;
	char *text = malloc(size), name[16];
	int opened;

	begin_card();
	for (unsigned i = 0; i < interfaces; i++) {
		snprintf(name, sizeof(name), "veth%u", i);
		put_card(i % 2 ? VIRTUAL : ELSEWHERE, name, true, "down");
	}
	put_file(root, ELSEWHERE "net/eth0/operstate", "down\n");
	len = (size_t)snprintf(text, size, V4_HEAD);
	for (unsigned i = 0; i < routes; i++)
		len += (size_t)snprintf(text + len, size - len,
					"eth0\t%08X\t00000000\t0001\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n", i + 1);
	snprintf(text + len, size - len, V4_VIA("eth0"));
	put_file(root, "proc/net/route", text);
	open_fails = INT_MAX;
	NEEDED(NO_LINK);
	opened = INT_MAX - open_fails;
	open_fails = -1;
	end();
	free(text);
	return opened;
}

static void many(void)
{
	int few = count_opened(0, 0);

	CHECK_INT(count_opened(0, 4000), few);
	CHECK_INT(count_opened(500, 4000), few + 250);
	CHECK_INT(count_opened(1000, 0), few + 500);
}

static void no_leak(void)
{
	unsigned before = open_files();

	brought_up();
	in_another_namespace();
	modem();
	unreadable();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_protect_net: a card that is up", brought_up);
	RUN("t_protect_net: a card in a bridge", has_upper);
	RUN("t_protect_net: a card in another network namespace", in_another_namespace);
	RUN("t_protect_net: the only card", only_way);
	RUN("t_protect_net: two cards", two_cards);
	RUN("t_protect_net: the wait for a default route", waits_for_route);
	RUN("t_protect_net: the wait for a link", waits_for_link);
	RUN("t_protect_net: a default route of its own", route_of_its_own);
	RUN("t_protect_net: a modem", modem);
	RUN("t_protect_net: a device that may get a driver", driverless);
	RUN("t_protect_net: a card by its class", card_by_class);
	RUN("t_protect_net: a card that comes while the host starts", comes_while_starting);
	RUN("t_protect_net: links", links);
	RUN("t_protect_net: the link of the default route", link_of_route);
	RUN("t_protect_net: files that cannot be read", unreadable);
	RUN("t_protect_net: flags that are malformed", malformed);
	RUN("t_protect_net: files that do not exist", absent);
	RUN("t_protect_net: an interface that goes away", goes_away);
	RUN("t_protect_net: no free descriptor", no_descriptor);
	RUN("t_protect_net: many interfaces and routes", many);
	RUN("t_protect_net: no descriptor is left open", no_leak);
	return check_status();
}
