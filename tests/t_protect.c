/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/protect*: the devices that this host depends on, on trees of /sys, /proc and /run,
 * complete ones and ones with unreadable parts.
 * LINK: -Wl,--wrap=openat
 */
#include "sysfs/protect.h"

#include "lib/str.h"
#include "tests/openat.h"
#include "tests/tree.h"

#define USB "devices/pci0000:00/usb1/1-2/1-2:1.0/"
#define ELSEWHERE "devices/pci0000:00/ata1/"

static struct reason use;

/* A tree as of a real kernel: the files of /proc that always exist are there. */
static void begin(void)
{
	start(NULL);
	put_file(root, "proc/version", "Linux version 6.1\n");
	put_file(root, "proc/self/mountinfo", "");
	put_file(root, "proc/1/stat", "1 (init) S 0 1 1 0 -1 4194560\n");
	put_file(root, "run/x", "");
	sysfs.fake = false;
	sysfs.proc = openat(sysfs.root, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sysfs.run = openat(sysfs.root, "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(sysfs.proc >= 0 && sysfs.run >= 0, "open the trees");
}

/* A disk of that name below a directory, with its number, and one partition. */
static void put_disk(const char *where, const char *name, unsigned major)
{
	char path[200], link[240];

	for (unsigned part = 0; part < 2; part++) {
		snprintf(path, sizeof(path), "%sblock/%s%s%s/dev", where, name, part ? "/" : "",
			 part ? "p1" : "");
		put_file(root, path, "");
		*strrchr(path, '/') = '\0';
		snprintf(link, sizeof(link), "../../%s", path);
		snprintf(path, sizeof(path), "dev/block/%u:%u", major, part);
		put_link(root, path, link);
		snprintf(path, sizeof(path), "class/block/%s%s", name, part ? "p1" : "");
		put_link(root, path, link);
	}
}

/* A virtual disk that stands on others. */
static void put_virtual(const char *name, unsigned major, const char *slave)
{
	char path[200], link[240];

	put_disk("devices/virtual/", name, major);
	snprintf(path, sizeof(path), "devices/virtual/block/%s/slaves/%s", name, slave);
	snprintf(link, sizeof(link), "../../../../../class/block/%s", slave);
	put_link(root, path, link);
}

static void mount_(const char *file, const char *number, const char *point)
{
	char text[300];

	snprintf(text, sizeof(text),
		 "20 1 0:19 / /sys rw - sysfs sysfs rw\n"
		 "36 35 %s / %s rw,noatime master:1 - ext4 /dev/root rw\n"
		 "41 1 0:30 / /tmp rw - tmpfs none rw\n",
		 number, point);
	put_file(root, file, text);
}

static void needed(const char *reason)
{
	memset(&use, 0, sizeof(use));
	CHECK(protect_check(&sysfs, "1-2", &use));
	CHECK_STR(use.text, reason);
	CHECK(!protect_check(&sysfs, "1-22", &use));
	CHECK(!protect_check(&sysfs, "1-2.1", &use));
	CHECK(!protect_check(&sysfs, "2-2", &use));
}

/* Every device, as it cannot be found out which one. */
static void needed_by_all(const char *reason)
{
	static const char *const busids[] = { "1-2", "1-22", "2-2" };

	for (size_t i = 0; i < LENGTH(busids); i++) {
		memset(&use, 0, sizeof(use));
		CHECK(protect_check(&sysfs, busids[i], &use));
		CHECK_STR(use.text, reason);
	}
}

static void not_needed(void)
{
	CHECK(!protect_check(&sysfs, "1-2", &use));
}

static void mounted(void)
{
	static const char *const files[] = { "proc/1/mountinfo", "proc/self/mountinfo" };

	for (size_t i = 0; i < 2; i++) {
		begin();
		put_disk(USB, "sda", 8);
		not_needed();
		mount_(files[i], "8:1", "/boot");
		needed("it holds the file system at /boot");
		mount_(files[i], "8:0", "/a\033[31m\\040b");
		needed("it holds the file system at /a?[31m\\040b");
		mount_(files[i], "8:7", "/boot"); /* no such disk */
		not_needed();
		put_disk(ELSEWHERE, "sdb", 9);
		mount_(files[i], "9:1", "/");
		not_needed();
		end();
	}
}

static void stacked(void)
{
	begin();
	put_disk(USB, "sda", 8);
	put_disk(ELSEWHERE, "sdb", 9);
	put_virtual("dm-0", 252, "sdap1");
	mount_("proc/1/mountinfo", "252:0", "/");
	needed("it holds the file system at /");
	put_virtual("md0", 253, "dm-0");
	put_virtual("dm-1", 254, "md0");
	mount_("proc/1/mountinfo", "254:0", "/home");
	needed("it holds the file system at /home");
	mount_("proc/1/mountinfo", "253:1", "/part"); /* a partition of md */
	needed("it holds the file system at /part");
	put_virtual("dm-5", 255, "sdbp1");
	mount_("proc/1/mountinfo", "255:0", "/other");
	not_needed();
	end();
	begin(); /* a circle, which no kernel makes */
	put_virtual("dm-0", 252, "dm-1");
	put_virtual("dm-1", 253, "dm-0");
	mount_("proc/1/mountinfo", "252:0", "/");
	needed_by_all("this host may need it: /sys/class/block/dm-0 has more than 16 layers of disks below it");
	end();
}

/* Virtual disks on top of each other, the last on the USB device. */
static void stack(unsigned layers)
{
	char name[16], below[16];

	begin();
	put_disk(USB, "sda", 8);
	for (unsigned i = 0; i < layers; i++) {
		snprintf(name, sizeof(name), "dm-%u", i);
		snprintf(below, sizeof(below), "dm-%u", i + 1);
		put_virtual(name, 300 + i, i + 1 < layers ? below : "sda");
	}
	mount_("proc/1/mountinfo", "300:0", "/");
}

static void stacked_high(void)
{
	char text[1000] = "";

	stack(15);
	needed("it holds the file system at /");
	end();
	/* many mounts beside each other are no layers */
	begin();
	put_disk(ELSEWHERE, "sdb", 9);
	for (unsigned i = 0; i < 20; i++)
		strcat(text, "36 35 9:0 / /mnt rw - ext4 x rw\n");
	put_file(root, "proc/1/mountinfo", text);
	not_needed();
	end();
	stack(17);
	needed_by_all("this host may need it: /sys/class/block/dm-16 has more than 16 layers of disks below it");
	end();
}

static void looped(void)
{
	begin();
	put_disk(USB, "sda", 8);
	put_disk("devices/virtual/", "loop0", 7);
	put_file(root, "devices/virtual/block/loop0/loop/backing_file", "/dev/sdap1\n");
	not_needed();
	mount_("proc/1/mountinfo", "7:0", "/mnt");
	needed("it holds the file system at /mnt");
	put_file(root, "devices/virtual/block/loop0/loop/backing_file", "/srv/dev/sdap1\n");
	not_needed();
	end();
}

static void swapped(void)
{
	begin();
	put_disk(USB, "sda", 8);
	put_virtual("dm-0", 252, "sda");
	put_file(root, "proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"
				     "/srv/swapfile file 1 0 -2\n");
	not_needed();
	put_file(root, "proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"
				     "/dev/sdap1 partition 1048572 0 -2\n");
	needed("it holds swap space");
	put_file(root, "proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"
				     "/dev/dm-0 partition 1048572 0 -2\n");
	needed("it holds swap space");
	put_disk(ELSEWHERE, "sdb", 9);
	put_virtual("dm-1", 253, "sdb");
	put_file(root, "devices/virtual/block/dm-0/dm/name", "v-swap\n");
	put_file(root, "devices/virtual/block/dm-1/dm/name", "other-swap\n");
	put_file(root, "proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"
				     "/dev/mapper/other-swap partition 1048572 0 -2\n"
				     "/dev/mapper/v-swa partition 1048572 0 -2\n");
	not_needed();
	put_file(root, "proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"
				     "/dev/mapper/v-swap partition 1048572 0 -2\n");
	needed("it holds swap space");
	end();
}

static void btrfs(void)
{
	begin();
	put_disk(USB, "sda", 8);
	put_file(root, "fs/btrfs/features/x", "");
	put_link(root, "fs/btrfs/0f1e/devices/sdbp1", "../../../../class/block/sdbp1");
	not_needed();
	put_link(root, "fs/btrfs/0f1e/devices/sdap1", "../../../../class/block/sdap1");
	needed("it holds a part of the btrfs 0f1e");
	end();
}

/* Many mounts, and lines that are longer than any buffer. */
static void many_mounts(void)
{
	size_t size = 400000, len = 0;
	char *text = malloc(size);

	begin();
	put_disk(USB, "sda", 8);
	for (unsigned i = 0; i < 3000; i++)
		len += (size_t)snprintf(text + len, size - len,
					"%u 1 0:%u / /run/%u rw - overlay overlay rw\n", i, i, i);
	len += (size_t)snprintf(text + len, size - len, "1 1 0:5 / /x rw,lowerdir=");
	memset(text + len, 'a', 50000);
	len += 50000;
	snprintf(text + len, size - len, " 8:1 8:1 8:1 8:1\n36 35 8:1 / /last rw - ext4 x rw");
	put_file(root, "proc/1/mountinfo", text);
	needed("it holds the file system at /last");
	end();
	free(text);
}

static void put_interface(const char *where, const char *name, const char *carrier)
{
	char path[200], link[240];

	snprintf(path, sizeof(path), "%snet/%s/carrier", where, name);
	put_file(root, path, carrier);
	*strrchr(path, '/') = '\0';
	snprintf(link, sizeof(link), "../../%s", path);
	snprintf(path, sizeof(path), "class/net/%s", name);
	put_link(root, path, link);
}

#define ROUTES "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

/* Two links; the second is an ordinary card. */
static void begin_network(void)
{
	begin();
	put_interface(USB, "eth1", "1\n");
	put_interface(ELSEWHERE, "eth0", "1\n");
	put_interface("devices/virtual/", "lo", "1\n");
}

static void default_route(void)
{
	begin_network();
	not_needed();
	put_file(root, "proc/net/route", ROUTES "eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
	not_needed();
	put_file(root, "proc/net/route", ROUTES "eth1\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
	needed("its network interface eth1 has the default route");
	put_file(root, "proc/net/route", ROUTES "eth1\t00000000\t0100000A\t0203\t0\t0\t100\t00000000\t0\t0\t0\n"
						"eth1\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
	not_needed(); /* a reject route, and its own network */
	put_file(root, "proc/net/route", ROUTES "eth1\t00000000\t0100000A\t0002\t0\t0\t100\t00000000\t0\t0\t0\n");
	not_needed(); /* a route that is not up */
	put_file(root, "proc/net/route", "");
	put_file(root, "proc/net/ipv6_route",
		 "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		 "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n");
	needed("its network interface eth1 has the default route");
	put_file(root, "proc/net/ipv6_route",
		 "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		 "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"
		 "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 "
		 "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1\n");
	not_needed();
	end();
}

static void bridged(void)
{
	char path[200];

	begin_network();
	put_interface("devices/virtual/", "br0", "1\n");
	put_interface("devices/virtual/", "vlan7", "1\n");
	put_link(root, USB "net/eth1/upper_br0", "../../../../../../../virtual/net/br0");
	put_link(root, "devices/virtual/net/br0/upper_vlan7", "../vlan7");
	put_file(root, "proc/net/route", ROUTES "vlan7\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
	needed("its network interface eth1 has the default route");
	put_file(root, "proc/net/route", "");
	for (unsigned i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), USB "net/eth1/upper_vlan1%02u", i);
		put_link(root, path, "x");
		snprintf(path, sizeof(path), "devices/virtual/net/br0/upper_vlan1%02u", i);
		put_link(root, path, "x");
	}
	not_needed(); /* each of them is one, though on both */
	end();
}

#define TCP "  sl  local_address rem_address   st tx_queue rx_queue\n"

static void connected(void)
{
	begin_network();
	put_file(root, "proc/net/route",
		 ROUTES "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
			"eth0\t0001010A\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n"
			"eth1\t0001010A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
			"eth0\t0000010A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n");
	put_file(root, "proc/net/tcp", TCP "   0: 0101010A:0CA8 0901010A:9C40 0A 0:0\n");
	not_needed(); /* it only listens */
	put_file(root, "proc/net/tcp", TCP "   0: 0101010A:0CA8 0902010A:9C40 01 0:0\n");
	not_needed(); /* 10.1.2.9 is the other card's */
	put_file(root, "proc/net/tcp", TCP "   0: 0101010A:0CA8 0901010A:9C40 01 0:0\n");
	needed("its network interface eth1 has a connection"); /* 10.1.1.9 */
	put_file(root, "proc/net/tcp", TCP);
	put_file(root, "proc/net/tcp6",
		 TCP "   0: 0000000000000000FFFF00000101010A:0CA8 "
		     "0000000000000000FFFF00000901010A:9C40 01 0:0\n");
	needed("its network interface eth1 has a connection");
	put_file(root, "proc/net/ipv6_route",
		 "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 "
		 "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1\n");
	put_file(root, "proc/net/tcp6", TCP "   0: 000000FD000000000000000001000000:0CA8 "
					    "000000FE000000000000000009000000:9C40 01 0:0\n");
	not_needed();
	put_file(root, "proc/net/tcp6", TCP "   0: 000000FD000000000000000001000000:0CA8 "
					    "000000FD000000000000000009000000:9C40 01 0:0\n");
	needed("its network interface eth1 has a connection");
	end();
}

/* Every interface has a route to these addresses, so the address at this end decides. */
static void connected_on_the_link(void)
{
	static const char net[] =
		"fe800000000000000000000000000000 40 00000000000000000000000000000000 00 "
		"00000000000000000000000000000000 00000100 00000001 00000000 00000001 ";
	static const char own[] =
		"fe8000000000000000000000000000%s 80 00000000000000000000000000000000 00 "
		"00000000000000000000000000000000 00000000 00000003 00000000 80200001 %s\n";
	char text[1000];
	size_t len;

	begin_network();
	len = str_format(text, sizeof(text), "%s eth0\n%s eth1\n", net, net);
	len += str_format(text + len, sizeof(text) - len, own, "01", "eth1");
	str_format(text + len, sizeof(text) - len, own, "02", "eth0");
	put_file(root, "proc/net/ipv6_route", text);
	put_file(root, "proc/net/tcp6", TCP "   0: 000080FE000000000000000001000000:0CA8 "
					    "000080FE000000000000000009000000:9C40 01 0:0\n");
	needed("its network interface eth1 has a connection");
	put_file(root, "proc/net/tcp6", TCP "   0: 000080FE000000000000000002000000:0CA8 "
					    "000080FE000000000000000009000000:9C40 01 0:0\n");
	not_needed();
	put_file(root, "proc/net/tcp6", TCP "   0: 000080FE0000000000000000010000001:0CA8 "
					    "000080FE000000000000000009000000:9C40 01 0:0\n");
	not_needed(); /* no address */
	end();
}

static void only_link(void)
{
	begin_network();
	put_file(root, ELSEWHERE "net/eth0/carrier", "0\n");
	needed("its network interface eth1 is the only link that is up");
	put_file(root, USB "net/eth1/carrier", "0\n");
	not_needed();
	put_file(root, USB "net/eth1/carrier", ""); /* -EINVAL: it is not up */
	not_needed();
	end();
}

#define INPUT(path, handlers)                                                                      \
	"I: Bus=0003 Vendor=0627 Product=0001 Version=0111\nN: Name=\"x\"\nP: Phys=x\n"            \
	"S: Sysfs=/" path "/0003:0627:0001.0001/input/input5\nU: Uniq=1\nH: Handlers=" handlers " \n\n"

static void console(void)
{
	begin();
	put_file(root, "proc/bus/input/devices", INPUT(USB, "sysrq kbd event3 leds"));
	not_needed(); /* nobody is logged in */
	put_file(root, "run/systemd/sessions/1", "UID=0\nCLASS=user\nSTATE=active\nREMOTE=1\n");
	not_needed(); /* over the network */
	put_file(root, "run/systemd/sessions/2", "UID=0\nCLASS=greeter\nSEAT=seat0\nSTATE=active\n");
	not_needed();
	put_file(root, "run/systemd/sessions/3", "UID=0\nCLASS=user\nSEAT=seat0\nSTATE=closing\n");
	not_needed();
	put_file(root, "run/systemd/sessions/4", "UID=0\nCLASS=user\nSEAT=seat0\nSTATE=online\n");
	needed("somebody is logged in at the console");
	put_file(root, "proc/bus/input/devices", INPUT(USB, "mouse0 event3"));
	needed("somebody is logged in at the console");
	put_file(root, "proc/bus/input/devices", INPUT(USB, "sysrq kbd event3"));
	needed("somebody is logged in at the console");
	put_file(root, "proc/bus/input/devices", INPUT(USB, "kbd event3 leds"));
	needed("somebody is logged in at the console");
	put_file(root, "proc/bus/input/devices", INPUT(USB, "kbd event3") /* some buttons */
		 INPUT(ELSEWHERE, "sysrq kbd event3 leds"));
	not_needed();
	end();
}

/* Root's session on a console, as systemd calls it since version 256; and a file with more than is
 * read. */
static void console_sessions(void)
{
	char text[8192];

	begin();
	put_file(root, "proc/bus/input/devices", INPUT(USB, "sysrq kbd event3 leds"));
	put_file(root, "run/systemd/sessions/1", "CLASS=user-early\nSEAT=seat0\nSTATE=active\n");
	needed("somebody is logged in at the console");
	memset(text, '#', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	put_file(root, "run/systemd/sessions/1", text);
	needed("this host may need it: cannot read /run/systemd/sessions/1: File too large");
	end();
}

static void console_by_process(void)
{
	static const struct {
		const char *stat;
		bool there;
	} row[] = {
		{ "7 (sh) S 1 7 7 1025 7 4194304", true },
		{ "7 (getty) S 1 7 7 1025 7 4194304", false },
		{ "7 (login) S 1 7 7 1025 7 4194304", false },
		{ "7 (a) (b 1) S 1 7 7 1087 7 4194304", true },
		{ "7 (sh) S 1 7 7 1024 7 4194304", false }, /* tty0 */
		{ "7 (sh) S 1 7 7 1088 7 4194304", false }, /* a serial port */
		{ "7 (sh) S 1 7 7 34816 7 4194304", false }, /* pts/0 */
		{ "7 (sh) S 1 7 7 0 -1 4194304", false },
		{ "7 (sh", false },
		{ "", false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin();
		put_file(root, "proc/bus/input/devices", INPUT(USB, "sysrq kbd event3 leds"));
		put_file(root, "proc/7/stat", row[i].stat);
		memset(&use, 0, sizeof(use));
		CHECK_INT(protect_check(&sysfs, "1-2", &use), row[i].there);
		end();
	}
}

static void paths(void)
{
	CHECK(protect_path_contains("../../devices/usb1/1-2/1-2:1.0/net/eth0", "1-2"));
	CHECK(protect_path_contains("/usb1/1-2", "1-2"));
	CHECK(!protect_path_contains("../usb1/1-2.1/x", "1-2"));
	CHECK(!protect_path_contains("../usb1/1-2:1.0/x", "1-2"));
	CHECK(!protect_path_contains("../usb1/11-2/x", "1-2"));
	CHECK(!protect_path_contains("1-2/x", "1-2"));
	CHECK(!protect_path_contains("", "1-2"));
}

/* A test's tree: nothing here depends on it. */
static void fake(void)
{
	begin();
	put_disk(USB, "sda", 8);
	mount_("proc/1/mountinfo", "8:1", "/");
	sysfs.fake = true;
	not_needed();
	close(sysfs.proc);
	sysfs.proc = -ENOENT;
	not_needed();
	end();
}

/* A machine on which the device is not needed, though every file and directory is read. */
static void begin_all(void)
{
	begin_network();
	put_disk(USB, "sda", 8);
	put_disk(ELSEWHERE, "sdb", 9);
	put_virtual("dm-0", 252, "sdbp1");
	put_virtual("dm-1", 253, "dm-0");
	put_file(root, "devices/virtual/block/dm-1/dm/name", "swap\n");
	put_disk("devices/virtual/", "loop0", 7);
	put_file(root, "devices/virtual/block/loop0/loop/backing_file", "/dev/sdbp1\n");
	put_file(root, "proc/1/mountinfo", "36 35 252:0 / / rw - ext4 x rw\n"
					   "37 35 7:0 / /mnt rw - ext4 x rw\n");
	put_file(root, "proc/swaps", "Filename\tType\n/dev/mapper/swap partition 1 0 -2\n");
	put_file(root, "fs/btrfs/features/x", "");
	put_link(root, "fs/btrfs/0f1e/devices/sdbp1", "../../../../class/block/sdbp1");
	put_file(root, "proc/net/route",
		 ROUTES "eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
	put_file(root, "proc/net/ipv6_route", "");
	put_file(root, "proc/net/tcp", TCP);
	put_file(root, "proc/net/tcp6", TCP);
	put_file(root, "proc/bus/input/devices", INPUT(USB, "sysrq kbd event3 leds"));
	put_file(root, "proc/7/stat", "7 (sh) S 1 7 7 0 -1 4194304");
	put_file(root, "run/systemd/sessions/1", "UID=0\nCLASS=user\nSTATE=active\nREMOTE=1\n");
}

/* Without logind, by the processes. */
static void begin_all_processes(void)
{
	begin_all();
	take_away(root, "run/systemd");
}

/* A directory in the place of a file, a file in the place of a directory. */
static void make_unreadable(const char *path)
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

#define MAY "this host may need it: cannot read "

static void unreadable(void)
{
	static const struct {
		const char *path, *reason;
		void (*begin)(void);
	} row[] = {
		{ "proc/swaps", MAY "/proc/swaps: Is a directory", begin_all },
		{ "proc/net/route", MAY "/proc/net/route: Is a directory", begin_all },
		{ "proc/net/ipv6_route", MAY "/proc/net/ipv6_route: Is a directory", begin_all },
		{ "proc/net/tcp", MAY "/proc/net/tcp: Is a directory", begin_all },
		{ "proc/net/tcp6", MAY "/proc/net/tcp6: Is a directory", begin_all },
		{ "proc/bus/input/devices", MAY "/proc/bus/input/devices: Is a directory", begin_all },
		{ "proc/1/stat", MAY "/proc/1/stat: Is a directory", begin_all_processes },
		{ "proc/7/stat", MAY "/proc/7/stat: Is a directory", begin_all_processes },
		{ "run/systemd/sessions", MAY "/run/systemd/sessions: Not a directory", begin_all },
		{ "run/systemd/sessions/1", MAY "/run/systemd/sessions/1: Is a directory", begin_all },
		{ "class/net", MAY "/sys/class/net: Not a directory", begin_all },
		{ USB "net/eth1/carrier", MAY "/sys/class/net/eth1/carrier: Is a directory", begin_all },
		{ "class/block", MAY "/sys/class/block/sdbp1: Not a directory", begin_all },
		{ "fs/btrfs", MAY "/sys/fs/btrfs: Not a directory", begin_all },
		{ "fs/btrfs/0f1e/devices", MAY "/sys/fs/btrfs/0f1e/devices: Not a directory", begin_all },
		{ "devices/virtual/block/dm-0/slaves",
		  MAY "/sys/dev/block/252:0/slaves: Not a directory", begin_all },
		{ "devices/virtual/block/dm-1/slaves",
		  MAY "/sys/class/block/dm-1/slaves: Not a directory", begin_all },
		{ "devices/virtual/block/dm-1/dm/name",
		  MAY "/sys/class/block/dm-1/dm/name: Is a directory", begin_all },
		{ "devices/virtual/block/loop0/loop/backing_file",
		  MAY "/sys/dev/block/7:0/loop/backing_file: Is a directory", begin_all },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		row[i].begin();
		not_needed();
		make_unreadable(row[i].path);
		memset(&use, 0, sizeof(use));
		CHECK(protect_check(&sysfs, "1-2", &use));
		CHECK_STR(use.text, row[i].reason);
		end();
	}
}

/* The mounts are known as long as one of the two views can be read. */
static void unreadable_mounts(void)
{
	begin_all();
	make_unreadable("proc/self/mountinfo");
	not_needed();
	make_unreadable("proc/1/mountinfo");
	needed_by_all(MAY "/proc/self/mountinfo: Is a directory");
	end();
	begin_all();
	make_unreadable("proc/1/mountinfo");
	not_needed();
	take_away(root, "proc/1/mountinfo");
	not_needed();
	take_away(root, "proc/self/mountinfo");
	needed_by_all(MAY "/proc/self/mountinfo: No such file or directory");
	end();
}

/* Files that some kernels and hosts do not have: their absence is an answer. */
static void absent(void)
{
	static const char *const paths[] = {
		"proc/swaps", "proc/net/ipv6_route", "proc/net/tcp6", "proc/net", "proc/bus",
		"run/systemd", "class/net", "class/block", "dev/block", "fs/btrfs", "fs",
		USB "net/eth1/carrier", USB "net", "devices/virtual/block/dm-0/slaves",
	};

	for (size_t i = 0; i < LENGTH(paths); i++) {
		begin_all();
		take_away(root, paths[i]);
		not_needed();
		end();
	}
}

static void hidden_proc(void)
{
	static const int errors[] = { EACCES, ENOENT, EMFILE };
	char reason[100];

	for (size_t i = 0; i < LENGTH(errors); i++) {
		begin_all();
		close(sysfs.proc);
		sysfs.proc = -errors[i];
		snprintf(reason, sizeof(reason), MAY "/proc: %s", strerror(errors[i]));
		needed_by_all(reason);
		end();
	}
	begin_all(); /* mounted with subset=pid */
	take_away(root, "proc/version");
	needed_by_all(MAY "/proc/version: No such file or directory");
	end();
	begin_all_processes(); /* with hidepid=2 */
	take_away(root, "proc/1");
	memset(&use, 0, sizeof(use));
	CHECK(protect_check(&sysfs, "1-2", &use));
	CHECK_STR(use.text, MAY "/proc/1/stat: No such file or directory");
	end();
}

static void hidden_run(void)
{
	char want[sizeof(use.text)];

	begin_all();
	close(sysfs.run);
	sysfs.run = -ENOENT; /* no /run: by the processes */
	not_needed();
	sysfs.run = -EMFILE;
	memset(&use, 0, sizeof(use));
	CHECK(protect_check(&sysfs, "1-2", &use));
	snprintf(want, sizeof(want), MAY "/run/systemd/sessions: %s", strerror(EMFILE));
	CHECK_STR(use.text, want);
	end();
}

/* If any open(2) finds no free descriptor, the device is needed. */
static void no_descriptor(void)
{
	static void (*const begin_one[])(void) = { begin_all, begin_all_processes };

	for (size_t i = 0; i < LENGTH(begin_one); i++) {
		unsigned before, n = 0;

		begin_one[i]();
		before = open_files();
		for (;;) {
			bool is_needed;

			open_fails = (int)n;
			memset(&use, 0, sizeof(use));
			is_needed = protect_check(&sysfs, "1-2", &use);
			if (open_fails >= 0) /* it made fewer calls than that */
				break;
			CHECK(is_needed);
			if (strcmp(use.text, "its network interface eth1 is the only link that is up"))
				CHECK(strstr(use.text, MAY) && strstr(use.text, strerror(EMFILE)));
			n++;
		}
		open_fails = -1;
		CHECK(n > 25);
		CHECK_INT(open_files(), before);
		end();
	}
}

/* More routes or names than there is room for: those left out may decide. */
static void too_many(void)
{
	size_t size = 40000, len;
	char *text = malloc(size), path[200];

	begin_network();
	len = (size_t)snprintf(text, size, ROUTES);
	for (unsigned i = 0; i < 257; i++) {
		len += (size_t)snprintf(text + len, size - len,
					"eth0\t%08X\t00000000\t0001\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n", i + 1);
		if (i == 255) {
			put_file(root, "proc/net/route", text);
			put_file(root, "proc/net/tcp", TCP "   0: 0101010A:0CA8 0901010A:9C40 01 0:0\n");
			not_needed();
		}
	}
	put_file(root, "proc/net/route", text);
	needed("this host may need it: this host has more than 256 routes");
	snprintf(text + len, size - len,
		 "eth1\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
	put_file(root, "proc/net/route", text);
	needed("its network interface eth1 has the default route");
	end();
	begin_network();
	for (unsigned i = 0; i < 32; i++) {
		if (i == 31)
			not_needed();
		snprintf(path, sizeof(path), USB "net/eth1/upper_vlan%u", i);
		put_link(root, path, "x");
	}
	needed("this host may need it: eth1 is a part of more than 32 interfaces");
	end();
	free(text);
}

static void no_leak(void)
{
	unsigned before = open_files();

	stacked();
	connected();
	connected_on_the_link();
	console();
	many_mounts();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_protect: paths", paths);
	RUN("t_protect: mounted", mounted);
	RUN("t_protect: mapped, mirrored, in partitions", stacked);
	RUN("t_protect: many layers", stacked_high);
	RUN("t_protect: a loop device on a disk", looped);
	RUN("t_protect: swap", swapped);
	RUN("t_protect: btrfs", btrfs);
	RUN("t_protect: many mounts, long lines", many_mounts);
	RUN("t_protect: the default route", default_route);
	RUN("t_protect: in a bridge", bridged);
	RUN("t_protect: connections", connected);
	RUN("t_protect: connections within a link", connected_on_the_link);
	RUN("t_protect: the only link", only_link);
	RUN("t_protect: a keyboard and a session", console);
	RUN("t_protect: console, sessions", console_sessions);
	RUN("t_protect: a keyboard and a program", console_by_process);
	RUN("t_protect: a test's tree", fake);
	RUN("t_protect: a file that cannot be read", unreadable);
	RUN("t_protect: mounts that cannot be read", unreadable_mounts);
	RUN("t_protect: files that do not exist", absent);
	RUN("t_protect: a hidden /proc", hidden_proc);
	RUN("t_protect: a hidden /run", hidden_run);
	RUN("t_protect: no free descriptor", no_descriptor);
	RUN("t_protect: more than there is room for", too_many);
	RUN("t_protect: no descriptor is left open", no_leak);
	return check_status();
}
