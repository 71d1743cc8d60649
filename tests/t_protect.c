/* SPDX-License-Identifier: MIT */
/* Tests of sysfs/protect*: what this machine needs a device for, on trees of /sys, /proc and /run. */
#include "sysfs/protect.h"

#include "lib/str.h"
#include "tests/tree.h"

#define USB "devices/pci0000:00/usb1/1-2/1-2:1.0/"
#define ELSEWHERE "devices/pci0000:00/ata1/"

static struct reason use;

static void begin(void)
{
	start(NULL);
	put_file(root, "proc/x", "");
	put_file(root, "run/x", "");
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
	not_needed();
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
	begin_network();
	put_interface("devices/virtual/", "br0", "1\n");
	put_interface("devices/virtual/", "vlan7", "1\n");
	put_link(root, USB "net/eth1/upper_br0", "../../../../../../../virtual/net/br0");
	put_link(root, "devices/virtual/net/br0/upper_vlan7", "../vlan7");
	put_file(root, "proc/net/route", ROUTES "vlan7\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
	needed("its network interface eth1 has the default route");
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

/* Every interface has a route to these addresses: the own one, local to one, decides. */
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
	end();
}

#define INPUT(path, handlers)                                                                      \
	"I: Bus=0003 Vendor=0627 Product=0001 Version=0111\nN: Name=\"x\"\nP: Phys=x\n"            \
	"S: Sysfs=/" path "/0003:0627:0001.0001/input/input5\nU: Uniq=1\nH: Handlers=" handlers " \n\n"

static void console(void)
{
	begin();
	put_file(root, "proc/bus/input/devices", INPUT(USB, "sysrq kbd event3 leds"));
	not_needed(); /* nobody is there */
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
	put_file(root, "proc/bus/input/devices", INPUT(USB, "kbd event3") /* some buttons */
		 INPUT(ELSEWHERE, "sysrq kbd event3 leds"));
	not_needed();
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

static void no_proc(void)
{
	start(NULL);
	CHECK_INT(sysfs.proc, -1);
	not_needed();
	end();
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
	RUN("t_protect: a keyboard and a program", console_by_process);
	RUN("t_protect: no /proc", no_proc);
	RUN("t_protect: no descriptor is left open", no_leak);
	return check_status();
}
