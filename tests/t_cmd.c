/* SPDX-License-Identifier: MIT */
/*
 * Tests of the commands list, status, detach, attach, release and bind, and of --dry-run: the
 * output of the program in $USBIPHP for trees of sysfs and for status files of the daemons.
 */
#include "client/guard.h"
#include "tests/list_server.h"
#include "tests/program.h"
#include "tests/tree.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define HOST FIXTURES "sysfs/host-6.12.tree"
#define BOTH FIXTURES "sysfs/both-loop.tree"
#define CLIENT FIXTURES "sysfs/client-6.12.tree"

#define PCI "devices/pci0000:00/0000:00:02.0/"
#define KEYBOARD PCI "usb1/1-1/1-1.2/"
#define MOUSE PCI "usb1/1-3/"
#define STICK PCI "usb2/2-4/" /* bound */
#define OTHER PCI "usb2/2-5/"

#define U "usbiphp"
#define S "usbiphp-server"
#define C "usbiphp-client"

static char place[TEMP_SIZE], run_dir[TEMP_SIZE + 8], config[TEMP_SIZE + 8];

static void begin(const char *tree)
{
	start(tree);
	temp_make(place);
	snprintf(run_dir, sizeof(run_dir), "%s/run", place);
	snprintf(config, sizeof(config), "%s/config", place);
}

static void finish(void)
{
	temp_remove(place);
	end();
}

#define SHOW(...) RUN_IT(__VA_ARGS__, "--sysfs", root, "--run", run_dir, "--config", config)

static void printed(const char *word)
{
	if (strstr(got.out, word))
		return;
	fprintf(stderr, "%s", got.out);
	check_fault(__FILE__, __LINE__, "it does not print \"%.*s\"", (int)strcspn(word, "\n"), word);
}

static void not_printed(const char *word)
{
	if (!strstr(got.out, word))
		return;
	fprintf(stderr, "%s", got.out);
	check_fault(__FILE__, __LINE__, "it prints \"%.*s\"", (int)strcspn(word, "\n"), word);
}

static void all_well(void)
{
	CHECK_INT(got.status, 0);
	CHECK_STR(got.err, "");
}

/* Takes the lock of a running daemon of that role; the caller closes it. */
static int daemon_runs(const char *role)
{
	char name[40], path[PATH_MAX];
	int fd;

	snprintf(name, sizeof(name), "run/%s.lock", role);
	put_file(place, name, "");
	snprintf(path, sizeof(path), "%s/%s", place, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd >= 0 && !flock(fd, LOCK_EX), "lock");
	return fd;
}

static void list_without_server(void)
{
	begin(HOST);
	SHOW(U, "list");
	all_well();
	CHECK_STR(got.out,
		  "BUSID  ID         MBIT/S  PRODUCT                             "
		  "DRIVER      STATE\n"
		  "1-1    0409:55aa  12      QEMU USB Hub                        "
		  "usb         left alone: it is a hub\n"
		  "1-1.2  0627:0001  12      QEMU USB Keyboard                   "
		  "usb         not exported: no server runs\n"
		  "1-2    0525:a4a2  12      QEMU RNDIS/QEMU USB Network Device  "
		  "usb         not exported: no server runs\n"
		  "1-3    0627:0001  480     QEMU USB Mouse                      "
		  "usb         not exported: no server runs\n"
		  "2-4    46f4:0001  5000    QEMU USB HARDDRIVE                  "
		  "usbip-host  exported\n"
		  "2-5    46f4:0001  5000    QEMU USB HARDDRIVE                  "
		  "usb         not exported: no server runs\n");
	CHECK(!is_there(place, "run") && !is_there(place, "config"));
	finish();
}

/* The record of the running server decides, but only while it runs. */
static void list_with_server(void)
{
	int lock;

	begin(HOST);
	put_file(place, "run/left", "1-3 it holds the file system at /\n9-9 no such\n\nx\n");
	put_file(place, "run/session.2-4", "1 10.0.0.1 3240 10.0.0.7 40000\n");
	put_file(root, STICK "usbip_status", "2\n");
	take_away(root, KEYBOARD "driver");
	SHOW(U, "list");
	not_printed("it holds the file system");
	lock = daemon_runs("server");
	SHOW(U, "list");
	all_well();
	printed("QEMU USB Mouse                      usb         "
		"left alone: it holds the file system at /\n");
	printed("in use by 10.0.0.7\n");
	printed(" own driver (usb)\n");
	printed("QEMU USB Keyboard                   -           no driver\n");
	not_printed("no server runs");
	SHOW(U, "list", "--json");
	printed("\"server_running\":true");
	printed("\"state\":\"left alone\",\"reason\":\"it holds the file system at /\"");
	printed("\"state\":\"in use\",\"reason\":null,\"peer\":\"10.0.0.7\",\"peer_port\":40000,");
	printed("\"engine\":null,\"engine_reason\":null,\"devices\":");
	put_file(place, "run/engine", "usbfs usbip-host is not loaded\n");
	SHOW(U, "list");
	printed("\nfurther devices are exported by usbfs: usbip-host is not loaded\n");
	SHOW(U, "list", "--json");
	printed("\"engine\":\"usbfs\",\"engine_reason\":\"usbip-host is not loaded\",\"devices\":");
	SHOW(U, "status");
	printed("\nfurther devices are exported by usbfs: usbip-host is not loaded\n\nexported:\n");
	SHOW(U, "status", "--json");
	printed("\"engine\":\"usbfs\",\"engine_reason\":\"usbip-host is not loaded\",\"exported\":");
	put_file(place, "run/engine", "usbip-host \n");
	SHOW(U, "list");
	printed("\nfurther devices are exported by usbip-host\n");
	SHOW(U, "list", "--json");
	printed("\"engine\":\"usbip-host\",\"engine_reason\":null,\"devices\":");
	take_away(place, "run/engine");
	/* with rules or --take-all, they decide */
	SHOW(U, "list", "--take-all");
	not_printed("it holds the file system");
	put_file(root, STICK "usbip_status", "3\n");
	SHOW(U, "list");
	printed(" error\n");
	close(lock);
	finish();
}

/* A driver may hold up who asks about a device. The server has told about this one. */
static void list_does_not_ask(void)
{
	char path[PATH_MAX];
	int lock;

	begin(HOST);
	put_file(place, "run/left", "1-3 it holds the file system at /\n");
	lock = daemon_runs("server");
	for (int i = 0; i < 2; i++) {
		take_away(root, i ? STICK "authorized" : MOUSE "authorized");
		snprintf(path, sizeof(path), "%s/%s", root, i ? STICK "authorized" : MOUSE "authorized");
		must(!mkfifo(path, 0600), "make a pipe");
	}
	SHOW(U, "list");
	all_well();
	printed("left alone: it holds the file system at /\n");
	take_away(root, OTHER "authorized"); /* which the server is about to take */
	snprintf(path, sizeof(path), "%s/%s", root, OTHER "authorized");
	must(!mkfifo(path, 0600), "make a pipe");
	SHOW(U, "list");
	all_well();
	printed("own driver (usb)");
	close(lock);
	finish();
}

/* A file that is never read to its end: the list comes nevertheless. */
static void list_has_an_end(void)
{
	char path[PATH_MAX];

	begin(HOST);
	take_away(root, MOUSE "authorized");
	snprintf(path, sizeof(path), "%s/%s", root, MOUSE "authorized");
	must(!mkfifo(path, 0600), "make a pipe");
	SHOW(U, "list", "--take-all");
	all_well();
	printed("left alone: this host may need it: a disk or driver does not answer\n");
	SHOW(S, "--dry-run");
	printed("1-3 (0627:0001): would be left alone: this host may need it: a disk or driver does not");
	finish();
}

/* The job of a server that runs, or has ended: the mouse is being taken, the stick given back. */
static void stuck(void)
{
	static const char *const commands[] = { "list", "status" };
	int lock[2];

	begin(HOST);
	lock[0] = daemon_runs("1-3");
	lock[1] = daemon_runs("2-4");
	for (size_t i = 0; i < LENGTH(commands); i++) {
		SHOW(U, commands[i]);
		all_well();
		not_printed("stuck"); /* it may be quick yet */
	}
	put_file(place, "run/1-3.lock", "driver usbhid does not let go of it");
	put_file(place, "run/2-4.lock", "driver usbip-host does not let go of it");
	for (size_t i = 0; i < LENGTH(commands); i++) {
		SHOW(U, commands[i]);
		all_well();
		printed("  stuck: driver usbhid does not let go of it");
		printed("  stuck: driver usbip-host does not let go of it");
		SHOW(U, commands[i], "--json");
		printed("\"busid\":\"1-3\"");
		printed("\"state\":\"stuck\",\"reason\":\"driver usbhid does not let go of it\"");
		printed("\"state\":\"stuck\",\"reason\":\"driver usbip-host does not let go of it\"");
	}
	close(lock[0]);
	close(lock[1]);
	for (size_t i = 0; i < LENGTH(commands); i++) {
		SHOW(U, commands[i]);
		not_printed("stuck");
	}
	finish();
}

/* Blocked by USBGuard: not exported, whatever the policy says. */
static void not_authorized(void)
{
	const char *why = "left alone: it is not authorized, by USBGuard for example\n";

	begin(HOST);
	put_file(root, MOUSE "authorized", "0\n");
	SHOW(U, "list");
	all_well();
	printed(why);
	SHOW(U, "list", "--take-all");
	printed(why);
	SHOW(U, "list", "--json");
	printed("\"state\":\"left alone\",\"reason\":\"it is not authorized, by USBGuard");
	SHOW(S, "--dry-run", "--take-all", "--rule", "allow busid 1-3");
	printed("1-3 (0627:0001): would be left alone: it is not authorized, by USBGuard");
	put_file(root, MOUSE "authorized", "1\n");
	SHOW(S, "--dry-run");
	printed("1-3 (0627:0001): would be exported by usbip-host\n");
	finish();
}

static void list_held(void)
{
	begin(HOST);
	put_file(place, "config/held.server", "46f4:0001/STICK2\n0627:0001@1-3\n");
	SHOW(U, "list");
	all_well();
	printed("left alone: it is held, until 'usbiphp bind 1-3'\n");
	printed("left alone: it is held, until 'usbiphp bind 2-5'\n");
	finish();
}

static void names(void)
{
	begin(HOST);
	SHOW(U, "list", "--json");
	all_well();
	printed("\"name\":\"46f4:0001/STICK1\"");
	printed("\"name\":\"46f4:0001/STICK2\"");
	put_file(root, OTHER "serial", "STICK1\n");
	SHOW(U, "list", "--json");
	printed("\"name\":\"46f4:0001@2-4\"");
	printed("\"name\":\"46f4:0001@2-5\"");
	put_file(root, OTHER "idProduct", "0002\n");
	take_away(root, MOUSE "serial");
	SHOW(U, "list", "--json");
	printed("\"name\":\"46f4:0001/STICK1\"");
	printed("\"name\":\"46f4:0002/STICK1\"");
	printed("\"serial\":null,\"name\":\"0627:0001@1-3\"");
	finish();
	begin(BOTH); /* one of its own comes back to it as an imported one */
	SHOW(U, "list", "--json");
	not_printed("46f4:0001@2-4");
	finish();
}

/* The device's strings, else usb.ids, else its class; usb.ids may not be installed. */
static void products(void)
{
	begin(HOST);
	put_file(root, MOUSE "manufacturer", "ACME\n");
	put_file(root, MOUSE "product", "ACME Mouse\n");
	take_away(root, KEYBOARD "manufacturer");
	take_away(root, STICK "product");
	take_away(root, STICK "manufacturer");
	put_file(root, STICK "idVendor", "fffe\n");
	put_file(root, OTHER "speed", "1.5\n");
	SHOW(U, "list");
	all_well();
	printed("480     ACME Mouse  ");
	printed("12      QEMU USB Keyboard  ");
	printed("2-4    fffe:0001  5000    storage   ");
	printed("2-5    46f4:0001  1.5 ");
	SHOW(U, "list", "--json");
	printed("\"id\":\"fffe:0001\",\"speed\":5000,\"class\":\"storage\","
		"\"description\":\"storage\",\"manufacturer\":null,\"product\":null");
	printed("\"speed\":1.5,");
	put_file(root, STICK "idVendor", "0951\n");
	put_file(root, STICK "idProduct", "1666\n");
	SHOW(U, "list");
	if (!access("/usr/share/misc/usb.ids", R_OK) || !access("/usr/share/hwdata/usb.ids", R_OK))
		printed("0951:1666  5000    Kingston Technology DataTraveler");
	finish();
}

static void hostile(void)
{
	begin(HOST);
	put_file(root, MOUSE "product", "\x1b[2J\xc3\xa9\x7f\"\\\xff\n");
	put_file(root, MOUSE "manufacturer", "\xc2\x9b" "31m\n");
	put_file(place, "config/held.server", "\x1b]0;x\n");
	SHOW(U, "list");
	all_well();
	printed(" ??31m ?[2J???\"\\?  ");
	SHOW(U, "list", "--json");
	printed("\"product\":\"\\u001b[2J\xc3\xa9\\u007f\\\"\\\\\\ufffd\"");
	printed("\"manufacturer\":\"\\u009b31m\"");
	SHOW(U, "status");
	printed("held (server): ?]0;x\n");
	SHOW(S, "-n");
	printed("?]0;x: is held, and not here\n");
	finish();
}

/* Sorted by number, in whichever order the kernel lists them. */
static void order(void)
{
	static const char *const busids[] = { "1-1",	"1-1.2", "1-1.2.1", "1-1.10", "1-2",
					      "1-10",	"2-4",	 "2-5",	    "9-1",    "10-1" };
	const char *at;

	begin(HOST);
	for (size_t i = LENGTH(busids); i-- > 0;) {
		char link[64];

		snprintf(link, sizeof(link), "bus/usb/devices/%s", busids[i]);
		if (!is_there(root, link))
			put_link(root, link, "../../../" MOUSE);
	}
	SHOW(U, "list");
	at = got.out;
	for (size_t i = 0; at && i < LENGTH(busids); i++) {
		char line[64];

		snprintf(line, sizeof(line), "\n%s ", busids[i]);
		at = strstr(at, line);
		if (!at)
			check_fault(__FILE__, __LINE__, "%s is not in its place", busids[i]);
	}
	finish();
}

/* A device that never answers has no strings; the others have theirs, and the command ends. */
static void wedged(void)
{
	char path[PATH_MAX];

	begin(HOST);
	snprintf(path, sizeof(path), "%s/" MOUSE "serial", root);
	must(!unlink(path) && !mkfifo(path, 0600), "make it block");
	SHOW(U, "list", "--json");
	all_well();
	printed("\"busid\":\"1-3\",\"id\":\"0627:0001\",\"speed\":480,\"class\":\"hid\",");
	printed("\"product\":null,\"serial\":null,\"name\":\"0627:0001@1-3\"");
	printed("\"name\":\"46f4:0001/STICK1\"");
	finish();
}

static void dry_run(void)
{
	int lock;

	begin(BOTH);
	put_file(place, "config/held.server",
		 "0627:0001@1-3\n46f4:0001/STICK1\n1234:5678/GONE\n");
	SHOW(S, "--dry-run");
	all_well();
	CHECK_STR(got.out,
		  "1-1 (0409:55aa): would be left alone: it is a hub\n"
		  "1-1.2 (0627:0001): would be exported by usbip-host\n"
		  "1-2 (0525:a4a2): would be exported by usbip-host\n"
		  "1-3 (0627:0001): would be left alone: it is held, until 'usbiphp bind 1-3'\n"
		  "2-4 (46f4:0001): is exported already, though it is held, until "
		  "'usbiphp bind 2-4'\n"
		  "2-5 (46f4:0001): would be exported by usbip-host\n"
		  "4-1 (46f4:0001): would be left alone: it came over USB/IP\n"
		  "1234:5678/GONE: is held, and not here\n");
	CHECK(!is_there(place, "run"));
	take_away(place, "config/held.server");
	lock = daemon_runs("server");
	put_file(place, "run/left", "2-5 it is somebody's\n");
	SHOW(S, "-n", "--take-all", "--once", "-l", "127.0.0.1:1");
	all_well();
	printed("2-4 (46f4:0001): is exported already\n");
	printed("2-5 (46f4:0001): would be exported by usbip-host\n");
	close(lock);
	finish();
}

/* Slots of usbip-host are taken by absent devices, and by one that is present. */
static void dry_run_slots(void)
{
	begin(HOST);
	put_file(root, "bus/usb/drivers/usbip-host/match_busid",
		 "9-1 9-2 9-3 9-4 9-5 9-6 9-7 9-8 9-9 8-1 8-2 8-3 2-4 2-5 \n");
	SHOW(S, "-n");
	all_well();
	printed("1-1.2 (0627:0001): would be exported by usbip-host\n");
	printed("1-2 (0525:a4a2): would be exported by usbip-host\n");
	printed("1-3 (0627:0001): would be left alone: usbip-host knows at most 16 bus ids, none of a bus newer than the server\n");
	printed("2-5 (46f4:0001): would be exported by usbip-host\n");
	take_away(root, "bus/usb/drivers/usbip-host");
	SHOW(S, "-n");
	printed("1-3 (0627:0001): would be left alone: usbip-host is not loaded\n");
	finish();
}

/* A server would load the module. */
static void dry_run_module(void)
{
	char sys[TEMP_SIZE + 8];

	begin(NULL);
	snprintf(sys, sizeof(sys), "%s/sys", place);
	must(!mkdir(sys, 0755), "make /sys");
	tree_unpack(sys, HOST);
	take_away(sys, "bus/usb/drivers/usbip-host");
	put_file(place, "proc/sys/kernel/osrelease", "6.1.0\n");
	put_file(place, "lib/modules/6.1.0/modules.dep", "usbip/usbip-host.ko: usbip-core.ko\n");
	RUN_IT(S, "-n", "--sysfs", sys);
	printed("1-3 (0627:0001): would be exported by usbip-host\n");
	RUN_IT(S, "-n", "--sysfs", sys, "--engine", "usbfs");
	printed("1-3 (0627:0001): would be left alone: usbfs is not loaded\n");
	finish();
}

static void wrong_rules(void)
{
	begin(HOST);
	SHOW(S, "-n", "--rules", "");
	CHECK_INT(got.status, 2);
	CHECK_STR(got.out, "");
	SHOW(U, "list", "-f", "");
	CHECK_INT(got.status, 2);
	CHECK_STR(got.out, "");
	finish();
}

static void no_sysfs(void)
{
	static const char *const words[][4] = {
		{ U, "list" }, { U, "list", "--json" }, { U, "status" }, { S, "-n" },
		{ U, "status", "--watch" },
	};

	for (size_t i = 0; i < LENGTH(words); i++) {
		const char *argv[8] = { 0 };
		size_t n = 0;

		while (words[i][n]) {
			argv[n] = words[i][n];
			n++;
		}
		argv[n++] = "--sysfs";
		argv[n] = "/nonexistent/sys";
		run(argv);
		CHECK_INT(got.status, 1);
		CHECK_STR(got.out, "");
		CHECK(strstr(got.err, "/nonexistent/sys: No such file or directory\n"));
	}
}

/* A machine without USB has an empty list, which is no error. */
static void no_usb(void)
{
	begin(NULL);
	SHOW(U, "status");
	all_well();
	CHECK_STR(got.out, "server: not running, client: not running\n"
			   "\nexported: nothing\n"
			   "\nimported: no vhci-hcd here\n");
	SHOW(U, "status", "--json");
	all_well();
	CHECK_STR(got.out, "{\"version\":1,\"server_running\":false,\"client_running\":false,"
			   "\"usbip_host\":false,\"vhci_hcd\":false,"
			   "\"engine\":null,\"engine_reason\":null,\"exported\":[],"
			   "\"imported\":[],\"latency\":[],\"held\":{\"server\":[],\"client\":[]}}\n");
	SHOW(U, "list");
	all_well();
	CHECK_STR(got.out, "");
	SHOW(U, "list", "--json");
	CHECK_STR(got.out, "{\"version\":1,\"host\":null,\"server_running\":false,"
			   "\"engine\":null,\"engine_reason\":null,\"devices\":[]}\n");
	SHOW(S, "-n");
	all_well();
	CHECK_STR(got.out, "");
	finish();
}

/* A connection on loopback: both ends, and the listener, which stays open. */
struct connection {
	int listener, server, client;
	char note[120], peer[16]; /* the server's status file, and the client's port */
};

static void connection_open(struct connection *c, int family)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET }, to = v4;
	struct sockaddr *any = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6), size = sizeof(to);
	uint16_t port;

	c->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(c->listener >= 0 && !bind(c->listener, any, len) && !listen(c->listener, 1) &&
		     !getsockname(c->listener, any, &len),
	     "listen");
	port = family == AF_INET ? v4.sin_port : v6.sin6_port;
	to.sin_port = port;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(!connect(c->client, (struct sockaddr *)&to, sizeof(to)), "connect");
	c->server = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC);
	must(c->server >= 0 && !getsockname(c->client, (struct sockaddr *)&to, &size), "accept");
	snprintf(c->peer, sizeof(c->peer), "%u", ntohs(to.sin_port));
	snprintf(c->note, sizeof(c->note), "1 127.0.0.1 %u 127.0.0.1 %s\n", ntohs(port), c->peer);
}

/* Sends so many bytes to the server and from it, and waits until they have arrived. */
static void connection_use(const struct connection *c, size_t in, size_t out)
{
	char buf[5000] = { 0 };

	must(send(c->client, buf, in, 0) == (ssize_t)in &&
		     recv(c->server, buf, in, MSG_WAITALL) == (ssize_t)in &&
		     send(c->server, buf, out, 0) == (ssize_t)out &&
		     recv(c->client, buf, out, MSG_WAITALL) == (ssize_t)out,
	     "use the connection");
}

static void connection_close(struct connection *c)
{
	close(c->client);
	close(c->server);
	close(c->listener);
}

static void exported(int family)
{
	struct connection c;
	char word[100];

	begin(HOST);
	put_file(root, STICK "usbip_status", "1\n");
	connection_open(&c, family);
	put_file(place, "run/session.2-4", c.note);
	SHOW(U, "status", "--json");
	all_well();
	printed("\"usbip_host\":true,\"vhci_hcd\":false,");
	printed("\"busid\":\"2-4\"");
	printed("\"state\":\"available\",\"reason\":null,\"peer\":null,\"peer_port\":null,"
		"\"since\":null,\"bytes_in\":null");
	put_file(root, STICK "usbip_status", "2\n");
	connection_use(&c, 4321, 1234);
	SHOW(U, "status", "--json");
	all_well();
	snprintf(word, sizeof(word), "\"peer\":\"127.0.0.1\",\"peer_port\":%s,\"since\":1", c.peer);
	printed(word);
	printed("\"bytes_in\":4321,\"bytes_out\":1234,\"rtt_us\":");
	not_printed("\"rtt_us\":null");
	SHOW(U, "status");
	all_well();
	printed("\nexported:\nBUSID  ID         PRODUCT             NAME              DRIVER      STATE     ");
	printed("46f4:0001/STICK1  usbip-host  in use by 127.0.0.1  ");
	printed("  4.3 kB  1.2 kB  ");
	/* the session is over; its status file and the listening socket are still there */
	close(c.client);
	close(c.server);
	snprintf(word, sizeof(word), "1 127.0.0.1 %s 127.0.0.1 1\n",
		 strtok(strstr(c.note, ".1 ") + 3, " "));
	put_file(place, "run/session.2-4", word);
	SHOW(U, "status", "--json");
	printed("\"bytes_in\":null,\"bytes_out\":null,\"rtt_us\":null");
	close(c.listener);
	finish();
}

static void exported_v4(void)
{
	exported(AF_INET);
}

static void exported_mapped(void)
{
	exported(AF_INET6);
}

static void bad_notes(void)
{
	static const char *const notes[] = {
		"", "\n", "1", "1 127.0.0.1", "1 127.0.0.1 3240 10.0.0.7\n", "x 127.0.0.1 1 127.0.0.1 2\n", "1 x 1 y 2\n", "1 127.0.0.1 x ::1 y\n",
		"1 fe80::1%nosuchif 1 fe80::2 2\n", "1 127.0.0.1 99999 127.0.0.1 99999\n",
		"1 \x1b[2J 1 \x1b[2J 1\n",
	};

	begin(HOST);
	put_file(root, STICK "usbip_status", "2\n");
	for (size_t i = 0; i < LENGTH(notes); i++) {
		put_file(place, "run/session.2-4", notes[i]);
		SHOW(U, "status", "--json");
		all_well();
		printed("\"bytes_in\":null,\"bytes_out\":null,\"rtt_us\":null");
		SHOW(U, "status");
		not_printed("\x1b");
		printed(" in use");
	}
	finish();
}

static void imported(void)
{
	struct connection c;
	char note[200];
	int lock;

	begin(CLIENT);
	connection_open(&c, AF_INET);
	connection_use(&c, 100, 2000);
	snprintf(note, sizeof(note), "pi.lan 3240 1-1.4 %s", c.note);
	put_file(place, "run/port0", note);
	put_file(place, "vhci_hcd/port0", "other 1 1-1\n");
	put_file(place, "vhci_hcd/port15", "10.0.0.9 3241 2-2\n");
	put_file(place, "vhci_hcd/port3", "stale 1 1-1\n");
	take_away(root, "devices/platform/vhci_hcd.0/usb3/3-1/serial");
	lock = daemon_runs("client");
	SHOW(U, "status", "--json");
	all_well();
	printed("\"client_running\":true,\"usbip_host\":false,\"vhci_hcd\":true,");
	printed("{\"port\":0,\"server\":\"pi.lan\",\"server_port\":3240,"
		"\"remote_busid\":\"1-1.4\",\"busid\":\"3-1\",\"id\":\"0627:0001\",\"speed\":480,");
	printed("\"name\":\"0627:0001@pi.lan/1-1.4\"");
	printed("\"state\":\"attached\"");
	printed("\"bytes_in\":100,\"bytes_out\":2000,");
	printed("{\"port\":15,\"server\":\"10.0.0.9\",\"server_port\":3241,"
		"\"remote_busid\":\"2-2\",\"busid\":\"4-1\",");
	printed("\"name\":\"46f4:0001/STICK1\"");
	not_printed("stale");
	not_printed("other\"");
	SHOW(U, "status");
	printed("server: not running, client: running\n");
	printed("\nimported:\nPORT  SERVER    REMOTE  BUSID  ID         PRODUCT ");
	printed("\n0     pi.lan    1-1.4   3-1    0627:0001  QEMU USB Mouse  ");
	printed("\n15    10.0.0.9  2-2     4-1    46f4:0001  ");
	not_printed("authorized");
	put_file(root, "devices/platform/vhci_hcd.0/usb3/3-1/authorized", "0\n");
	SHOW(U, "status");
	printed(" attached, not authorized by this host  ");
	SHOW(U, "status", "--json");
	printed("\"state\":\"attached\",\"reason\":\"not authorized by this host\"");
	close(lock);
	connection_close(&c);
	finish();
}

/* A link of dev/char and such, to what the interface of an imported device has. */
static void put_node(const char *link, const char *path, const char *event)
{
	char file[200], target[200];

	snprintf(file, sizeof(file), "devices/%s/uevent", path);
	put_file(root, file, event);
	snprintf(target, sizeof(target), "../../devices/%s", path);
	put_link(root, link, target);
}

#define IMPORTED "platform/vhci_hcd.0/usb3/3-1/3-1:1.0/"
#define SCSI "platform/vhci_hcd.0/usb4/4-1/4-1:1.0/host2/target2:0:0/2:0:0:0/"

static void nodes(void)
{
	begin(CLIENT);
	put_link(root, "devices/" IMPORTED "driver", "../../../../../../bus/usb/drivers/usbhid");
	put_link(root, "bus/usb/devices/3-1:1.0", "../../../devices/" IMPORTED);
	put_file(root, "devices/platform/vhci_hcd.0/usb4/4-1/4-1:1.1/x", "");
	put_link(root, "bus/usb/devices/4-1:1.1",
		 "../../../devices/platform/vhci_hcd.0/usb4/4-1/4-1:1.1");
	put_node("dev/char/13:64", IMPORTED "0003:0627:0001.0002/input/input4/event0",
		 "MAJOR=13\nDEVNAME=input/event0\n");
	put_node("dev/char/189:1", "platform/vhci_hcd.0/usb3/3-1", "DEVNAME=bus/usb/003/002\n");
	put_node("dev/block/8:0", SCSI "block/sda", "DEVNAME=sda\nDEVTYPE=disk\n");
	put_node("dev/block/8:1", SCSI "block/sda/sda1", "DEVNAME=sda1\nDEVTYPE=partition\n");
	put_node("dev/char/21:0", SCSI "scsi_generic/sg0", "DEVNAME=sg0\n");
	put_node("class/net/eth1", IMPORTED "net/eth1", "INTERFACE=eth1\n");
	SHOW(U, "status", "--json");
	all_well();
	printed("\"drivers\":[\"1.0:usbhid\"],\"nodes\":[\"/dev/input/event0\",\"eth1\"]}");
	printed("\"drivers\":[\"1.0:usb-storage\",\"1.1:-\"],\"nodes\":[\"/dev/sda\",\"/dev/sg0\"]}");
	not_printed("003/002");
	SHOW(U, "status");
	printed("\nport 0: 1.0:usbhid /dev/input/event0 eth1\n"
		"port 15: 1.0:usb-storage 1.1:- /dev/sda /dev/sg0\n");
	for (unsigned i = 10; i < 60; i++) { /* more than are shown */
		char link[40], path[100], event[40];

		snprintf(link, sizeof(link), "dev/char/188:%u", i);
		snprintf(path, sizeof(path), IMPORTED "ttyUSB%u/tty", i);
		snprintf(event, sizeof(event), "DEVNAME=ttyUSB%u\n", i);
		put_node(link, path, event);
	}
	SHOW(U, "status", "--json");
	all_well();
	printed(",\"/dev/ttyUSB");
	printed("\"nodes\":[\"/dev/sda\",\"/dev/sg0\"]}");
	finish();
	begin(BOTH); /* an exported device has nothing for this machine */
	put_file(root, "devices/pci0000:00/usb2/2-4/2-4:1.9/x", "");
	put_link(root, "bus/usb/devices/2-4:1.9", "../../../devices/pci0000:00/usb2/2-4/2-4:1.9");
	put_node("dev/char/240:0", "pci0000:00/usb2/2-4/2-4:1.9/x9", "DEVNAME=x9\n");
	SHOW(U, "status", "--json");
	all_well();
	printed("\"remote_busid\":null,\"busid\":\"2-4\",");
	not_printed("1.9:-");
	not_printed("/dev/x9");
	finish();
}

/* It has a guard, whose process lives as long as its file is locked. */
static void guarded(void)
{
	struct guard_page guard = { .version = GUARD_VERSION, .counters = { 7, 1000, 2000, 3, 2 } };
	char path[PATH_MAX];
	int fd;

	guard.endpoint[17].count[0] = 1;
	guard.endpoint[2].count[30] = 98;
	guard.endpoint[2].count[40] = 2;
	begin(CLIENT);
	put_file(place, "run/x", "");
	put_bytes(place, "run/guard.15", &guard, sizeof(guard));
	snprintf(path, sizeof(path), "%s/run/guard.15", place);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && !flock(fd, LOCK_EX), "lock it");
	SHOW(U, "status", "--json");
	all_well();
	printed("\"rtt_us\":null,\"guard\":\"off\",\"urbs\":null,");
	printed("\"guard\":\"on\",\"urbs\":7,\"urb_errors\":3,\"urbs_in_flight\":2,"
		"\"urb_bytes_in\":1000,\"urb_bytes_out\":2000,");
	printed("\"latency\":[{\"port\":15,\"endpoint\":\"0x02\",\"median_us\":1792,"
		"\"p99_us\":10240},{\"port\":15,\"endpoint\":\"0x81\",\"median_us\":10,"
		"\"p99_us\":10}],");
	SHOW(U, "status");
	all_well();
	printed("GUARD  URBS  ERRORS\n");
	printed(" off    -     -\n");
	printed(" on     7     3\n");
	printed("\nport 15, endpoint 0x81: half of the URBs took up to 10 us, 99 % up to 10 us\n");
	guard.version++;
	put_bytes(place, "run/guard.15", &guard, sizeof(guard));
	SHOW(U, "status");
	not_printed(" on ");
	not_printed("endpoint");
	not_printed("URBS");
	guard.version--;
	put_bytes(place, "run/guard.15", &guard, sizeof(guard));
	close(fd); /* it has ended */
	SHOW(U, "status", "--json");
	not_printed("\"on\"");
	printed("\"latency\":[],");
	finish();
}

/* A port whose server has not answered yet has no device; a port may have no record. */
static void imported_without_device(void)
{
	char *text = file_read(FIXTURES "vhci/6.12-not-assigned.txt", NULL);

	begin(CLIENT);
	put_file(root, "devices/platform/vhci_hcd.0/status", text);
	free(text);
	SHOW(U, "status", "--json");
	all_well();
	printed("\"server\":null,\"server_port\":null,\"remote_busid\":null,\"busid\":null,"
		"\"id\":null,\"speed\":null,\"class\":null,\"description\":null,");
	printed("\"state\":\"attaching\"");
	put_file(place, "vhci_hcd/port0", "pi http 1-1\n");
	SHOW(U, "status", "--json");
	printed("\"server\":\"pi\",\"server_port\":null,\"remote_busid\":\"1-1\",\"busid\":null,");
	put_file(root, "module/vhci_hcd/initstate", "coming\n");
	SHOW(U, "status");
	all_well();
	printed("\nimported: nothing\n");
	finish();
}

static void held_ones(void)
{
	begin(HOST);
	put_file(place, "config/held.server", "46f4:0001/STICK2\n");
	put_file(place, "config/held.client", "0627:0001@pi.lan/1-1\n1:2\n");
	SHOW(U, "status");
	all_well();
	printed("\nheld (server): 46f4:0001/STICK2\nheld (client): 0627:0001@pi.lan/1-1\n"
		"held (client): 1:2\n");
	SHOW(U, "status", "--json");
	printed("\"held\":{\"server\":[\"46f4:0001/STICK2\"],"
		"\"client\":[\"0627:0001@pi.lan/1-1\",\"1:2\"]}}\n");
	finish();
}

/* The file of holds has this content; NULL: there is no such file. */
static void noted(const char *role, const char *names)
{
	char name[32];

	snprintf(name, sizeof(name), "held.%s", role);
	file_is(config, name, names);
}

/* The exit status, and a part of the message of one line. */
static void said(int status, const char *word)
{
	CHECK_INT(got.status, status);
	CHECK_STR(got.out, "");
	if (!strstr(got.err, word))
		check_fault(__FILE__, __LINE__, "it says %s instead of \"%s\"", got.err, word);
	CHECK(status == 0 || strchr(got.err, '\n') == got.err + strlen(got.err) - 1);
}

#define VHCI "devices/platform/vhci_hcd.0/"

/* Does as the kernel does: once "detach" has been written, the port is free. Returns the child that
 * does it. */
static pid_t kernel_detaches(const char *port, const char *row)
{
	char path[PATH_MAX], *text, *at;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/" VHCI "status", root);
	text = file_read(path, NULL);
	at = text ? strstr(text, row) : NULL;
	must(at, "find the row");
	memcpy(at + strlen(row) - 3, "004", 3);
	put_file(root, VHCI "detach", "");
	pid = fork();
	must(pid >= 0, "fork");
	if (pid) {
		free(text);
		return pid;
	}
	snprintf(path, sizeof(path), "%s/" VHCI "detach", root);
	for (unsigned i = 0; i < TIMEOUT_S * 100; i++) {
		char *written = file_read(path, NULL);

		if (written && !strcmp(written, port)) {
			put_file(root, VHCI "status", text);
			_exit(0);
		}
		free(written);
		poll(NULL, 0, 10);
	}
	_exit(1);
}

static void kernel_has(pid_t pid)
{
	int status = -1;

	must(waitpid(pid, &status, 0) == pid, "wait for it");
	CHECK_INT(status, 0);
}

static void begin_attached(void)
{
	begin(CLIENT);
	put_file(place, "run/port0", "pi.lan 3240 1-1.4\n");
	put_file(place, "vhci_hcd/port15", "10.0.0.9 3241 2-2\n");
	take_away(root, "devices/platform/vhci_hcd.0/usb3/3-1/serial");
}

/* By every name, without a daemon: the device is detached and its record removed. */
static void detach(void)
{
	static const char *const mouse[] = { "0", "3-1", "1-1.4", "pi.lan/1-1.4",
					     "0627:0001@pi.lan/1-1.4" };
	static const char *const stick[] = { "15", "4-1", "2-2", "10.0.0.9/2-2", "STICK1",
					     "46f4:0001/STICK1", "46f4:0001@10.0.0.9/2-2" };
	pid_t pid;

	for (size_t i = 0; i < LENGTH(mouse); i++) {
		begin_attached();
		pid = kernel_detaches("0", "hs  0000 006");
		SHOW(U, "detach", mouse[i]);
		said(0, "0627:0001@pi.lan/1-1.4 is held, until "
			"'usbiphp attach 0627:0001@pi.lan/1-1.4'\n");
		noted("client", "0627:0001@pi.lan/1-1.4\n");
		kernel_has(pid);
		CHECK(!is_there(place, "run/port0") && is_there(place, "vhci_hcd/port15"));
		finish();
	}
	for (size_t i = 0; i < LENGTH(stick); i++) {
		begin_attached();
		pid = kernel_detaches("15", "ss  0015 006");
		SHOW(U, "detach", stick[i]);
		said(0, "46f4:0001/STICK1 is held");
		noted("client", "46f4:0001/STICK1\n");
		kernel_has(pid);
		CHECK(is_there(place, "run/port0") && !is_there(place, "vhci_hcd/port15"));
		finish();
	}
}

/* What is not in use can be forced as well. */
static void detach_forced(void)
{
	pid_t pid;

	begin_attached();
	pid = kernel_detaches("0", "hs  0000 006");
	SHOW(U, "detach", "--force", "0");
	said(0, "0627:0001@pi.lan/1-1.4 is held");
	kernel_has(pid);
	noted("client", "0627:0001@pi.lan/1-1.4\n");
	finish();
}

/* A running daemon keeps its records. A device without a record is named by its port here. */
static void detach_with_client(void)
{
	pid_t pid;
	int lock;

	begin_attached();
	lock = daemon_runs("client");
	pid = kernel_detaches("0", "hs  0000 006");
	SHOW(U, "detach", "0");
	said(0, "is held");
	kernel_has(pid);
	CHECK(is_there(place, "run/port0"));
	take_away(root, "devices/platform/vhci_hcd.0/usb4/4-1/serial");
	take_away(place, "vhci_hcd");
	pid = kernel_detaches("15", "ss  0015 006");
	SHOW(U, "detach", "15");
	said(0, "46f4:0001@4-1 is held");
	kernel_has(pid);
	noted("client", "0627:0001@pi.lan/1-1.4\n46f4:0001@4-1\n");
	close(lock);
	finish();
}

static void detach_none(void)
{
	begin_attached();
	put_file(root, "devices/platform/vhci_hcd.0/usb3/3-1/serial", "STICK1\n");
	put_file(root, VHCI "detach", "");
	SHOW(U, "detach", "STICK1");
	said(1, "more than one device is called 'STICK1'");
	SHOW(U, "detach", "nobody");
	said(1, "no device is called 'nobody'");
	SHOW(U, "detach", "1");
	said(1, "no device is called '1'");
	/* two of a kind with one serial number: the name fits both */
	put_file(root, "devices/platform/vhci_hcd.0/usb3/3-1/idVendor", "46f4\n");
	SHOW(U, "detach", "46f4:0001/STICK1");
	said(1, "more than one device is called");
	noted("client", NULL);
	/* a device that is not attached */
	SHOW(U, "detach", "1234:5678/GONE");
	said(0, "1234:5678/GONE is held, until 'usbiphp attach 1234:5678/GONE'\n");
	take_away(root, "devices/platform/vhci_hcd.0");
	SHOW(U, "detach", "1234:5678@pi.lan/1-1");
	said(0, "1234:5678@pi.lan/1-1 is held");
	noted("client", "1234:5678/GONE\n1234:5678@pi.lan/1-1\n");
	finish();
}

/* A hold that no device can match is refused. */
static void detach_odd_names(void)
{
	static const char *const odd[] = {
		"0951:166A/60A4", "0951:166g/60A4", "0951:166/60A4", "0951:1666/", "0951:1666@",
		"0951:1666/two words", "0951:1666/a,b", "0951:1666/a/b", "0951:1666@pi lan/1-1",
		"0951:1666@1-1\n", "0951-1666@1-1", "09511666/60A4",
	};
	char path[PATH_MAX], *text, *row;

	for (size_t i = 0; i < LENGTH(odd); i++) {
		begin_attached();
		SHOW(U, "detach", odd[i]);
		CHECK_INT(got.status, 1);
		CHECK(strstr(got.err, "no device is called '"));
		noted("client", NULL);
		finish();
	}
	/* its port is attaching: it has no ID yet */
	begin_attached();
	snprintf(path, sizeof(path), "%s/" VHCI "status", root);
	text = file_read(path, NULL);
	row = text ? strstr(text, "hs  0000 006") : NULL;
	must(row, "find the row");
	row[11] = '5';
	put_file(root, VHCI "status", text);
	free(text);
	SHOW(U, "detach", "0");
	said(1, "no device is called '0'");
	noted("client", NULL);
	finish();
}

/* The lock of the directory: another command is at work. */
static int other_command;

static void end_other_command(void)
{
	char line[200];
	FILE *locks;
	bool waits = false;

	/* in the child: it is a copy of this that lets go, once the program waits */
	if (fork())
		return;
	for (unsigned i = 0; i < TIMEOUT_S * 100 && !waits; i++) {
		locks = fopen("/proc/locks", "re");
		while (locks && fgets(line, sizeof(line), locks))
			waits |= strstr(line, "->") && strstr(line, "FLOCK");
		if (locks)
			fclose(locks);
		poll(NULL, 0, 10);
	}
	if (waits)
		put_file(config, "held.client", "1234:5678/FIRST\n");
	flock(other_command, LOCK_UN);
	_exit(0);
}

static void two_at_once(void)
{
	begin(NULL);
	must(!mkdir(config, 0755), config);
	other_command = open(config, O_RDONLY | O_DIRECTORY);
	must(!flock(other_command, LOCK_EX), "lock");
	before_exec = end_other_command;
	SHOW(U, "detach", "1234:5678/SECOND");
	before_exec = NULL;
	said(0, "1234:5678/SECOND is held");
	noted("client", "1234:5678/FIRST\n1234:5678/SECOND\n");
	close(other_command);
	finish();
}

static void attach(void)
{
	begin(NULL);
	put_file(place, "config/held.client",
		 "1234:5678/STICK\n1234:5678@pi.lan/1-1\n1234:5679@pi.lan/1-1\nodd\n");
	SHOW(U, "attach", "nobody");
	said(1, "no held device is called 'nobody'");
	SHOW(U, "attach", "pi.lan/1-1");
	said(1, "more than one held device is called 'pi.lan/1-1'");
	SHOW(U, "attach", "STICK");
	said(0, "1234:5678/STICK is not held any more");
	CHECK(strstr(got.err, ", but no daemon runs here"));
	SHOW(U, "attach", "1234:5678@pi.lan/1-1");
	said(0, "1234:5678@pi.lan/1-1 is not held any more");
	SHOW(U, "attach", "odd");
	noted("client", "1234:5679@pi.lan/1-1\n");
	SHOW(U, "attach", "pi.lan/1-1");
	said(0, "is not held any more");
	CHECK(!is_there(place, "config/held.client"));
	finish();
}

static void put_mouse(void)
{
	put_link(root, "bus/usb/devices/3-1", "../../../devices/platform/vhci_hcd.0/usb3/3-1");
	put_link(root, "bus/usb/devices/3-1:1.0", "../../../devices/" IMPORTED);
}

/* In another process, when the hold is gone and the command waits. */
static pid_t later(void (*come)(void))
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	for (unsigned i = 0; i < 6000 && is_there(place, "config/held.client"); i++)
		poll(NULL, 0, 10);
	poll(NULL, 0, 300); /* it should have looked in vain, but need not */
	come();
	_exit(0);
}

static void waited_in_vain(const char *what)
{
	char want[80];

	snprintf(want, sizeof(want), "%s cannot be used yet: see 'usbiphp status'\n", what);
	CHECK_INT(got.status, 1);
	CHECK(strstr(got.err, want));
	CHECK_STR(got.out, "");
}

static void attach_and_wait(void)
{
	pid_t pid;
	int lock, status;

	begin_attached();
	take_away(root, "bus/usb/devices/3-1:1.0");
	put_file(place, "config/held.client", "0627:0001@pi.lan/1-1.4\n");
	SHOW(U, "attach", "--wait", "60", "0627:0001@pi.lan/1-1.4"); /* nobody would attach it */
	said(1, "but no daemon runs here");
	lock = daemon_runs("client");
	put_file(place, "config/held.client", "0627:0001@pi.lan/1-1.4\n");
	SHOW(U, "attach", "--wait", "1", "pi.lan/1-1.4");
	waited_in_vain("3-1");
	put_file(place, "config/held.client", "0627:0001@pi.lan/1-1.4\n");
	take_away(root, "bus/usb/devices/3-1"); /* it comes, and its interface */
	pid = later(put_mouse);
	SHOW(U, "attach", "--wait", "60", "pi.lan/1-1.4");
	said(0, "0627:0001@pi.lan/1-1.4 is not held any more\n");
	must(waitpid(pid, &status, 0) == pid, "wait for it");
	put_file(place, "config/held.client", "1234:5678@pi.lan/1-1\n"); /* of another */
	SHOW(U, "attach", "--wait", "1", "pi.lan/1-1");
	waited_in_vain("it");
	close(lock);
	finish();
}

static void put_disk(void)
{
	put_node("dev/block/8:0", SCSI "block/sda", "DEVNAME=sda\nDEVTYPE=disk\n");
	put_node("dev/block/8:1", SCSI "block/sda/sda1", "DEVNAME=sda1\nDEVTYPE=partition\n");
}

static void note_pid(void)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", getpid());
	put_file(place, "pid", text);
}

/* In another process, when the client's loop has ended. */
static pid_t kill_when_attached(void)
{
	char path[TEMP_SIZE + 8];
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	for (unsigned i = 0; i < 6000 && !is_there(place, "run/client.lock"); i++)
		poll(NULL, 0, 1);
	for (unsigned i = 0; i < 6000 && is_there(place, "run/client.lock"); i++)
		poll(NULL, 0, 10);
	snprintf(path, sizeof(path), "%s/pid", place);
	kill(atoi(file_read(path, NULL)), SIGTERM);
	_exit(0);
}

/* What an earlier client has attached: the keyboard of another server, the stick of this one. */
static void client_waits(void)
{
	char port[LIST_SERVER_PORT_SIZE], record[40], name[24];
	pid_t pid = list_server_start(port), disk, killer;
	int status;

	begin_attached();
	snprintf(record, sizeof(record), "127.0.0.1 %s 2-2\n", port);
	snprintf(name, sizeof(name), "127.0.0.1:%s", port);
	put_file(place, "run/client.boot", "");
	take_away(place, "run/port0");
	put_file(place, "run/port15", record);
	put_file(place, "vhci_hcd/port15", record);
	kill(pid, SIGSTOP); /* it does not answer yet */
	SHOW(C, "--once", "--wait", "1", name);
	CHECK_INT(got.status, 1);
	CHECK(strstr(got.err, "what was waited for is not there: no list of devices from 127.0.0.1"));
	CHECK_STR(got.out, "");
	kill(pid, SIGCONT);
	put_node("dev/char/21:0", SCSI "scsi_generic/sg0", "DEVNAME=sg0\n"); /* comes first */
	SHOW(C, "--once", "--wait", "2", name);
	waited_in_vain("4-1");
	before_exec = note_pid;
	killer = kill_when_attached();
	SHOW(C, "--once", "--wait", "20", name);
	before_exec = NULL;
	CHECK_INT(got.status, -1); /* at once */
	must(waitpid(killer, &status, 0) == killer, "wait for it");
	disk = later(put_disk);
	SHOW(C, "--once", "--wait", "60", name);
	all_well();
	must(waitpid(disk, &status, 0) == disk, "wait for it");
	CHECK(strstr(got.out, "[{\"port\":15,\"server\":\"127.0.0.1\",") == got.out);
	printed("\"nodes\":[\"/dev/sda\",\"/dev/sg0\"]}]\n");
	take_away(place, "run/port15");
	SHOW(C, "--once", "--wait", "1", name);
	CHECK_INT(got.status, 1);
	CHECK(strstr(got.err, "what was waited for is not there: no server has a device that is allowed"));
	kill(pid, SIGKILL);
	must(waitpid(pid, &status, 0) == pid, "wait for the server");
	finish();
}

/* Without a daemon, the command gives the device back: unbind, del, rebind. */
static void release(void)
{
	static const char *const stick[] = { "2-4", "STICK1", "46f4:0001/STICK1", "46f4:0001@2-4" };
	char path[PATH_MAX], *text;

	for (size_t i = 0; i < LENGTH(stick); i++) {
		begin(HOST);
		SHOW(U, "release", stick[i]);
		said(0, "46f4:0001/STICK1 is held, until 'usbiphp bind 46f4:0001/STICK1'\n");
		noted("server", "46f4:0001/STICK1\n");
		snprintf(path, sizeof(path), "%s/bus/usb/drivers/usbip-host/unbind", root);
		text = file_read(path, NULL);
		CHECK_STR(text ? text : "", "2-4");
		free(text);
		finish();
	}
	begin(HOST);
	SHOW(U, "release", "1-3"); /* it is not bound */
	said(0, "0627:0001/89126-0000_00_02.0-3 is held");
	SHOW(U, "release", "1-1"); /* a hub */
	said(1, "no device is called '1-1'");
	SHOW(U, "release", "42");
	said(1, "no device is called '42'");
	SHOW(U, "release", "1234:5678/GONE");
	said(1, "no device is called '1234:5678/GONE'");
	put_file(root, OTHER "serial", "STICK1\n");
	SHOW(U, "release", "STICK1");
	said(1, "more than one device is called 'STICK1'");
	noted("server", "0627:0001/89126-0000_00_02.0-3\n");
	finish();
	begin(BOTH); /* it came over USB/IP */
	SHOW(U, "release", "4-1");
	said(1, "no device is called '4-1'");
	finish();
}

/* A running server gives the device back; here it has. A device that never answers is no delay. */
static void release_with_server(void)
{
	char path[PATH_MAX];
	int lock;

	begin(HOST);
	snprintf(path, sizeof(path), "%s/" MOUSE "serial", root);
	must(!unlink(path) && !mkfifo(path, 0600), "make it block");
	lock = daemon_runs("server");
	SHOW(U, "release", "2-5");
	said(0, "46f4:0001/STICK2 is held");
	SHOW(U, "release", "1-3");
	said(0, "0627:0001@1-3 is held");
	noted("server", "46f4:0001/STICK2\n0627:0001@1-3\n");
	SHOW(U, "bind", "2-5");
	CHECK_INT(got.status, 0);
	CHECK_STR(got.err, "usbiphp bind: 46f4:0001/STICK2 is not held any more\n");
	close(lock);
	finish();
}

static void bind_it(void)
{
	begin(HOST);
	put_file(place, "config/held.server", "46f4:0001/STICK1\n0627:0001@1-3\n46f4:0001@2-5\n"
					      "1234:5678/GONE\n");
	SHOW(U, "bind", "1-2");
	said(1, "no held device is called '1-2'");
	SHOW(U, "bind", "2-4");
	said(0, "46f4:0001/STICK1 is not held any more");
	CHECK(strstr(got.err, ", but no daemon runs here"));
	SHOW(U, "bind", "STICK2"); /* held by its place */
	said(0, "46f4:0001@2-5 is not held any more");
	SHOW(U, "bind", "GONE");
	said(0, "1234:5678/GONE is not held any more");
	noted("server", "0627:0001@1-3\n");
	finish();
}

static void hold_cannot(void)
{
	begin(HOST);
	put_file(place, "config", "no directory\n");
	SHOW(U, "release", "1-3");
	said(1, "/config/held.server: Not a directory\n");
	finish();
}

/* A running status --watch, and its output so far. */
static struct {
	pid_t pid;
	int out;
	size_t len;
	char text[65536];
} watch;

static void watch_start(int out, int in, const char *option)
{
	watch.len = 0;
	watch.text[0] = '\0';
	watch.out = in;
	watch.pid = fork();
	must(watch.pid >= 0, "fork");
	if (!watch.pid) {
		dup2(out, STDOUT_FILENO);
		close(in);
		alarm(TIMEOUT_S);
		execl(program, U, "status", "--watch", "--sysfs", root, "--run", run_dir, "--config",
		      config, option, NULL);
		_exit(99);
	}
	close(out);
}

static void watch_pipe(const char *option)
{
	int fd[2];

	must(!pipe2(fd, O_CLOEXEC), "make a pipe");
	watch_start(fd[1], fd[0], option);
}

/* Reads output until it contains text n times. False: the time is over, or the output ended. */
static bool watch_sees(const char *text, unsigned n)
{
	for (;;) {
		struct pollfd fds = { watch.out, POLLIN, 0 };
		unsigned found = 0;
		ssize_t got_now;

		for (const char *at = watch.text; (at = strstr(at, text)); at++)
			found++;
		if (found >= n)
			return true;
		if (poll(&fds, 1, TIMEOUT_S * 1000) <= 0)
			return false;
		got_now = read(watch.out, watch.text + watch.len, sizeof(watch.text) - 1 - watch.len);
		if (got_now <= 0)
			return false;
		watch.len += (size_t)got_now;
		watch.text[watch.len] = '\0';
	}
}

/* Watches for passes: each opens the status attribute of the stick. */
static int looks_open(void)
{
	int fd = inotify_init1(IN_CLOEXEC);
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" STICK "usbip_status", root);
	must(fd >= 0 && inotify_add_watch(fd, path, IN_CLOSE_NOWRITE) >= 0, "see its looks");
	return fd;
}

static void looks_wait(int fd, unsigned n)
{
	char event[sizeof(struct inotify_event) + NAME_MAX + 1];
	struct pollfd fds = { fd, POLLIN, 0 };

	while (n && poll(&fds, 1, TIMEOUT_S * 1000) > 0 && read(fd, event, sizeof(event)) > 0)
		n--;
	CHECK_INT(n, 0);
	close(fd);
}

/* Waits for at least one whole pass. */
static void watch_looks(void)
{
	looks_wait(looks_open(), 2);
}

static void watch_ends(int signal_number)
{
	int status = -1;

	if (signal_number)
		kill(watch.pid, signal_number);
	must(waitpid(watch.pid, &status, 0) == watch.pid, "wait for it");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Prints again after a change, and only then. Counters are not a change. */
static void watched(void)
{
	struct connection c;

	begin(HOST);
	connection_open(&c, AF_INET);
	put_file(place, "run/session.2-4", c.note);
	put_file(root, STICK "usbip_status", "1\n");
	watch_pipe(NULL);
	CHECK(watch_sees("server: ", 1) && watch_sees("nothing\n\n", 0));
	CHECK(watch_sees("available", 1));
	watch_looks();
	put_file(root, STICK "usbip_status", "2\n");
	CHECK(watch_sees("in use by 127.0.0.1", 1));
	CHECK(watch_sees("imported", 2));
	connection_use(&c, 5000, 1);
	watch_looks();
	put_file(root, STICK "usbip_status", "1\n");
	CHECK(watch_sees("available", 2));
	CHECK(watch_sees("imported", 3));
	CHECK(!strchr(watch.text, '\x1b'));
	watch_ends(SIGTERM);
	while (watch_sees("never", 1))
		;
	CHECK(strstr(watch.text, "server: ") == watch.text);
	{
		unsigned n = 0;

		for (const char *at = watch.text; (at = strstr(at, "server: ")); at++)
			n++;
		CHECK_INT(n, 3);
	}
	close(watch.out);
	connection_close(&c);
	finish();
}

static void watched_json(void)
{
	const char *end;

	begin(HOST);
	watch_pipe("--json");
	CHECK(watch_sees("}}\n", 1));
	watch_looks();
	put_file(root, STICK "usbip_status", "3\n");
	CHECK(watch_sees("}}\n", 2));
	end = strchr(watch.text, '\n');
	CHECK(end && strstr(watch.text, "\"available\"") < end);
	CHECK(end && !strncmp(end + 1, "{\"version\":1,", 13) && strstr(end, "\"error\""));
	CHECK(end && strchr(end + 1, '\n') == watch.text + watch.len - 1);
	watch_ends(SIGINT);
	close(watch.out);
	finish();
}

/* The end of the child that reads a new device's strings does not end the command. */
static void watched_plug(void)
{
	begin(HOST);
	watch_pipe("--json");
	CHECK(watch_sees("}}\n", 1));
	for (unsigned i = 6; i < 9; i++) {
		char link[40], word[40];

		snprintf(link, sizeof(link), "bus/usb/devices/2-%u", i);
		snprintf(word, sizeof(word), "\"busid\":\"2-%u\"", i);
		put_link(root, link, "../../../" PCI "usb2/2-4");
		CHECK(watch_sees(word, 1));
	}
	watch_looks();
	watch_ends(SIGTERM);
	close(watch.out);
	finish();
}

/* Ends when its reader is gone, even without new output. */
static void watched_by_nobody(void)
{
	begin(HOST);
	watch_pipe(NULL);
	CHECK(watch_sees("server: ", 1));
	close(watch.out);
	watch_ends(0);
	finish();
}

/* A reader that does not read cannot keep it from ending. */
static void watched_by_a_sleeper(void)
{
	int fd[2], looks;

	begin(HOST);
	looks = looks_open();
	must(!pipe2(fd, O_CLOEXEC) && fcntl(fd[1], F_SETPIPE_SZ, 4096) >= 4096, "make a pipe");
	{
		char fill[4096] = { 0 };

		must(write(fd[1], fill, sizeof(fill)) == sizeof(fill), "fill it");
	}
	watch_start(fd[1], fd[0], NULL);
	looks_wait(looks, 1);
	watch_ends(SIGTERM);
	close(watch.out);
	finish();
}

static void watched_on_a_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), terminal;
	unsigned n = 0;

	begin(HOST);
	must(master >= 0 && !grantpt(master) && !unlockpt(master), "make a terminal");
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	must(terminal >= 0, "open the terminal");
	watch_start(terminal, master, NULL);
	CHECK(watch_sees("\x1b[H\x1b[J", 3)); /* also when nothing has changed */
	CHECK(!strncmp(watch.text, "\x1b[H\x1b[Jserver: ", 14));
	for (const char *at = watch.text; (at = strchr(at, '\x1b')); at++)
		n += strncmp(at, "\x1b[H", 3) && strncmp(at, "\x1b[J", 3);
	CHECK_INT(n, 0);
	watch_ends(SIGINT);
	close(watch.out);
	finish();
}

int main(void)
{
	program_begin();
	RUN("t_cmd: list, no server runs", list_without_server);
	RUN("t_cmd: list, a server runs", list_with_server);
	RUN("t_cmd: list does not ask about what is known", list_does_not_ask);
	RUN("t_cmd: list and dry-run, a file hangs", list_has_an_end);
	RUN("t_cmd: list and status, a job does not end", stuck);
	RUN("t_cmd: list, not authorized", not_authorized);
	RUN("t_cmd: list, some are held", list_held);
	RUN("t_cmd: names", names);
	RUN("t_cmd: products", products);
	RUN("t_cmd: hostile strings", hostile);
	RUN("t_cmd: order", order);
	RUN("t_cmd: a device that never answers", wedged);
	RUN("t_cmd: dry-run", dry_run);
	RUN("t_cmd: dry-run, no room", dry_run_slots);
	RUN("t_cmd: dry-run, the module is not loaded yet", dry_run_module);
	RUN("t_cmd: wrong rules", wrong_rules);
	RUN("t_cmd: no sysfs", no_sysfs);
	RUN("t_cmd: no USB", no_usb);
	RUN("t_cmd: exported", exported_v4);
	RUN("t_cmd: exported, by an IPv6 socket", exported_mapped);
	RUN("t_cmd: bad notes", bad_notes);
	RUN("t_cmd: imported", imported);
	RUN("t_cmd: drivers and nodes of imported devices", nodes);
	RUN("t_cmd: imported devices with a guard", guarded);
	RUN("t_cmd: imported, no device yet", imported_without_device);
	RUN("t_cmd: held", held_ones);
	RUN("t_cmd: detach", detach);
	RUN("t_cmd: detach, forced", detach_forced);
	RUN("t_cmd: detach, a client runs", detach_with_client);
	RUN("t_cmd: detach, not just one", detach_none);
	RUN("t_cmd: names that no device can have", detach_odd_names);
	RUN("t_cmd: two commands at once", two_at_once);
	RUN("t_cmd: attach", attach);
	RUN("t_cmd: attach, and wait", attach_and_wait);
	RUN("t_cmd: the client waits", client_waits);
	RUN("t_cmd: release", release);
	RUN("t_cmd: release, a server runs", release_with_server);
	RUN("t_cmd: bind", bind_it);
	RUN("t_cmd: hold, it cannot be noted", hold_cannot);
	RUN("t_cmd: watch", watched);
	RUN("t_cmd: watch, JSON", watched_json);
	RUN("t_cmd: watch, a device comes", watched_plug);
	RUN("t_cmd: watch, nobody reads", watched_by_nobody);
	RUN("t_cmd: watch, the pipe is full", watched_by_a_sleeper);
	RUN("t_cmd: watch, on a terminal", watched_on_a_terminal);
	return program_end();
}
