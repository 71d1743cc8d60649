/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/vhci: the port tables of all kernels, and attach and detach on a tree of files
 * where the test plays the kernel. LINK: -Wl,--wrap=sysfs_write,--wrap=openat
 */
#include "sysfs/vhci.h"

#include "lib/str.h"
#include "tests/files.h"
#include "tests/openat.h"

/* Big, and the parser only adds to it. */
static struct vhci vhci;

/* No device used any port. */
static const uint32_t unused[VHCI_PORTS_MAX];

static int parse(const char *text)
{
	char *copy = block_string(text);
	int error;

	memset(&vhci, 0, sizeof(vhci));
	error = vhci_parse(&vhci, copy);
	block_free(copy);
	return error;
}

static void port_is(unsigned port, unsigned hub, unsigned state, uint32_t devid)
{
	CHECK_INT(vhci.port[port].hub, hub);
	CHECK_INT(vhci.port[port].state, state);
	CHECK_INT(vhci.port[port].devid, devid);
}

static void era_a(void)
{
	CHECK_INT(parse("prt sta spd bus dev socket           local_busid\n"
			"000 004 000 000 000 0000000000000000 0-0\n"
			"001 006 003 00010002 ffff880036d8c980 1-1\n"
			"002 005 000 000 000 0000000000000000 0-0\n"
			"003 007 000 000 000 0000000000000000 0-0\n"),
		  0);
	CHECK_INT(vhci.ports, 4);
	port_is(0, VHCI_ANY, VHCI_FREE, 0);
	port_is(1, VHCI_ANY, VHCI_USED, 0x10002);
	port_is(2, VHCI_ANY, VHCI_ATTACHING, 0);
	port_is(3, VHCI_ANY, VHCI_ERROR, 0);
}

static void era_b(void)
{
	CHECK_INT(parse("prt sta spd dev      sockfd local_busid\n"
			"000 004 000 00000000 000000 0-0\n"
			"001 006 002 00030004 000007 1-1\n"),
		  0);
	CHECK_INT(vhci.ports, 2);
	port_is(0, VHCI_ANY, VHCI_FREE, 0);
	port_is(1, VHCI_ANY, VHCI_USED, 0x30004);
}

static void era_c(void)
{
	CHECK_INT(parse("port sta spd dev      socket           local_busid\n"
			"0000 004 000 00000000 0000000000000000 0-0\n"
			"0001 006 003 00010002 ffff880036d8c980 1-1\n"
			"0007 004 000 00000000 0000000000000000 0-0\n"),
		  0);
	CHECK_INT(vhci.ports, 8);
	port_is(1, VHCI_ANY, VHCI_USED, 0x10002);
	port_is(2, VHCI_ANY, VHCI_ABSENT, 0);
	port_is(7, VHCI_ANY, VHCI_FREE, 0);
}

static void era_d(void)
{
	CHECK_INT(parse("hub port sta spd dev      socket           local_busid\n"
			"hs  0000 006 003 00010002 3 1-1\n"
			"ss  0008 004 000 00000000 0000000000000000 0-0\n"
			"ss  0009 006 005 00020003 ffff880036d8c980 3-1\n"),
		  0);
	CHECK_INT(vhci.ports, 10);
	port_is(0, VHCI_HIGH, VHCI_USED, 0x10002);
	port_is(8, VHCI_SUPER, VHCI_FREE, 0);
	port_is(9, VHCI_SUPER, VHCI_USED, 0x20003);
}

#define ERA_E "hub port sta spd dev      sockfd local_busid\n"

static void era_e(void)
{
	CHECK_INT(parse(ERA_E "hs  0000 006 003 00010002 000003 3-1\n"
			      "hs  0001 005 000 00000000 000000 0-0\n"
			      "ss  0015 004 000 00000000 000000 0-0\n"
			      "ss  0016 007 000 00000000 000000 0-0\n"
			      "ss  3839 006 005 ffffffff 4294967295 256-15\n"),
		  0);
	CHECK_INT(vhci.ports, 3840);
	port_is(0, VHCI_HIGH, VHCI_USED, 0x10002);
	port_is(1, VHCI_HIGH, VHCI_ATTACHING, 0);
	port_is(2, VHCI_ANY, VHCI_ABSENT, 0);
	port_is(15, VHCI_SUPER, VHCI_FREE, 0);
	port_is(16, VHCI_SUPER, VHCI_ERROR, 0);
	port_is(3839, VHCI_SUPER, VHCI_USED, 0xffffffff);
}

/* The rows of a controller that is not set up: state 005 and a socket of 16 zeros. */
static void not_ready(void)
{
	CHECK_INT(parse(ERA_E "hs  0030 005 000 00000000 0000000000000000 0-0\n"
			      "ss  0045 005 000 00000000 0000000000000000 0-0\n"),
		  0);
	CHECK_INT(vhci.ports, 46);
	port_is(30, VHCI_HIGH, VHCI_ATTACHING, 0);
	port_is(45, VHCI_SUPER, VHCI_ATTACHING, 0);
	CHECK_INT(vhci_free_port(&vhci, 3, unused, 1), -ENOSPC);
}

/* devid is that of a device in use, whatever other rows show there. */
static void devid_of_used_only(void)
{
	CHECK_INT(parse(ERA_E "hs  0000 004 000 00010002 000000 0-0\n"
			      "hs  0001 005 003 00010002 000000 0-0\n"),
		  0);
	port_is(0, VHCI_HIGH, VHCI_FREE, 0);
	port_is(1, VHCI_HIGH, VHCI_ATTACHING, 0);
}

static void busid_is(unsigned port, const char *busid)
{
	CHECK_STR(vhci.port[port].busid, busid);
}

/* The local device, only of a port in use, and only if it is a bus id of the kernel's. */
static void busids(void)
{
	CHECK_INT(parse(ERA_E "hs  0000 006 003 00010002 000003 3-1\n"
			      "hs  0001 006 003 00010002 000003 256-15.4\n"
			      "hs  0002 006 003 00010002 000003 3-1:1.0\n"
			      "hs  0003 006 003 00010002 000003 ../3-1\n"
			      "hs  0004 006 003 00010002 000003 0-0\n"
			      "hs  0005 005 003 00010002 000003 3-1\n"
			      "hs  0006 004 003 00010002 000003 3-1\n"
			      "ss  0007 007 005 00010002 000003 3-1\n"),
		  0);
	busid_is(0, "3-1");
	busid_is(1, "256-15.4");
	for (unsigned i = 2; i < 8; i++)
		busid_is(i, "");
}

/* Every row has all its words, whatever its state. */
static void words_missing(void)
{
	static const char *const rows[] = {
		ERA_E "hs  0000 006 003 00010002 000003 3-1",
		ERA_E "hs  0000 004 000 00000000 000000 0-0",
		"prt sta spd dev      sockfd local_busid\n001 006 002 00030004 000007 1-1",
		"prt sta spd bus dev socket local_busid\n000 004 000 000 000 0000000000000000 0-0",
		"prt sta spd bus dev socket local_busid\n001 006 003 00010002 ffff880036d8c980 1-1",
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		char text[200], *blank;

		CHECK_INT(parse(rows[i]), 0);
		strcpy(text, rows[i]);
		while ((blank = strrchr(text, ' ')) > strchr(text, '\n')) {
			*blank = '\0';
			if (blank[-1] != ' ' && parse(text) != -EPROTO)
				check_fault(__FILE__, __LINE__, "row %zu: \"%s\"", i, text);
		}
	}
}

static void blank_lines(void)
{
	CHECK_INT(parse(ERA_E "\n  \t\r\n"
			      "  hs  0000 006 003 00010002 000003 3-1\n\n"
			      "hs  0001 004 000 00000000 000000 0-0\n \n"),
		  0);
	CHECK_INT(vhci.ports, 2);
	port_is(0, VHCI_HIGH, VHCI_USED, 0x10002);
	CHECK_INT(parse(""), -EPROTO);
	CHECK_INT(parse("\n" ERA_E), -EPROTO);
}

static void several_files(void)
{
	char second[] = ERA_E "hs  0030 004 000 00000000 000000 0-0\n";

	CHECK_INT(parse(ERA_E "hs  0000 006 003 00010002 000003 3-1\n"), 0);
	CHECK_INT(vhci_parse(&vhci, second), 0);
	CHECK_INT(vhci.ports, 31);
	port_is(0, VHCI_HIGH, VHCI_USED, 0x10002);
	port_is(30, VHCI_HIGH, VHCI_FREE, 0);
}

static void before_the_fault(void)
{
	CHECK_INT(parse(ERA_E "hs  0001 006 003 00010002 000003 3-1\n"
			      "hs  0002 004\n"
			      "hs  0003 004 000 00000000 000000 0-0\n"),
		  -EPROTO);
	CHECK_INT(vhci.ports, 2);
	port_is(1, VHCI_HIGH, VHCI_USED, 0x10002);
	port_is(2, VHCI_ANY, VHCI_ABSENT, 0);
	port_is(3, VHCI_ANY, VHCI_ABSENT, 0);
}

static void truncations(const char *text)
{
	size_t len = strlen(text);

	for (size_t cut = 0; cut <= len; cut++) {
		char *part = block(NULL, cut + 1);
		int error;

		memcpy(part, text, cut);
		part[cut] = '\0';
		error = parse(part);
		CHECK(error == 0 || error == -EPROTO);
		CHECK(vhci.ports <= VHCI_PORTS_MAX);
		block_free(part);
	}
}

static void captured(const char *path, const char *name)
{
	bool hs = strstr(name, "-hs-att") || strstr(name, "-both-");
	bool ss = strstr(name, "-ss-att") || strstr(name, "-both-");
	bool unassigned = strstr(name, "-not-assigned");
	unsigned first = strstr(name, "status.1") ? 30 : 0;
	char *text = file_read(path, NULL);

	if (strncmp(text, "hub ", 4)) {
		free(text);
		return; /* nports, record */
	}
	check_begin("t_vhci: captured %s", name);
	CHECK_INT(parse(text), 0);
	CHECK_INT(vhci.ports, first + 30);
	for (unsigned i = first; i < first + 30; i++) {
		unsigned state = VHCI_FREE;

		if ((hs && i == 0) || (ss && i == 15))
			state = VHCI_USED;
		else if (unassigned && i == 0)
			state = VHCI_ATTACHING;
		CHECK_INT(vhci.port[i].state, state);
		CHECK_INT(vhci.port[i].hub, i - first < 15 ? VHCI_HIGH : VHCI_SUPER);
		CHECK_INT(vhci.port[i].devid != 0, state == VHCI_USED);
	}
	CHECK_INT(vhci_free_port(&vhci, 3, unused, 1), (int)first + (hs || unassigned));
	CHECK_INT(vhci_free_port(&vhci, 5, unused, 1), (int)first + 15 + ss);
	truncations(text);
	check_end();
	free(text);
}

static void hostile(const char *path, const char *name)
{
	char *text = file_read(path, NULL);

	check_begin("t_vhci: hostile/%s", name);
	CHECK_INT(parse(text), -EPROTO);
	truncations(text);
	check_end();
	free(text);
}

/*
 * A table as text: h, s, a: free; H, S, A: in use; _: absent; |: between controllers.
 */
static void make_ports(const char *ports)
{
	memset(&vhci, 0, sizeof(vhci));
	for (const char *c = ports; *c; c++) {
		struct vhci_port *port = &vhci.port[vhci.ports];

		if (*c == '|') {
			vhci.controllers = vhci.controllers ? vhci.controllers + 1 : 2;
			continue;
		}
		vhci.ports++;
		port->state = strchr("hsa", *c) ? VHCI_FREE
			      : *c == '_'	? VHCI_ABSENT
						: VHCI_USED - (vhci.ports & 1);
		port->hub = strchr("hH", *c) ? VHCI_HIGH : strchr("sS", *c) ? VHCI_SUPER : VHCI_ANY;
	}
}

static void free_ports(void)
{
	static const struct {
		const char *ports;
		uint32_t speed;
		int port;
	} table[] = {
		{ "", 3, -ENOSPC },	  { "hhss", 1, 0 },	  { "hhss", 2, 0 },
		{ "hhss", 3, 0 },	  { "hhss", 4, 0 },	  { "hhss", 5, 2 },
		{ "hhss", 6, 2 },	  { "Hhss", 3, 1 },	  { "HHss", 3, -ENOSPC },
		{ "hhSs", 5, 3 },	  { "hhSS", 5, -ENOSPC }, { "HHsshhss", 3, 4 },
		{ "hhSShhss", 5, 6 },	  { "aa", 3, 0 },	  { "aa", 5, 0 },
		{ "Aa", 5, 1 },		  { "AA", 3, -ENOSPC },	  { "_h", 3, 1 },
		{ "____", 3, -ENOSPC },	  { "HHSS", 6, -ENOSPC },
		{ "hhss|hhss", 3, 0 },	  { "Hhss|hhss", 3, 4 },  { "Hhss|Hhss", 3, 1 },
		{ "hhSs|hhss", 3, 4 },	  { "hhss|hhSs", 5, 2 },  { "HHss|hhSS", 3, 4 },
		{ "HHss|HHSS", 3, -ENOSPC }, { "HhSs|Hhss|hhSs", 5, 6 }, { "h|||||", 3, 0 },
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		make_ports(table[i].ports);
		if (vhci_free_port(&vhci, table[i].speed, unused, 1) != table[i].port)
			check_fault(__FILE__, __LINE__, "row %zu is %d", i,
				    vhci_free_port(&vhci, table[i].speed, unused, 1));
		CHECK_INT(vhci_free_port(&vhci, table[i].speed, unused, 0) < 0, table[i].port < 0);
	}
}

/* The devices that used the ports last: a letter each, '.' for none; 'm' needs a port. */
static void remembered_ports(void)
{
	static const struct {
		const char *ports, *last;
		uint32_t speed;
		int port;
	} table[] = {
		/* no device used any: as without memory */
		{ "hhss", "....", 3, 0 }, { "hhss", "....", 5, 2 }, { "Hhss", "....", 3, 1 },
		/* its own again */
		{ "hhss", ".m..", 3, 1 }, { "hhss", "xm..", 3, 1 }, { "hhss", "...m", 5, 3 },
		{ "hhss", "m...", 3, 0 }, { "hhhhss", "xyzm..", 3, 3 },
		{ "hhss|hhss", ".....m..", 3, 5 }, /* though it is on the second */
		{ "hHss|HHss", ".....m..", 3, 0 }, /* in use by another */
		{ "hhss|HHHs", "...m....", 3, 0 }, /* not of its speed */
		{ "HHSS|hhss", "m...x...", 3, 5 },
		/* another device's port is avoided while there are unused ones */
		{ "hhss", "x...", 3, 1 }, { "hhhss", "xy...", 3, 2 }, { "hhss", "..x.", 5, 3 },
		{ "hhss", "..xx", 3, 0 }, /* the other half does not matter */
		{ "Hhhss", ".x...", 3, 2 },
		/* and taken if there are none */
		{ "hhss", "xy..", 3, 0 }, { "Hhss", "xy..", 3, 1 }, { "hhss", "..xy", 5, 2 },
		{ "hHss", "x...", 3, 0 }, { "HHss", "m...", 3, -ENOSPC },
		{ "HHss", "....", 3, -ENOSPC }, { "", "", 3, -ENOSPC }, { "h_ss", "x...", 3, 0 },
		/* unused ones on the controller with the fewest devices */
		{ "hhss|hhss", "x.......", 3, 1 }, { "Hhss|hhss", "........", 3, 4 },
		{ "Hhss|hhss", "....xy..", 3, 1 }, /* an unused one matters more */
		{ "Hhss|hhss", "....x...", 3, 5 }, { "HhSs|hhss", "xyzx..yx", 5, 6 },
		{ "Hhss|hhss", "xyxyxyxy", 3, 4 }, { "HHss|Hhss|hhss", "........xy..", 3, 5 },
		/* a hub for all speeds */
		{ "aa", "x.", 3, 1 }, { "aa", "x.", 5, 1 }, { "aa", ".m", 3, 1 },
	};
	uint32_t last[16];

	for (size_t i = 0; i < LENGTH(table); i++) {
		int port;

		make_ports(table[i].ports);
		must(strlen(table[i].last) == vhci.ports, "say it of each port");
		memset(last, 0xff, sizeof(last)); /* nothing behind the table is read */
		for (unsigned n = 0; n < vhci.ports; n++)
			last[n] = table[i].last[n] == '.' ? 0 : (uint8_t)table[i].last[n];
		port = vhci_free_port(&vhci, table[i].speed, last, 'm');
		if (port != table[i].port)
			check_fault(__FILE__, __LINE__, "row %zu is %d", i, port);
	}
}

/* The tree, and the kernel behind it. */
static char root[TEMP_SIZE];
static struct sysfs sysfs;

static struct {
	unsigned count;
	char line[8][128]; /* "PATH=VALUE" */
	int answer[8];	   /* what each write returns */
} writes;

int __wrap_sysfs_write(const struct sysfs *fs, const char *value, const char *path);

int __wrap_sysfs_write(const struct sysfs *fs, const char *value, const char *path)
{
	must(fs == &sysfs && writes.count < 8, "play the kernel");
	snprintf(writes.line[writes.count], 128, "%s=%s", path, value);
	return writes.answer[writes.count++];
}

static void start(void)
{
	memset(&writes, 0, sizeof(writes));
	memset(&vhci, 0, sizeof(vhci));
	temp_make(root);
	CHECK_INT(sysfs_open(&sysfs, root), 0);
}

static void end(void)
{
	sysfs_close(&sysfs);
	temp_remove(root);
}

#define PLATFORM "devices/platform/"
#define FIRST PLATFORM "vhci_hcd.0/"

/* Controllers 0 .. n - 1, each with one port of each speed. */
static void make_controllers(unsigned n)
{
	put_file(root, FIRST "attach", "");
	put_file(root, FIRST "detach", "");
	for (unsigned i = 0; i < n; i++) {
		char path[80], text[200];

		snprintf(path, sizeof(path), PLATFORM "vhci_hcd.%u/driver", i);
		put_link(root, path, "../../../bus/platform/drivers/vhci_hcd");
		snprintf(path, sizeof(path), i ? FIRST "status.%u" : FIRST "status", i);
		snprintf(text, sizeof(text),
			 ERA_E "hs  %04u 004 000 00000000 000000 0-0\n"
			       "ss  %04u 006 005 %08x 000003 3-1\n",
			 2 * i, 2 * i + 1, 0x10002 + i);
		put_file(root, path, text);
	}
	put_file(root, "bus/platform/drivers/vhci_hcd/uevent", "");
}

static void read_several(void)
{
	start();
	make_controllers(12); /* two digits, too */
	CHECK_INT(vhci_check(&sysfs), 0);
	CHECK_INT(vhci_read(&sysfs, &vhci), 0);
	CHECK_INT(vhci.ports, 24);
	for (unsigned i = 0; i < 12; i++) {
		port_is(2 * i, VHCI_HIGH, VHCI_FREE, 0);
		port_is(2 * i + 1, VHCI_SUPER, VHCI_USED, 0x10002 + i);
	}
	end();
}

/* A table that was full before is as good as an empty one. */
static void read_again(void)
{
	start();
	make_controllers(3);
	CHECK_INT(vhci_read(&sysfs, &vhci), 0);
	take_away(root, FIRST "status.2");
	put_file(root, FIRST "status", ERA_E "hs  0000 004 000 00000000 000000 0-0\n");
	CHECK_INT(vhci_read(&sysfs, &vhci), 0);
	CHECK_INT(vhci.ports, 4);
	port_is(1, VHCI_ANY, VHCI_ABSENT, 0);
	port_is(3, VHCI_SUPER, VHCI_USED, 0x10003);
	port_is(4, VHCI_ANY, VHCI_ABSENT, 0);
	port_is(5, VHCI_ANY, VHCI_ABSENT, 0);
	end();
}

/* A controller without driver: its status must not be read (kernels before 6.1.190 crash). */
static void not_probed(unsigned controller)
{
	char path[80];

	start();
	make_controllers(3);
	snprintf(path, sizeof(path), PLATFORM "vhci_hcd.%u/driver", controller);
	take_away(root, path);
	/* read all the same, it would be malformed */
	snprintf(path, sizeof(path), controller ? FIRST "status.%u" : FIRST "status", controller);
	put_file(root, path, "Oops");
	CHECK_INT(vhci_check(&sysfs), -EAGAIN);
	CHECK_INT(vhci_read(&sysfs, &vhci), -EAGAIN);
	end();
}

static void driver_missing(void)
{
	not_probed(0);
	not_probed(1);
	not_probed(2);
}

/* A file that cannot be opened because no descriptor is free is not taken for absent. */
static void no_descriptor(void)
{
	int n = 0;

	start();
	make_controllers(3);
	put_file(root, "module/vhci_hcd/initstate", "live");
	while (open_fails < 0) {
		open_fails = n++;
		CHECK_INT(vhci_check(&sysfs), open_fails < 0 ? -EMFILE : 0);
	}
	CHECK_INT(n, 1 + 11); /* status, initstate, of each status and driver, status, 2 */
	open_fails = -1;
	for (n = 0; open_fails < 0; n++) {
		open_fails = n;
		CHECK_INT(vhci_read(&sysfs, &vhci), open_fails < 0 ? -EMFILE : 0);
	}
	CHECK_INT(n, 1 + 12);
	CHECK_INT(vhci.ports, 6);
	open_fails = -1;
	end();
}

/* What cannot be found out counts as usable: a disk of it may be in use. */
static void usable(void)
{
	struct vhci_port port = { .state = VHCI_USED, .busid = "" };

	start();
	put_file(root, "bus/usb/devices/3-1/uevent", "");
	CHECK(!vhci_usable(&sysfs, &port));
	strcpy(port.busid, "3-1");
	CHECK(vhci_usable(&sysfs, &port));
	strcpy(port.busid, "3-2");
	CHECK(!vhci_usable(&sysfs, &port));
	open_fails = 0;
	CHECK(vhci_usable(&sysfs, &port));
	open_fails = -1;
	end();
}

static void old_single(void)
{
	start();
	put_file(root, PLATFORM "vhci_hcd/status",
		 "prt sta spd bus dev socket           local_busid\n"
		 "000 004 000 000 000 0000000000000000 0-0\n");
	put_file(root, PLATFORM "vhci_hcd/attach", "");
	put_file(root, PLATFORM "vhci_hcd/detach", "");
	CHECK_INT(vhci_check(&sysfs), -EAGAIN);
	put_link(root, PLATFORM "vhci_hcd/driver", ".");
	CHECK_INT(vhci_check(&sysfs), 0);
	CHECK_INT(vhci_read(&sysfs, &vhci), 0);
	CHECK_INT(vhci.ports, 1);
	CHECK_INT(vhci_detach(&sysfs, 0), 0);
	CHECK_STR(writes.line[0], PLATFORM "vhci_hcd/detach=0");
	end();
}

static void missing_files(void)
{
	start();
	CHECK_INT(vhci_check(&sysfs), -ENOENT);
	CHECK_INT(vhci_read(&sysfs, &vhci), -ENOENT);
	CHECK_INT(vhci_attach(&sysfs, 0, 3, 0x10002, 3), -ENOENT);
	CHECK_INT(vhci_detach(&sysfs, 0), -ENOENT);
	CHECK_INT(writes.count, 0);
	make_controllers(1);
	take_away(root, FIRST "detach");
	CHECK_INT(vhci_check(&sysfs), -ENOENT);
	put_file(root, FIRST "detach", "");
	take_away(root, FIRST "attach");
	CHECK_INT(vhci_check(&sysfs), -ENOENT);
	end();
}

static void malformed_file(void)
{
	start();
	make_controllers(2);
	put_file(root, FIRST "status.1", "hub port\nrubbish\n");
	CHECK_INT(vhci_read(&sysfs, &vhci), -EPROTO);
	CHECK_INT(vhci_check(&sysfs), 0); /* which does not read it */
	end();
}

static void captured_tree(const char *path, const char *name)
{
	if (!strstr(name, "client-") && !strstr(name, "both-"))
		return;
	check_begin("t_vhci: captured %s", name);
	start();
	tree_unpack(root, path);
	CHECK_INT(vhci_check(&sysfs), 0);
	CHECK_INT(vhci_read(&sysfs, &vhci), 0);
	CHECK_INT(vhci.ports, 240);
	for (unsigned i = 0; i < vhci.ports; i++)
		CHECK_INT(vhci.port[i].hub, i % 30 < 15 ? VHCI_HIGH : VHCI_SUPER);
	CHECK_INT(vhci.port[15].state, VHCI_USED);
	CHECK_INT(vhci_free_port(&vhci, 5, unused, 1), 45); /* the first controller has one */
	CHECK_INT(vhci_controller(&vhci, 29), 0);
	CHECK_INT(vhci_controller(&vhci, 30), 1);
	CHECK_INT(vhci_controller(&vhci, 239), 7);
	end();
	check_end();
}

static void attach(void)
{
	start();
	make_controllers(2);
	CHECK_INT(vhci_attach(&sysfs, 230, 1023, 0x00010002, 3), 0);
	CHECK_INT(writes.count, 1);
	CHECK_STR(writes.line[0], FIRST "attach=230 1023 65538 3");
	CHECK_INT(vhci_attach(&sysfs, 0, 4, 0xffffffff, 6), 0);
	CHECK_INT(writes.count, 2);
	CHECK_STR(writes.line[1], FIRST "attach=0 4 4294967295 6");
	end();
}

static void attach_clamped(void)
{
	start();
	make_controllers(1);
	writes.answer[0] = -EINVAL;
	CHECK_INT(vhci_attach(&sysfs, 1, 5, 65538, 6), 0);
	CHECK_INT(writes.count, 2);
	CHECK_STR(writes.line[0], FIRST "attach=1 5 65538 6");
	CHECK_STR(writes.line[1], FIRST "attach=1 5 65538 5");
	writes.answer[2] = writes.answer[3] = -EINVAL;
	CHECK_INT(vhci_attach(&sysfs, 1, 5, 65538, 6), -EINVAL);
	CHECK_INT(writes.count, 4);
	writes.answer[4] = -EINVAL;
	writes.answer[5] = -EBUSY;
	CHECK_INT(vhci_attach(&sysfs, 1, 5, 65538, 6), -EBUSY);
	CHECK_INT(writes.count, 6);
	end();
}

static void attach_refused(void)
{
	start();
	make_controllers(1);
	writes.answer[0] = -EBUSY;
	CHECK_INT(vhci_attach(&sysfs, 1, 5, 65538, 6), -EBUSY);
	CHECK_INT(writes.count, 1);
	writes.answer[1] = -EINVAL;
	CHECK_INT(vhci_attach(&sysfs, 1, 5, 65538, 5), -EINVAL);
	CHECK_INT(writes.count, 2);
	writes.answer[2] = -EAGAIN;
	CHECK_INT(vhci_attach(&sysfs, 1, 5, 65538, 3), -EAGAIN);
	CHECK_INT(writes.count, 3);
	end();
}

static void detach(void)
{
	start();
	make_controllers(2);
	CHECK_INT(vhci_detach(&sysfs, 239), 0);
	CHECK_STR(writes.line[0], FIRST "detach=239");
	writes.answer[1] = -EINVAL;
	CHECK_INT(vhci_detach(&sysfs, 0), -EINVAL);
	CHECK_STR(writes.line[1], FIRST "detach=0");
	end();
}

int main(void)
{
	RUN("t_vhci: the table of the first kernels (prt, bus dev)", era_a);
	RUN("t_vhci: the table of 4.4 stable (prt, sockfd)", era_b);
	RUN("t_vhci: the table of 4.9 (port, no hub)", era_c);
	RUN("t_vhci: the table of 4.13 (hub, socket)", era_d);
	RUN("t_vhci: the table of 4.15 to now (hub, sockfd)", era_e);
	RUN("t_vhci: a controller that is not ready", not_ready);
	RUN("t_vhci: a devid only of a port in use", devid_of_used_only);
	RUN("t_vhci: the device of a port", busids);
	RUN("t_vhci: words missing at the end of a row", words_missing);
	RUN("t_vhci: blank lines", blank_lines);
	RUN("t_vhci: several files add up", several_files);
	RUN("t_vhci: what came before a fault is kept", before_the_fault);
	CHECK(each_file(FIXTURES "vhci", ".txt", captured) > 10);
	each_file(FIXTURES "hostile", ".txt", hostile);
	each_file(FIXTURES "sysfs", ".tree", captured_tree);
	RUN("t_vhci: free ports", free_ports);
	RUN("t_vhci: the port it had, and those of others", remembered_ports);
	RUN("t_vhci: several controllers", read_several);
	RUN("t_vhci: a second look forgets the first", read_again);
	RUN("t_vhci: a controller without driver is not read", driver_missing);
	RUN("t_vhci: no descriptor is not no file", no_descriptor);
	RUN("t_vhci: whether the device is here", usable);
	RUN("t_vhci: the single controller of old kernels", old_single);
	RUN("t_vhci: missing files", missing_files);
	RUN("t_vhci: a malformed file", malformed_file);
	RUN("t_vhci: attach", attach);
	RUN("t_vhci: super speed plus becomes super speed where it must", attach_clamped);
	RUN("t_vhci: nothing else is tried twice", attach_refused);
	RUN("t_vhci: detach", detach);
	return check_status();
}
