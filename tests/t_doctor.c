/* SPDX-License-Identifier: MIT */
/*
 * Tests of show/doctor: what it says about facts, and what it finds on trees of a whole machine.
 * LINK: -Wl,--wrap=time
 */
#include "show/doctor.h"

#include "show/doctor_facts.h"
#include "tests/files.h"

#include <time.h>

#define S DOCTOR_SERVER
#define C DOCTOR_CLIENT
#define LAST "ok      only root may change /c and /r\n"

#define NAMES .port = "3240", .config = "/c", .run = "/r", .remedy = "REMEDY", .release = "6.1.0"
/* Nothing at all was seen. */
#define FACTS NAMES, .slots = -ENOENT, .failed_port = -1
#define SERVER_RUNS .part[S] = { .wanted = true, .looked_at = true, .running = true }
#define RUNS "ok      usbip-host is loaded\nok      usbiphp-server runs\n"
#define IT_LISTENS .listening = true, .listener = "usbiphp"
#define LISTENS "ok      usbiphp listens on TCP 3240\n"

static const struct {
	const char *name;
	struct doctor_facts facts;
	const char *text; /* before LAST */
} judged[] = {
	{ "nothing", { FACTS }, "" },
	{ "a server that runs", { FACTS, SERVER_RUNS, IT_LISTENS }, RUNS LISTENS },
	{ "a client that runs",
	  { FACTS, .part[C] = { .wanted = true, .looked_at = true, .running = true } },
	  "ok      vhci-hcd is loaded\nok      usbiphp-client runs\n" },
	{ "a role that is not looked at", { FACTS, .part[S] = { .driver = -ENOENT } }, "" },
	{ "a module that can be loaded",
	  { FACTS, .part[S] = { .looked_at = true, .wanted = true, .driver = -ENOENT } },
	  "ok      usbip-host is not loaded yet: modprobe usbip-host\n"
	  "warn    no usbiphp-server here: ./install.sh server\n" },
	{ "a module that is missing",
	  { FACTS, .part[S] = { .looked_at = true, .wanted = true, .running = true,
				.driver = -ENOENT, .module = MODULE_MISSING },
	    IT_LISTENS },
	  "BAD     usbip-host does not exist here: REMEDY\nok      usbiphp-server runs\n" LISTENS },
	{ "a missing module of the other role",
	  { FACTS, .part[C] = { .looked_at = true, .driver = -ENOENT, .module = MODULE_MISSING } },
	  "warn    vhci-hcd does not exist here: REMEDY\n" },
	{ "a kernel whose modules are gone",
	  { FACTS, .part[C] = { .looked_at = true, .wanted = true, .running = true,
				.driver = -ENOENT, .module = MODULE_GONE } },
	  "BAD     vhci-hcd: Linux 6.1.0 has no modules here: reboot; for a container, outside: "
	  "modprobe vhci-hcd\n"
	  "ok      usbiphp-client runs\n" },
	{ "a driver that only root may write",
	  { FACTS, .part[C] = { .looked_at = true, .driver = -EACCES } },
	  "ok      vhci-hcd is loaded\n" },
	{ "a /sys that cannot be written",
	  { FACTS, .part[C] = { .looked_at = true, .wanted = true, .running = true,
				.driver = -EROFS } },
	  "BAD     vhci-hcd: Read-only file system\nok      usbiphp-client runs\n" },
	{ "a service that does not run",
	  { FACTS, .part[C] = { .looked_at = true, .wanted = true, .installed = true } },
	  "ok      vhci-hcd is loaded\n"
	  "BAD     usbiphp-client does not run: systemctl restart usbip-attach\n" },
	{ "a shell script",
	  { FACTS, .part[S] = { .looked_at = true, .wanted = true, .running = true,
				.script = true },
	    IT_LISTENS },
	  RUNS "warn    usbip-bind is a shell script: ./install.sh server\n" LISTENS },
	{ "devices that are switched off",
	  { FACTS, .part[S] = { .looked_at = true, .running = true, .held = 2 },
	    IT_LISTENS },
	  RUNS "ok      2 devices are switched off\n" LISTENS },
	{ "slots",
	  { NAMES, .failed_port = -1, SERVER_RUNS, IT_LISTENS, .slots = 13, .devices = 5,
	    .bound = 4 },
	  RUNS "ok      3 of 16 slots free, 4 of 5 devices bound\n" LISTENS },
	{ "few slots",
	  { NAMES, .failed_port = -1, SERVER_RUNS, IT_LISTENS, .slots = 14 },
	  RUNS "warn    2 of 16 slots free, 0 of 0 devices bound: replug in the same sockets, or "
	       "reboot\n" LISTENS },
	{ "no slot",
	  { NAMES, .failed_port = -1, SERVER_RUNS, IT_LISTENS, .slots = 16 },
	  RUNS "BAD     0 of 16 slots free, 0 of 0 devices bound: replug in the same sockets, or "
	       "reboot\n" LISTENS },
	{ "a device in error",
	  { FACTS, SERVER_RUNS, IT_LISTENS, .failed = 1, .failed_name = "1-1 (0627:0001)" },
	  RUNS "BAD     1-1 (0627:0001) is in error: replug it, or systemctl restart usbip-bind\n"
	       LISTENS },
	{ "ports",
	  { FACTS, .part[C] = { .looked_at = true, .running = true }, .ports = { 8, 8 },
	    .free = { 7, 8 } },
	  "ok      vhci-hcd is loaded\nok      usbiphp-client runs\n"
	  "ok      7 of 8 high-speed ports free\nok      8 of 8 super-speed ports free\n" },
	{ "no port",
	  { FACTS, .part[C] = { .looked_at = true, .running = true }, .ports = { 8, 8 },
	    .free = { 8, 0 } },
	  "ok      vhci-hcd is loaded\nok      usbiphp-client runs\n"
	  "ok      8 of 8 high-speed ports free\n"
	  "BAD     0 of 8 super-speed ports free: detach something\n" },
	{ "an old vhci-hcd",
	  { NAMES, .slots = -ENOENT, .part[C] = { .looked_at = true, .running = true },
	    .ports = { 8, 0 }, .free = { 8, 0 }, .failed_port = 3 },
	  "ok      vhci-hcd is loaded\nok      usbiphp-client runs\n"
	  "ok      8 of 8 high-speed ports free\n"
	  "warn    0 of 0 super-speed ports free: Linux 4.13 is needed\n"
	  "BAD     port 3 is in error: echo 3 >/sys/devices/platform/vhci_hcd.0/detach\n" },
	{ "no role of a client, and its first port in error",
	  { NAMES, .slots = -ENOENT, .part[C] = { .looked_at = true, .wanted = true },
	    .failed_port = 0 },
	  "ok      vhci-hcd is loaded\nwarn    no usbiphp-client here: ./install.sh client HOST\n"
	  "BAD     port 0 is in error: echo 0 >/sys/devices/platform/vhci_hcd.0/detach\n" },
	{ "nobody listens", { FACTS, SERVER_RUNS },
	  RUNS "BAD     nobody listens on TCP 3240: systemctl restart usbip-bind, or give -p "
	       "PORT\n" },
	{ "the server listens",
	  { FACTS, SERVER_RUNS, .listening = true, .listener = "usbiphp-server" },
	  RUNS "ok      usbiphp-server listens on TCP 3240\n" },
	{ "the stock server listens",
	  { FACTS, SERVER_RUNS, .listening = true, .listener = "usbipd" },
	  RUNS "warn    usbipd listens on TCP 3240: systemctl disable --now usbipd\n" },
	{ "another program listens",
	  { FACTS, SERVER_RUNS, .listening = true, .listener = "n\x1b[2J" },
	  RUNS "BAD     n?[2J listens on TCP 3240: stop that, or --listen ADDR:PORT\n" },
	{ "somebody listens, and it may be ours", { FACTS, SERVER_RUNS, .listening = true },
	  RUNS "ok      somebody listens on TCP 3240\n" },
	{ "somebody else listens",
	  { FACTS, .part[S] = { .looked_at = true }, .listening = true },
	  "ok      usbip-host is loaded\n"
	  "warn    somebody listens on TCP 3240: stop that, or --listen ADDR:PORT\n" },
	{ "signs of all kinds", { FACTS, .signs = (1U << SIGNS) - 1 },
	  "warn    ModemManager probes serial adapters: systemctl mask --now ModemManager\n"
	  "warn    usbguard may block devices: usbguard list-devices -b\n"
	  "warn    udisks2 may mount disks: systemctl mask --now udisks2\n"
	  "warn    firewalld: firewall-cmd --permanent --add-port=3240/tcp; firewall-cmd "
	  "--reload\n"
	  "warn    ufw: ufw allow 3240/tcp\n"
	  "warn    packets are filtered, TCP 3240 must pass: nft list ruleset\n"
	  "warn    not all can be seen: run as root\n"
	  "warn    the clock is wrong: timedatectl set-ntp true\n" },
	{ "one sign", { FACTS, .signs = 1U << SIGN_UFW }, "warn    ufw: ufw allow 3240/tcp\n" },
};

static void judge(void)
{
	static struct doctor_report report;

	for (size_t i = 0; i < LENGTH(judged); i++) {
		char want[2000];

		check_begin("t_doctor: says: %s", judged[i].name);
		memset(&report, 0, sizeof(report));
		doctor_judge(&report, &judged[i].facts);
		snprintf(want, sizeof(want), "%s%s", judged[i].text, LAST);
		CHECK_STR(report.text, want);
		CHECK_INT(report.bad, strstr(want, "BAD ") != NULL);
		check_end();
	}
}

static void loose(void)
{
	static const struct doctor_facts facts = { FACTS, .loose = "/c/hooks.d/x" };
	static struct doctor_report report;

	doctor_judge(&report, &facts);
	CHECK(report.bad);
	CHECK_STR(report.text, "BAD     others may change /c/hooks.d/x: chown -R root /c /r; "
			       "chmod -R go-w /c /r\n");
}

/* What does not fit is left out as a whole, but counts. */
static void full(void)
{
	static struct doctor_report report;
	static const struct doctor_facts facts = { FACTS, .loose = "x" };

	report.len = sizeof(report.text) - 60;
	doctor_judge(&report, &facts);
	CHECK_INT(report.len, sizeof(report.text) - 60);
	CHECK(report.bad);
}

static const struct {
	struct doctor_host host;
	const char *text;
} hosts[] = {
	{ { .name = "pi:1", .devices = 3, .watch = true },
	  "ok      pi:1 has 3 devices and tells changes\n" },
	{ { .name = "pi:1" }, "ok      pi:1 has 0 devices and must be asked: no usbiphp\n" },
	{ { .name = "pi:1", .list = { EXCHANGE_UNREACHABLE, -ECONNREFUSED }, .reason = "R" },
	  "BAD     pi:1: R: no server there, ./install.sh server\n" },
	{ { .name = "pi:1", .list = { EXCHANGE_UNREACHABLE, -ETIMEDOUT }, .reason = "R" },
	  "BAD     pi:1: R: it is off, or a firewall drops it\n" },
	{ { .name = "pi:1", .list = { EXCHANGE_UNRESOLVED, 0 }, .reason = "R" },
	  "BAD     pi:1: R: give its address\n" },
	{ { .name = "pi:1", .list = { EXCHANGE_SILENT, 0 }, .reason = "R" },
	  "BAD     pi:1: R: systemctl restart usbip-bind there\n" },
	{ { .name = "pi:1", .list = { EXCHANGE_MALFORMED, -EPROTONOSUPPORT }, .reason = "R" },
	  "BAD     pi:1: R\n" },
};

static void judge_hosts(void)
{
	for (size_t i = 0; i < LENGTH(hosts); i++) {
		static struct doctor_report report;

		memset(&report, 0, sizeof(report));
		doctor_judge_host(&report, &hosts[i].host);
		CHECK_STR(report.text, hosts[i].text);
		CHECK_INT(report.bad, hosts[i].host.list.outcome != EXCHANGE_OK);
	}
}

/* A machine of its own: root/sys, root/etc, ... */
static char root[TEMP_SIZE], sys[TEMP_SIZE + 8], run_dir[TEMP_SIZE + 8], config[TEMP_SIZE + 8];
static struct doctor_facts facts;

static void begin(const char *tree)
{
	temp_make(root);
	snprintf(sys, sizeof(sys), "%s/sys", root);
	snprintf(run_dir, sizeof(run_dir), "%s/notes", root);
	snprintf(config, sizeof(config), "%s/config", root);
	must(!mkdir(sys, 0755), "make /sys");
	if (tree)
		tree_unpack(sys, tree);
	put_file(root, "proc/sys/kernel/osrelease", "6.1.0\n");
}

/* The clock, as the test wants it. */
static time_t now = 1704067200;

time_t __wrap_time(time_t *t);

time_t __wrap_time(time_t *t)
{
	CHECK(!t);
	return now;
}

static void look_for(bool client)
{
	struct daemon_options options = { .sysfs = sys, .run = run_dir, .config = config };
	struct sysfs sysfs;

	memset(&facts, 0, sizeof(facts));
	facts.port = "3240";
	must(!sysfs_open(&sysfs, sys), "open the tree");
	CHECK_INT(doctor_look(&facts, &sysfs, &options, client), 0);
	sysfs_close(&sysfs);
}

static void look(void)
{
	look_for(false);
}

static void end(void)
{
	temp_remove(root);
}

static bool sign(enum doctor_sign which)
{
	return facts.signs >> which & 1;
}

static void empty_machine(void)
{
	begin(NULL);
	look();
	CHECK_STR(facts.release, "6.1.0");
	CHECK_INT(facts.part[S].driver, -ENOENT);
	CHECK_INT(facts.part[C].driver, -ENOENT);
	CHECK_INT(facts.part[S].module, MODULE_GONE);
	CHECK_INT(facts.slots, -ENOENT);
	CHECK_INT(facts.failed_port, -1);
	CHECK(!facts.listening && !facts.listener[0] && !facts.loose[0]);
	CHECK_INT(sign(SIGN_UNSEEN), geteuid() != 0);
	CHECK_INT(facts.signs & ~(1U << SIGN_UNSEEN), 0);
	end();
}

#define DEP "lib/modules/6.1.0/modules.dep"
#define DRIVERS "kernel/drivers/usb/usbip/"

static void modules(void)
{
	begin(NULL);
	put_file(root, DEP, "kernel/drivers/usb/core/usbcore.ko:\n");
	look();
	CHECK_INT(facts.part[S].module, MODULE_MISSING);
	CHECK_INT(facts.part[C].module, MODULE_MISSING);
	put_file(root, DEP, DRIVERS "usbip-host.ko.xz: " DRIVERS "usbip-core.ko.xz\n");
	look();
	CHECK_INT(facts.part[S].module, MODULE_LOADABLE);
	CHECK_INT(facts.part[C].module, MODULE_MISSING);
	put_file(root, "lib/modules/6.1.0/modules.builtin", DRIVERS "vhci-hcd.ko\n");
	look();
	CHECK_INT(facts.part[C].module, MODULE_LOADABLE);
	end();
	begin(NULL);
	put_file(root, "lib/modules/6.1.0/vhci-hcd.ko", "");
	look();
	CHECK_INT(facts.part[C].module, MODULE_LOADABLE);
	CHECK_INT(facts.part[S].module, MODULE_MISSING);
	end();
}

static void distributions(void)
{
	static const struct {
		const char *release, *remedy; /* a part of it */
	} row[] = {
		{ "NAME=x\nID=debian\n", "linux-image-$(dpkg" },
		{ "ID=raspbian\nID_LIKE=debian\n", "full-upgrade" },
		{ "ID_LIKE=debian\nID=ubuntu\n", "linux-modules-extra-$(uname -r)" },
		{ "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "linux-modules-extra-$(uname -r)" },
		{ "ID=\"fedora\"\n", "dnf install kernel-modules-extra-$(uname -r)" },
		{ "ID=alpine", "apk add linux-lts" },
		{ "ID=\"openwrt\"\nID_LIKE=\"lede openwrt\"\n", "opkg install kmod-usbip-server" },
		{ "ID=gentoo\n", "install the kernel's package of modules" },
		{ "", "install the kernel's package of modules" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin(NULL);
		put_file(root, "etc/os-release", row[i].release);
		look();
		if (!strstr(facts.remedy, row[i].remedy))
			check_fault(__FILE__, __LINE__, "%s for #%zu", facts.remedy, i);
		end();
	}
}

#define WANTS "etc/systemd/system/multi-user.target.wants/"

static void check_roles(bool server, bool client, bool see_server, bool see_client)
{
	CHECK_INT(facts.part[S].wanted, server);
	CHECK_INT(facts.part[C].wanted, client);
	CHECK_INT(facts.part[S].looked_at, see_server);
	CHECK_INT(facts.part[C].looked_at, see_client);
}

static void roles(void)
{
	begin(NULL);
	look();
	check_roles(true, false, true, true);
	look_for(true);
	check_roles(false, true, false, true);
	put_file(root, WANTS "usbip-attach.service", "[Unit]\n");
	look();
	check_roles(false, true, false, true);
	CHECK(facts.part[C].installed && !facts.part[C].script && !facts.part[C].running);
	put_file(root, WANTS "usbip-bind.service", "[Unit]\n");
	look();
	check_roles(true, true, true, true);
	end();
	begin(NULL);
	put_file(root, "etc/init.d/usbip-bind", "#!/bin/sh\n");
	look_for(true);
	check_roles(true, true, true, true);
	CHECK(!facts.part[S].script);
	put_file(root, WANTS "usbip-bind.service",
		 "[Service]\nExecStart=/opt/usbip/usbip-bind.sh\n");
	look();
	CHECK(facts.part[S].script);
	end();
}

static void running(void)
{
	struct state state;

	begin(NULL);
	must(!state_open(&state, run_dir, "client"), "take the lock");
	look();
	check_roles(false, true, false, true);
	CHECK(facts.part[C].running && !facts.part[S].running);
	state_close(&state, false);
	look();
	CHECK(!facts.part[C].running);
	end();
}

static void held(void)
{
	begin(NULL);
	put_file(root, "config/held.server", "0951:1666/60A4\n0627:0001@1-1.4\n");
	look();
	CHECK_INT(facts.part[S].held, 2);
	CHECK_INT(facts.part[C].held, 0);
	end();
}

#define STUB "sys/bus/usb/drivers/usbip-host/"
#define DEVICES "sys/bus/usb/devices/"

static void put_device(const char *bus, const char *busid, const char *class, const char *driver,
		       const char *status)
{
	const char *const file[][2] = { { "idVendor", "0627\n" }, { "idProduct", "0001\n" },
					{ "bDeviceClass", class } };
	char path[100], target[100];

	snprintf(target, sizeof(target), "../../../devices/%s/usb1/%s", bus, busid);
	snprintf(path, sizeof(path), DEVICES "%s", busid);
	put_link(root, path, target);
	for (size_t i = 0; i < LENGTH(file); i++) {
		snprintf(path, sizeof(path), "sys/devices/%s/usb1/%s/%s", bus, busid,
			 file[i][0]);
		put_file(root, path, file[i][1]);
	}
	snprintf(path, sizeof(path), "sys/devices/%s/usb1/%s/driver", bus, busid);
	snprintf(target, sizeof(target), "../../../../bus/usb/drivers/%s", driver);
	put_link(root, path, target);
	snprintf(path, sizeof(path), "sys/devices/%s/usb1/%s/usbip_status", bus, busid);
	if (status)
		put_file(root, path, status);
}

static void stub(void)
{
	begin(NULL);
	put_file(root, STUB "match_busid", "1-1 1-2 3-1 \n");
	put_device("pci", "1-1", "00\n", "usbip-host", "1\n");
	put_device("pci", "1-2", "00\n", "usbip-host", "3\n");
	put_device("pci", "1-3", "00\n", "usb", NULL);
	put_device("pci", "1-4", "09\n", "usb", NULL);
	put_device("platform/vhci_hcd.0", "3-1", "00\n", "usb", NULL);
	look();
	CHECK_INT(facts.part[S].driver, 0);
	CHECK_INT(facts.slots, 3);
	CHECK_INT(facts.devices, 3);
	CHECK_INT(facts.bound, 2);
	CHECK_INT(facts.failed, 1);
	CHECK_STR(facts.failed_name, "1-2 (0627:0001)");
	end();
}

static void vhci(void)
{
	begin(FIXTURES "sysfs/client-6.12.tree");
	look();
	CHECK_INT(facts.part[C].driver, 0);
	CHECK(facts.ports[0] >= 8);
	CHECK_INT(facts.ports[0], facts.ports[1]);
	CHECK(facts.free[0] + facts.free[1] < facts.ports[0] + facts.ports[1]);
	CHECK_INT(facts.failed_port, -1);
	put_file(root, "sys/devices/platform/vhci_hcd.0/status",
		 "hub port sta spd dev      sockfd local_busid\n"
		 "hs  0000 004 000 00000000 000000 0-0\n"
		 "hs  0001 007 000 00000000 000000 0-0\n"
		 "ss  0002 004 000 00000000 000000 0-0\n");
	take_away(root, "sys/devices/platform/vhci_hcd.0/status.1");
	look();
	CHECK_INT(facts.ports[0], 2);
	CHECK_INT(facts.free[0], 1);
	CHECK_INT(facts.ports[1], 1);
	CHECK_INT(facts.free[1], 1);
	CHECK_INT(facts.failed_port, 1);
	end();
}

#define TCP "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid\n"
#define ROW(local, state, inode)                                                                   \
	"   0: " local " 00000000:0000 " state " 00000000:00000000 00:00000000 00000000 0 0 " inode   \
	" 1 0 100\n"

static void put_process(const char *pid, const char *comm, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%s/comm", pid);
	put_file(root, path, comm);
	snprintf(path, sizeof(path), "proc/%s/fd/3", pid);
	put_link(root, path, file);
}

static void listener(void)
{
	begin(NULL);
	put_process("7", "other\n", "socket:[4711]");
	put_process("8", "usbiphp-server\n", "socket:[47]");
	put_process("self", "usbipd\n", "socket:[47]");
	put_file(root, "proc/net/tcp", TCP ROW("00000000:0CA9", "0A", "4711")
					       ROW("0100007F:0CA8", "01", "4711"));
	look();
	CHECK(!facts.listening);
	CHECK_STR(facts.listener, "");
	put_file(root, "proc/net/tcp6", TCP ROW("00000000000000000000000000000000:0CA8", "0A", "47"));
	take_away(root, "proc/self");
	look();
	CHECK(facts.listening);
	CHECK_STR(facts.listener, "usbiphp-server");
	take_away(root, "proc/8/fd");
	look();
	CHECK(facts.listening);
	CHECK_STR(facts.listener, "");
	put_process("9", "exactly15chars_\n", "socket:[47]");
	look();
	CHECK_STR(facts.listener, "exactly15chars_");
	end();
}

static void many_listeners(void)
{
	char text[8000] = TCP;

	begin(NULL);
	for (unsigned i = 0; i < 40; i++)
		strcat(text, ROW("0100007F:0CA8", "0A", "11"));
	put_file(root, "proc/net/tcp", text);
	put_file(root, "proc/net/tcp6", TCP "   0: 0:0CA8\n\n   x\n 1 2 3 4 5 6 7 8 9 10\n");
	look();
	CHECK(facts.listening);
	end();
}

static void programs(void)
{
	static const struct {
		const char *comm;
		enum doctor_sign which;
	} row[] = { { "ModemManager\n", SIGN_MODEM_MANAGER },
		    { "usbguard-daemon\n", SIGN_USBGUARD },
		    { "udisksd\n", SIGN_UDISKS },
		    { "firewalld\n", SIGN_FIREWALLD } };

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin(NULL);
		put_file(root, "proc/1/comm", "init\n");
		put_file(root, "proc/77/comm", row[i].comm);
		look();
		CHECK_INT(facts.signs & ~(1U << SIGN_UNSEEN), 1U << row[i].which);
		end();
	}
}

static void firewalls(void)
{
	begin(NULL);
	put_file(root, "etc/ufw/ufw.conf", "ENABLED=no\n");
	put_file(root, "sys/module/nf_tables/refcnt", "0\n");
	put_file(root, "proc/net/ip_tables_names", "");
	look();
	CHECK(!sign(SIGN_UFW) && !sign(SIGN_NETFILTER));
	put_file(root, "sys/module/nf_tables/refcnt", "12\n");
	look();
	CHECK(!sign(SIGN_UFW) && sign(SIGN_NETFILTER));
	put_file(root, "sys/module/nf_tables/refcnt", "0\n");
	put_file(root, "proc/net/ip_tables_names", "filter\n");
	look();
	CHECK(!sign(SIGN_UFW) && sign(SIGN_NETFILTER));
	put_file(root, "etc/ufw/ufw.conf", "# x\nENABLED=yes\n");
	look();
	CHECK(sign(SIGN_UFW) && !sign(SIGN_NETFILTER));
	end();
}

static void clock_unset(void)
{
	begin(NULL);
	look();
	CHECK(!sign(SIGN_CLOCK));
	now--;
	look();
	CHECK(sign(SIGN_CLOCK));
	now++;
	end();
}

static void set_mode(const char *path, mode_t mode)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s/%s", root, path);
	must(!chmod(name, mode), name);
}

static void places(void)
{
	static const char *const path[] = { "config", "config/rules", "config/hooks.d",
					    "config/hooks.d/10-x", "notes", "notes/bound" };
	char want[PATH_MAX];

	for (size_t i = 0; i < LENGTH(path); i++) {
		begin(NULL);
		put_file(root, "config/rules", "");
		put_file(root, "config/hooks.d/10-x", "");
		put_file(root, "notes/bound", "");
		look();
		CHECK_STR(facts.loose, "");
		set_mode(path[i], i % 2 ? 0664 : 0757);
		look();
		snprintf(want, sizeof(want), "%s/%s", root, path[i]);
		if (strncmp(facts.loose, want, strlen(want)) != 0)
			check_fault(__FILE__, __LINE__, "\"%s\" for %s", facts.loose, path[i]);
		end();
	}
}

/* What is no file, and what is not ours. */
static void no_places(void)
{
	char name[PATH_MAX];

	begin(NULL);
	put_file(root, "notes/bound", "");
	snprintf(name, sizeof(name), "%s/notes/control", root);
	must(!mknod(name, S_IFSOCK | 0600, 0) && !chmod(name, 0666), name);
	must(!chmod(root, 0777), root);
	look();
	CHECK_STR(facts.loose, "");
	end();
}

/* Only root can give a file away. */
static void owned_by_another(void)
{
	char name[PATH_MAX];

	if (geteuid())
		return;
	begin(NULL);
	put_file(root, "config/hooks.d/10-x", "");
	snprintf(name, sizeof(name), "%s/config/hooks.d/10-x", root);
	must(!chown(name, 1, 0), name);
	look();
	CHECK_STR(facts.loose, name);
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	listener();
	places();
	firewalls();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	umask(022);
	judge();
	RUN("t_doctor: says: what others may change", loose);
	RUN("t_doctor: a report that is full", full);
	RUN("t_doctor: says: servers", judge_hosts);
	RUN("t_doctor: sees nothing", empty_machine);
	RUN("t_doctor: sees modules", modules);
	RUN("t_doctor: sees the distribution", distributions);
	RUN("t_doctor: sees the roles", roles);
	RUN("t_doctor: sees a daemon", running);
	RUN("t_doctor: sees what is switched off", held);
	RUN("t_doctor: sees usbip-host and its devices", stub);
	RUN("t_doctor: sees vhci-hcd and its ports", vhci);
	RUN("t_doctor: sees who listens", listener);
	RUN("t_doctor: sees only some of many that listen", many_listeners);
	RUN("t_doctor: sees programs", programs);
	RUN("t_doctor: sees firewalls", firewalls);
	RUN("t_doctor: sees a clock that is not set", clock_unset);
	RUN("t_doctor: sees what others may change", places);
	RUN("t_doctor: sees what others may change rightly", no_places);
	RUN("t_doctor: sees what is another's", owned_by_another);
	RUN("t_doctor: no descriptor is left open", no_leak);
	return check_status();
}
