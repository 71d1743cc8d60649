/* SPDX-License-Identifier: MIT */
/*
 * Tests of usbiphp doctor: its report on trees of a whole machine.
 * LINK: -Wl,--wrap=time,--wrap=__time64,--wrap=query_confine,--wrap=sandbox_has_landlock
 */
#include "client/request.h"
#include "cmd/cmd.h"

#include "tests/files.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

/* A machine of its own: root/sys, root/etc, ... */
static char root[TEMP_SIZE], sys[TEMP_SIZE + 8], run_dir[TEMP_SIZE + 8], config[TEMP_SIZE + 8];
static char *said; /* the output of the doctor */
static int exit_status;

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
	put_file(root, "proc/sys/kernel/version", "#1 SMP Debian 7.3.4-1 (2026-10-11)\n");
	put_link(root, "proc/1/exe", "/sbin/init");
}

static void end(void)
{
	temp_remove(root);
	free(said);
	said = NULL;
}

/* The time of the wrapped clock. */
static time_t now = 1704067200;

time_t __wrap_time(time_t *t);
time_t __wrap___time64(time_t *t);

time_t __wrap_time(time_t *t)
{
	CHECK(!t);
	return now;
}

/* musl's name for it where a long has 32 bits. */
time_t __wrap___time64(time_t *t)
{
	return __wrap_time(t);
}

/* It would be for good. */
void __wrap_query_confine(struct ssh *ssh, const struct psk *key,
			  const struct endpoint *server, unsigned servers);

void __wrap_query_confine(struct ssh *ssh, const struct psk *key,
			  const struct endpoint *server, unsigned servers)
{
	(void)ssh;
	(void)key;
	(void)server;
	CHECK_INT(servers, 1);
}

/* What a kernel may lack. */
static bool landlock = true;
bool __wrap_sandbox_has_landlock(void);

bool __wrap_sandbox_has_landlock(void)
{
	return landlock;
}

static struct keys *keys; /* of --psk */

/* Runs the doctor with that server, or NULL, and keeps its output. */
static void look_for(const struct endpoint *server)
{
	struct daemon_options options = { .sysfs = sys, .run = run_dir, .config = config,
					  .keys = keys };
	char path[TEMP_SIZE + 8];
	int was = dup(STDOUT_FILENO), fd;

	snprintf(path, sizeof(path), "%s/said", root);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(was >= 0 && fd >= 0 && !fflush(stdout) && dup2(fd, STDOUT_FILENO) >= 0, "redirect");
	exit_status = cmd_doctor(&options, "3240", server, server != NULL);
	must(dup2(was, STDOUT_FILENO) >= 0 && !close(was) && !close(fd), "restore");
	free(said);
	said = file_read(path, NULL);
	must(said, path);
	CHECK_INT(exit_status, strstr(said, "BAD     ") != NULL);
}

static void look(void)
{
	look_for(NULL);
}

/* How many lines begin with head. */
static unsigned lines(const char *head)
{
	unsigned n = 0;

	for (const char *line = said; *line; line = strchr(line, '\n') + 1)
		n += !strncmp(line, head, strlen(head));
	return n;
}

/* The output has that line once. */
#define SAYS(line)                                                                                 \
	do {                                                                                       \
		if (lines(line "\n") != 1)                                                         \
			check_fault(__FILE__, __LINE__, "not said: %s; but: %s", line, said);      \
	} while (0)
/* No line begins with head. */
#define LACKS(head)                                                                                \
	do {                                                                                       \
		if (lines(head))                                                                   \
			check_fault(__FILE__, __LINE__, "said: %s; in: %s", head, said);           \
	} while (0)

static struct rundir server;

static void start_server(void)
{
	must(!rundir_open(&server, run_dir, "server"), "take the lock");
}

static void stop_server(void)
{
	rundir_close(&server, false);
}

#define NO_MODULES                                                                                 \
	": no modules are installed for the running Linux 6.1.0: reboot; in a container, run "     \
	"modprobe "

#define UNSEEN                                                                                     \
	"warn    left alone, unless a rule names it, is each device that a program may have open: "

/* Whether the server can see who uses a device. */
static void sight(void)
{
	begin(NULL);
	look();
	LACKS(UNSEEN);
	put_link(root, "proc/self/ns/pid", "pid:[4026532199]");
	look();
	SAYS(UNSEEN "a container can see that only with --pid=host -v /dev:/dev");
	take_away(root, "proc/self");
	take_away(root, "proc/1/exe");
	look();
	SAYS(UNSEEN "only root with CAP_SYS_PTRACE can see that");
	end();
}

static void empty_machine(void)
{
	begin(NULL);
	look();
	SAYS("BAD     /dev/bus/usb: No such file or directory: in a container, let it use the USB "
	     "devices of its host");
	SAYS("BAD     usbip-host" NO_MODULES "usbip-host on its host");
	SAYS("warn    vhci-hcd" NO_MODULES "vhci-hcd on its host");
	SAYS("warn    usbiphp-server is not running: systemctl restart usbip-bind, or ./install.sh "
	     "server");
	SAYS("warn    usbiphp-client is not running: systemctl restart usbip-attach, or "
	     "./install.sh client");
	CHECK_INT(lines("warn    not run as root: some checks are incomplete\n"), geteuid() != 0);
	CHECK_INT(lines(""), geteuid() ? 6 : 5);
	end();
}

#define DEP "lib/modules/6.1.0/modules.dep"
#define DRIVERS "kernel/drivers/usb/usbip/"

static void modules(void)
{
	begin(NULL);
	put_file(root, DEP, "kernel/drivers/usb/core/usbcore.ko:\n");
	look();
	CHECK_INT(lines("BAD     usbip-host is not installed: "), 1);
	CHECK_INT(lines("warn    vhci-hcd is not installed: "), 1);
	put_file(root, DEP, DRIVERS "usbip-host.ko.xz: " DRIVERS "usbip-core.ko.xz\n");
	look();
	SAYS("ok      usbip-host is not loaded: modprobe usbip-host");
	CHECK_INT(lines("warn    vhci-hcd is not installed: "), 1);
	end();
	begin(NULL);
	put_file(root, "lib/modules/6.1.0/vhci-hcd.ko", "");
	look();
	SAYS("ok      vhci-hcd is not loaded: modprobe vhci-hcd");
	CHECK_INT(lines("BAD     usbip-host is not installed: "), 1);
	end();
}

#define CONFIG "boot/config-6.1.0"
#define HOST_LEFT_OUT "BAD     usbip-host is disabled in this kernel's configuration: "
#define VHCI_LEFT_OUT "warn    vhci-hcd is disabled in this kernel's configuration: "

static void configuration(void)
{
	static const struct {
		const char *text;
		bool host, vhci;
	} row[] = {
		{ "# CONFIG_USBIP_CORE is not set\n", true, true },
		{ "CONFIG_USBIP_CORE=m\n# CONFIG_USBIP_HOST is not set\n", true, false },
		{ "CONFIG_USBIP_CORE=m\n# CONFIG_USBIP_VHCI_HCD is not set\n", false, true },
		{ "CONFIG_USBIP_CORE=m\nCONFIG_USBIP_VHCI_HCD=m\nCONFIG_USBIP_HOST=m\n", false,
		  false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin(NULL);
		put_file(root, DEP, "");
		put_file(root, CONFIG, row[i].text);
		look();
		CHECK_INT(lines(HOST_LEFT_OUT), row[i].host);
		CHECK_INT(lines("BAD     usbip-host is not installed: "), !row[i].host);
		CHECK_INT(lines(VHCI_LEFT_OUT), row[i].vhci);
		CHECK_INT(lines("warn    vhci-hcd is not installed: "), !row[i].vhci);
		end();
	}
}

/* The tls module is checked only with --psk. */
static void tls(void)
{
	static struct keys some;

	begin(NULL);
	put_file(root, "proc/sys/net/ipv4/tcp_available_ulp", "espintcp mptcp\n");
	look();
	CHECK(!strstr(said, "tls"));
	keys = &some;
	look();
	SAYS("ok      tls cannot be used: a process for each connection encrypts, which takes longer");
	put_file(root, DEP, "kernel/net/unix/unix.ko:\n");
	look();
	SAYS("ok      tls cannot be used: a process for each connection encrypts, which takes longer");
	put_file(root, DEP, "kernel/net/tls/tls.ko.xz:\n");
	look();
	SAYS("ok      tls is not loaded: modprobe tls");
	put_file(root, "proc/sys/net/ipv4/tcp_available_ulp", "espintcp mptcp tls\n");
	look();
	SAYS("ok      tls is loaded");
	keys = NULL;
	end();
}

/* Which of the faults the doctor tells of. */
static void kernels(void)
{
	static const struct {
		const char *release, *version;
		const char *vhci, *tls; /* what it is called; NULL: nothing is said */
	} row[] = {
		{ "6.1.0-50-amd64", "#1 SMP Debian 6.1.192-1 (2026-11-02)", "6.1.192", NULL },
		{ "6.1.0-50-amd64", "#1 SMP Debian 6.1.191-1 (2026-11-02)", "6.1.191", "6.1.191" },
		{ "6.12.114+rpt-rpi-v8", "#1 SMP PREEMPT Debian 1:6.12.114-1+rpt1 (2026-09-16)",
		  "6.12.114", "6.12.114" },
		{ "6.12.115+rpt-rpi-v8", "#1 SMP PREEMPT Debian 1:6.12.115-1+rpt1 (2026-09-16)",
		  "6.12.115", NULL },
		{ "6.6.99", "#1 SMP", "6.6.99", "6.6.99" },
		{ "5.10.3", "#1 SMP", "5.10.3", "5.10.3" },
		{ "6.1.192", "#1 SMP", "6.1.192", NULL },
		{ "6.18.7", "#1 SMP", "6.18.7", NULL },
		{ "7.2.99", "#1 SMP", "7.2.99", NULL },
		{ "7.3.0", "#1 SMP", NULL, NULL },
		{ "7.3-rc1", "#1 SMP", NULL, NULL },
		{ "8.0.1", "#1 SMP", NULL, NULL },
		{ "6.1", "", "6.1.0", "6.1.0" },
		{ "6.1-200", "", "6.1.0", "6.1.0" },
		{ "6.1.99999999999999999999", "", "6.1.1023", NULL },
		{ "", "", "0.0.0", "0.0.0" },
	};
	static struct keys some;
	char head[64];

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin(NULL);
		put_file(root, "proc/sys/kernel/osrelease", row[i].release);
		put_file(root, "proc/sys/kernel/version", row[i].version);
		look();
		snprintf(head, sizeof(head), "warn    Linux %s: a malicious server", row[i].vhci);
		CHECK_INT(lines("warn    Linux"), row[i].vhci != NULL);
		CHECK_INT(lines(head), row[i].vhci != NULL);
		keys = &some;
		look();
		snprintf(head, sizeof(head), "warn    Linux %s: sessions with a key", row[i].tls);
		CHECK_INT(lines("warn    Linux"), (row[i].vhci != NULL) + (row[i].tls != NULL));
		CHECK_INT(lines(head), row[i].tls != NULL);
		keys = NULL;
		end();
	}
	begin(NULL);
	landlock = false;
	look();
	SAYS("warn    this kernel has no Landlock: a daemon that is taken over may write to root's "
	     "files");
	landlock = true;
	end();
}

/* The USB controller of the older Raspberry Pis. */
static void controller(void)
{
	begin(NULL);
	look();
	CHECK(!strstr(said, "dwc_otg"));
	put_file(root, "sys/bus/platform/drivers/dwc_otg/bind", "");
	look();
	SAYS("warn    the USB controller's driver dwc_otg may lock up: write dtoverlay=dwc2 into "
	     "/boot/firmware/config.txt, then reboot");
	end();
}

/* A key of the server that is one of the client's, too. */
static void same_key(void)
{
	static const char a[] = "laptop:00112233445566778899aabbccddeeff\n",
			  b[] = "other@pi.lan:00112233445566778899aabbccddeeff\n",
			  c[] = "laptop:000102030405060708090a0b0c0d0e0f\n";
	static const struct {
		const char *server[2], *client[2];
		const char *named; /* NULL: nobody */
	} row[] = {
		{ { a, "" }, { b, "" }, "laptop" },
		{ { b, c }, { a, "" }, "other@pi.lan" },
		{ { a, "" }, { "desk@attic:ffeeddccbbaa99887766554433221100\n", b }, "laptop" },
		{ { a, "" }, { c, "" }, NULL },
		{ { b, "" }, { c, "" }, NULL },
	};
	char path[TEMP_SIZE + 32], text[200], head[64];

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin(NULL);
		snprintf(text, sizeof(text), "%s%s", row[i].server[0], row[i].server[1]);
		put_file(root, "config/keys", text);
		snprintf(path, sizeof(path), "%s/config/keys", root);
		chmod(path, 0600);
		look();
		CHECK(!strstr(said, "is a key of")); /* this machine is no client */
		snprintf(text, sizeof(text), "%s%s", row[i].client[0], row[i].client[1]);
		put_file(root, "config/key", text);
		snprintf(path, sizeof(path), "%s/config/key", root);
		chmod(path, 0600);
		look();
		snprintf(head, sizeof(head), "BAD     %s is a key of the server and of the client: ",
			 row[i].named);
		CHECK_INT(lines(head), row[i].named != NULL);
		CHECK_INT(strstr(said, "is a key of") != NULL, row[i].named != NULL);
		end();
	}
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
		{ "ID=\"ol\"\nID_LIKE=\"fedora\"\n", "kernel-uek-modules-extra-$(uname -r)" },
		{ "ID=\"rhel\"\nID_LIKE=\"fedora\"\n", "ELRepo" },
		{ "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", "ELRepo" },
		{ "ID_LIKE='rhel fedora'\nID=scientific\n", "ELRepo" },
		{ "ID=arch\nID_LIKE=debian\n", "pacman -Syu linux" },
		{ "NAME=fedora\nVERSION_ID=debian\nID=arch\n", "pacman -Syu linux" },
		{ "ID=debianish\nHOME_URL=ubuntu\n", "distribution's package" },
		{ "ID=\"openwrt\"\nID_LIKE=\"lede openwrt\"\n", "opkg install kmod-usbip-server" },
		{ "ID=immortalwrt\nID_LIKE=\"lede openwrt\"\n", "opkg install kmod-usbip-server" },
		{ "ID=gentoo\n", "distribution's package" },
		{ "ID\n=\nID=\nID_LIKE=\"\n", "distribution's package" },
		{ "", "distribution's package" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin(NULL);
		put_file(root, "etc/os-release", row[i].release);
		put_file(root, DEP, "");
		look();
		if (!strstr(said, row[i].remedy))
			check_fault(__FILE__, __LINE__, "%s for #%zu", said, i);
		end();
	}
}

/* Files that tell more than os-release. */
static void distribution_files(void)
{
	begin(NULL);
	put_file(root, DEP, "");
	put_file(root, "etc/os-release", "ID=debian\n");
	put_file(root, "etc/rpi-issue", "");
	look();
	SAYS("BAD     usbip-host is not installed: apt-get full-upgrade, then reboot");
	put_file(root, "etc/os-release", "ID=openwrt\n");
	take_away(root, "etc/rpi-issue");
	put_file(root, "usr/bin/apk", "");
	look();
	SAYS("BAD     usbip-host is not installed: apk add kmod-usbip-server");
	SAYS("warn    vhci-hcd is not installed: apk add kmod-usbip-client");
	end();
}

#define WANTS "etc/systemd/system/multi-user.target.wants/"

/* Which roles are checked, and the level of a service that does not run; "": not checked. */
static void check_roles(const char *server_level, const char *client_level)
{
	char head[64];

	snprintf(head, sizeof(head), "%-8susbiphp-server is not running: ", server_level);
	CHECK_INT(lines(head), *server_level != '\0');
	snprintf(head, sizeof(head), "%-8susbiphp-client is not running: ", client_level);
	CHECK_INT(lines(head), *client_level != '\0');
	CHECK_INT(strstr(said, " usbip-host") != NULL, *server_level != '\0');
	CHECK_INT(strstr(said, " vhci-hcd") != NULL, *client_level != '\0');
}

/* A socket with a port of its own that does not listen yet. */
static int take_port(struct endpoint *endpoint)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	char name[40];
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && !bind(fd, (struct sockaddr *)&address, len) &&
		     !getsockname(fd, (struct sockaddr *)&address, &len),
	     "take a port");
	snprintf(name, sizeof(name), "127.0.0.1:%u", ntohs(address.sin_port));
	must(!endpoint_parse(endpoint, name, "1"), "parse");
	return fd;
}

static void roles(void)
{
	struct endpoint nobody, nameless;
	char want[ENDPOINT_NAME_SIZE + 100];
	int fd = take_port(&nobody);

	begin(NULL);
	look();
	check_roles("warn", "warn");
	look_for(&nobody);
	check_roles("", "warn");
	snprintf(want, sizeof(want),
		 "BAD     %s: Connection refused: is it running? On the server: usbiphp doctor\n",
		 nobody.name);
	CHECK_INT(lines(want), 1);
	must(!endpoint_parse(&nameless, "[fe80::1%nowhere]", "3240"), "parse");
	look_for(&nameless);
	CHECK_INT(lines("BAD     [fe80::1%nowhere]:3240: No such device: "
			"see the servers of this network: usbiphp find\n"), 1);
	put_file(root, WANTS "usbip-attach.service", "[Unit]\n");
	look();
	check_roles("", "BAD");
	put_file(root, WANTS "usbip-bind.service", "[Unit]\n");
	look();
	check_roles("BAD", "BAD");
	take_away(root, WANTS "usbip-attach.service");
	look();
	check_roles("BAD", "");
	look_for(&nobody);
	check_roles("BAD", "warn");
	end();
	close(fd);
}

/* A server that closes the connection before it has sent a byte. */
static void hangs_up(void)
{
	struct endpoint rude;
	char want[ENDPOINT_NAME_SIZE + 200];
	int fd = take_port(&rude);
	pid_t child;

	must(!listen(fd, 1), "listen");
	child = fork();
	must(child >= 0, "fork");
	if (!child)
		_exit(close(accept(fd, NULL, NULL)));
	begin(NULL);
	look_for(&rude);
	snprintf(want, sizeof(want),
		 "BAD     %s: it hung up: is --psk given at one end only, or is this end not in "
		 "its --allow? (on the server: usbiphp doctor)\n",
		 rude.name);
	CHECK_INT(lines(want), 1);
	end();
	close(fd);
	waitpid(child, NULL, 0); /* the doctor's loop may have reaped it */
}

static void running(void)
{
	struct rundir state;

	begin(NULL);
	must(!rundir_open(&state, run_dir, "client"), "take the lock");
	look();
	SAYS("ok      usbiphp-client is running");
	LACKS("warn    usbiphp-server");
	rundir_close(&state, false);
	look();
	LACKS("ok      usbiphp-client is running");
	end();
}

static void held(void)
{
	begin(NULL);
	put_file(root, "config/held.client", "");
	look();
	LACKS("ok      the server leaves");
	put_file(root, "config/held.server", "0951:1666/60A4\n0627:0001@1-1.4\n");
	look();
	SAYS("ok      the server leaves held devices alone: usbiphp status lists them");
	end();
}

#define STUB "sys/bus/usb/drivers/usbip-host/"
#define NODE "dev/bus/usb/001/001"
#define DEVICES "sys/bus/usb/devices/"

static void put_device(const char *bus, const char *busid, const char *class, const char *driver,
		       const char *state)
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
	if (state)
		put_file(root, path, state);
}

static void stub(void)
{
	char path[PATH_MAX];
	int lock;

	begin(NULL);
	put_file(root, STUB "match_busid", "1-1 1-2 3-1 \n");
	put_device("pci", "1-1", "00\n", "usbip-host", "1\n");
	put_device("pci", "1-2", "00\n", "usbip-host", "3\n");
	put_device("pci", "1-3", "00\n", "usb", NULL);
	look();
	SAYS("ok      usbip-host is loaded");
	SAYS("ok      usbip-host: 3 of 16 slots are used");
	SAYS("BAD     1-2 (0627:0001) is in an error state: systemctl restart usbip-bind");
	CHECK(!strstr(said, "1-1 (") && !strstr(said, "1-3 ("));
	put_file(root, "notes/1-3.lock", "driver usbhid does not let go of it");
	look();
	CHECK(!strstr(said, "1-3 (")); /* left by a job that has ended */
	snprintf(path, sizeof(path), "%s/1-3.lock", run_dir);
	lock = open(path, O_RDONLY | O_CLOEXEC);
	must(lock >= 0 && !flock(lock, LOCK_EX), path);
	look();
	SAYS("BAD     1-3 (0627:0001): driver usbhid does not let go of it: stop the program that uses "
	     "it, or unplug it");
	close(lock);
	put_file(root, STUB "match_busid", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 \n");
	look();
	SAYS("ok      usbip-host: 15 of 16 slots are used");
	put_file(root, STUB "match_busid", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 \n");
	look();
	SAYS("BAD     usbip-host: 16 of 16 slots are used: replug absent devices into their old "
	     "ports, or reboot");
	put_file(root, NODE, "");
	look();
	SAYS("ok      usbip-host: 16 of 16 slots are used: further devices are exported through "
	     "/dev/bus/usb");
	LACKS("BAD     usbip-host");
	end();
}

/* The server needs no module. */
static void engines(void)
{
	begin(NULL);
	put_file(root, NODE, "");
	look();
	SAYS("ok      /dev/bus/usb can be used");
	SAYS("ok      usbip-host cannot be used: devices are exported through /dev/bus/usb");
	LACKS("BAD");
	put_file(root, STUB "match_busid", "\n");
	put_device("pci", "1-1", "00\n", "usbip-host", "1\n");
	put_device("pci", "1-2", "00\n", "usb", NULL);
	look();
	SAYS("ok      exported by usbip-host: 1, by usbfs: 0");
	take_away(root, NODE);
	look();
	SAYS("ok      /dev/bus/usb can be used"); /* no first bus */
	take_away(root, "dev");
	look();
	SAYS("warn    /dev/bus/usb: No such file or directory: in a container, let it use the USB "
	     "devices of its host");
	end();
}

/* Attached or exported, and USBGuard has blocked it. */
static void not_authorized(void)
{
	begin(NULL);
	put_device("pci", "1-1", "00\n", "usbip-host", "1\n");
	put_device("platform/vhci_hcd.0", "1-2", "00\n", "usb", NULL);
	put_device("pci", "1-3", "00\n", "usb", NULL);
	look();
	CHECK(!strstr(said, "authorized"));
	put_file(root, DEVICES "1-1/authorized", "1\n");
	put_file(root, DEVICES "1-3/authorized", "0\n");
	look();
	CHECK(!strstr(said, "authorized"));
	put_file(root, DEVICES "1-1/authorized", "0\n");
	put_file(root, DEVICES "1-2/authorized", "0\n");
	look();
	SAYS("BAD     1-1 (0627:0001) is exported, but not authorized by this host: usbguard "
	     "list-devices -b, or echo 1 >/sys/bus/usb/devices/1-1/authorized");
	SAYS("BAD     1-2 (0627:0001) is attached, but not authorized by this host: usbguard "
	     "list-devices -b, or echo 1 >/sys/bus/usb/devices/1-2/authorized");
	end();
}

/* One high-speed and one super-speed port, in these states. */
static void put_ports(const char *high, const char *super)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "hub port sta spd dev      sockfd local_busid\n"
		 "hs  0000 %s 000 00000000 000000 0-0\nss  0001 %s 000 00000000 000000 0-0\n",
		 high, super);
	put_file(root, "sys/devices/platform/vhci_hcd.0/status", text);
}

static void vhci(void)
{
	begin(FIXTURES "sysfs/client-6.12.tree");
	look();
	SAYS("ok      vhci-hcd is loaded");
	SAYS("ok      vhci-hcd: 119 high-speed and 119 super-speed ports are free");
	LACKS("BAD     vhci-hcd: port");
	take_away(root, "sys/devices/platform/vhci_hcd.0/status.1");
	put_ports("004", "004");
	look();
	SAYS("ok      vhci-hcd: 1 high-speed and 1 super-speed ports are free");
	put_ports("004", "006");
	look();
	SAYS("warn    vhci-hcd: 1 high-speed and 0 super-speed ports are free: usbiphp detach "
	     "PORT");
	put_ports("006", "004");
	look();
	SAYS("BAD     vhci-hcd: 0 high-speed and 1 super-speed ports are free: usbiphp detach "
	     "PORT");
	put_ports("004", "007");
	look();
	SAYS("BAD     vhci-hcd: port 1 is in an error state: "
	     "echo 1 >/sys/devices/platform/vhci_hcd.0/detach");
	put_file(root, "sys/devices/platform/vhci_hcd.0/status",
		 "prt sta spd bus dev socket           local_busid\n"
		 "000 004 000 000 000 0000000000000000 0-0\n");
	look();
	SAYS("warn    vhci-hcd: 1 high-speed and 0 super-speed ports are free: usbiphp detach "
	     "PORT");
	end();
}

/* Attributes that only root may write. Root may write these, too. */
static void other_drivers(void)
{
	static const char *const path[] = { "attach", "detach" };
	char name[PATH_MAX];

	if (!geteuid())
		return;
	begin(FIXTURES "sysfs/client-6.12.tree");
	for (size_t i = 0; i < LENGTH(path); i++) {
		snprintf(name, sizeof(name), "%s/devices/platform/vhci_hcd.0/%s", sys, path[i]);
		must(!chmod(name, 0444), name);
	}
	look();
	SAYS("ok      vhci-hcd is loaded");
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

#define LISTENS_V6 TCP ROW("00000000000000000000000000000000:0CA8", "0A", "47")

static void listener(void)
{
	begin(NULL);
	put_process("7", "other\n", "socket:[4711]");
	put_process("8", "usbiphp-server\n", "socket:[47]");
	put_file(root, "proc/net/tcp", TCP ROW("00000000:0CA9", "0A", "4711")
					       ROW("0100007F:0CA8", "01", "4711"));
	look();
	CHECK(!strstr(said, "listens"));
	put_file(root, "proc/net/tcp6", LISTENS_V6);
	look();
	SAYS("ok      usbiphp-server listens on TCP 3240");
	take_away(root, "proc/8/fd");
	look();
	SAYS("warn    another program listens on TCP 3240: stop it, or use --listen ADDR:PORT");
	put_process("9", "exactly15chars_\n", "socket:[47]");
	look();
	SAYS("warn    exactly15chars_ listens on TCP 3240: stop it, or use --listen ADDR:PORT");
	put_process("9", "usbipd\n", "socket:[47]");
	look();
	SAYS("warn    usbipd listens on TCP 3240: stop it, or use --listen ADDR:PORT");
	end();
}

/* While the server runs, its port should be its own. */
static void listener_running(void)
{
	begin(NULL);
	start_server();
	look();
	SAYS("ok      usbiphp-server is running");
	SAYS("BAD     nothing listens on TCP 3240: systemctl restart usbip-bind");
	put_file(root, "proc/net/tcp", TCP ROW("00000000:0CA8", "0A", "47"));
	look();
	SAYS("ok      usbiphp listens on TCP 3240");
	put_process("9", "n\x1b[2J\n", "socket:[47]");
	look();
	SAYS("BAD     n?[2J listens on TCP 3240: stop it, or use --listen ADDR:PORT");
	put_process("9", "usbiphp\n", "socket:[47]");
	look();
	SAYS("ok      usbiphp listens on TCP 3240");
	stop_server();
	end();
}

static void odd_sockets(void)
{
	begin(NULL);
	put_file(root, "proc/net/tcp", TCP "   0: 0:0CA8\n\n   x\n 1 2 3 4 5 6 7 8 9 10\n");
	put_file(root, "proc/net/tcp6", TCP ROW("0CA8", "0A", "1") ROW("0:1000000CA8", "0A", "1"));
	look();
	CHECK(!strstr(said, "listens"));
	end();
}

static void programs(void)
{
	static const char *const row[][2] = {
		{ "ModemManager\n", "warn    ModemManager probes serial adapters: systemctl mask "
				    "--now ModemManager\n" },
		{ "usbguard-daemon\n",
		  "warn    usbguard-daemon may block devices: usbguard list-devices -b\n" },
		{ "udisksd\n",
		  "warn    udisksd may mount disks: systemctl mask --now udisks2\n" },
		{ "firewalld\n", "warn    firewalld filters packets: firewall-cmd --permanent "
				 "--add-port=3240/tcp; firewall-cmd --reload\n" },
		{ "usbmuxd\n", "warn    usbmuxd configures exported phones: "
			       "systemctl mask --now usbmuxd\n" },
		{ "pcscd\n", "warn    pcscd uses exported card readers: "
			     "systemctl mask --now pcscd.socket pcscd\n" },
		{ "fwupd\n", "warn    fwupd may reset exported devices: systemctl mask --now fwupd\n" },
		{ "brltty\n", "warn    brltty takes serial adapters: systemctl mask --now brltty\n" },
		{ "ipp-usb\n", "warn    ipp-usb uses exported printers: "
			       "systemctl mask --now ipp-usb\n" },
		{ "usbhid-ups\n", "warn    usbhid-ups uses an exported UPS: usbiphp release BUSID, "
				  "or remove the UPS from /etc/nut/ups.conf\n" },
		{ "upsd\n", "warn    upsd may read an exported UPS: usbiphp release BUSID, "
			    "or remove the UPS from /etc/nut/ups.conf\n" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin(NULL);
		put_file(root, "proc/1/comm", "Modem\n");
		put_file(root, "proc/2/comm", "\n");
		look();
		for (size_t k = 0; k < LENGTH(row); k++)
			CHECK(!strstr(said, row[k][1]));
		put_file(root, "proc/77/comm", row[i][0]);
		look();
		for (size_t k = 0; k < LENGTH(row); k++)
			CHECK_INT(lines(row[k][1]), k == i);
		/* a client needs those that use devices */
		put_file(root, "etc/systemd/system/multi-user.target.wants/usbip-attach.service", "");
		look();
		CHECK_INT(lines(row[i][1]), i < 4);
		end();
	}
}

#define FILTERED                                                                                   \
	"warn    a packet filter is active, it must let TCP 3240 through: ufw allow 3240/tcp, or " \
	"see nft list ruleset"

static void firewalls(void)
{
	begin(NULL);
	put_file(root, "sys/module/nf_tables/refcnt", "0\n");
	put_file(root, "proc/net/ip_tables_names", "");
	look();
	LACKS("warn    a packet filter");
	put_file(root, "sys/module/nf_tables/refcnt", "12\n");
	look();
	SAYS(FILTERED);
	put_file(root, "sys/module/nf_tables/refcnt", "0\n");
	put_file(root, "proc/net/ip_tables_names", "filter\n");
	look();
	SAYS(FILTERED);
	end();
}

static void clock_unset(void)
{
	begin(NULL);
	look();
	LACKS("warn    the clock");
	now--;
	look();
	SAYS("warn    the clock is not set: timedatectl set-ntp true");
	now++;
	end();
}

static void set_mode(const char *path, mode_t mode)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s/%s", root, path);
	must(!chmod(name, mode), name);
}

/* Whether that path is reported, and no other. */
static bool is_loose(const char *path)
{
	char want[3 * PATH_MAX];

	snprintf(want, sizeof(want),
		 "BAD     others may change %s: chown root %s; chmod go-w %s\n", path, path, path);
	return lines(want) == 1 && lines("BAD     others") == 1;
}

static void places(void)
{
	static const struct {
		const char *path, *said;
	} row[] = { { "config", "config/." },
		    { "config/rules", "config/rules" },
		    { "config/hooks.d/10-x", "config/hooks.d/10-x" },
		    { "notes", "notes/." },
		    { "notes/bound", "notes/bound" } };
	char want[PATH_MAX];

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin(NULL);
		put_file(root, "config/rules", "");
		put_file(root, "config/hooks.d/10-x", "");
		put_file(root, "notes/bound", "");
		look();
		LACKS("BAD     others");
		for (unsigned group = 0; group < 2; group++) {
			set_mode(row[i].path, group ? 0775 : 0757);
			look();
			snprintf(want, sizeof(want), "%s/%s", root, row[i].said);
			if (!is_loose(want))
				check_fault(__FILE__, __LINE__, "%s for %s", said, row[i].path);
		}
		end();
	}
}

/* A socket, and the directory above. */
static void no_places(void)
{
	char name[PATH_MAX];

	begin(NULL);
	put_file(root, "notes/bound", "");
	snprintf(name, sizeof(name), "%s/notes/control", root);
	must(!mknod(name, S_IFSOCK | 0600, 0) && !chmod(name, 0666), name);
	must(!chmod(root, 0777), root);
	look();
	LACKS("BAD     others");
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
	CHECK(is_loose(name));
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	roles();
	listener();
	places();
	firewalls();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	umask(022);
	RUN("t_doctor: an empty machine", empty_machine);
	RUN("t_doctor: in a container, and without rights", sight);
	RUN("t_doctor: modules", modules);
	RUN("t_doctor: the kernel's configuration", configuration);
	RUN("t_doctor: the tls module", tls);
	RUN("t_doctor: kernels", kernels);
	RUN("t_doctor: the controller of a Raspberry Pi", controller);
	RUN("t_doctor: one key for both roles", same_key);
	RUN("t_doctor: the distribution", distributions);
	RUN("t_doctor: the distribution's files", distribution_files);
	RUN("t_doctor: the roles", roles);
	RUN("t_doctor: a server that hangs up", hangs_up);
	RUN("t_doctor: a daemon", running);
	RUN("t_doctor: held devices", held);
	RUN("t_doctor: usbip-host and its devices", stub);
	RUN("t_doctor: both engines", engines);
	RUN("t_doctor: devices that are not authorized", not_authorized);
	RUN("t_doctor: vhci-hcd and its ports", vhci);
	RUN("t_doctor: a driver that only root may write", other_drivers);
	RUN("t_doctor: the listener", listener);
	RUN("t_doctor: the listener while the server runs", listener_running);
	RUN("t_doctor: odd lines of sockets", odd_sockets);
	RUN("t_doctor: programs", programs);
	RUN("t_doctor: firewalls", firewalls);
	RUN("t_doctor: a clock that is not set", clock_unset);
	RUN("t_doctor: files that others may change", places);
	RUN("t_doctor: files that others may rightly change", no_places);
	RUN("t_doctor: files of another user", owned_by_another);
	RUN("t_doctor: no descriptor is left open", no_leak);
	return check_status();
}
