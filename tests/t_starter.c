/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/starter and host/port: ports that are claimed before anything is plugged in. The test is
 * the server, and plays usbfs in the processes of the starter: a claim is the lock of a file, which
 * is inherited, lost and given up as a claim of the kernel's is (drivers/usb/core/hub.c). What
 * they did is in the file "calls".
 * LINK: -Wl,--wrap=usbfs_claim_port,--wrap=usbfs_release_port,--wrap=usbfs_open
 * LINK: -Wl,--wrap=usbfs_configure,--wrap=usbfs_give_back,--wrap=holder_main,--wrap=socket_send_fds
 */
#include "host/holder.h"

#include "lib/socket.h"
#include "lib/str.h"
#include "tests/files.h"
#include "tests/tree.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct shared {
	_Atomic int error;	/* of claims */
	_Atomic unsigned stuck; /* the bus whose hubs deal with another device; 0: none */
	_Atomic unsigned tries; /* to claim */
	_Atomic pid_t waits; /* for a hub that is stuck */
	_Atomic int holders, claimed, companion, claims, files; /* what a holder has got */
	_Atomic bool end; /* holders end */
	_Atomic bool linger; /* processes that have claimed a port do not end */
} *shared;

static struct starter_ports ports;
static int server, log_file, stderr_was;
static pid_t starter;
static bool claims_port; /* in a process that does */

int __wrap_usbfs_claim_port(int nodes, unsigned bus, unsigned hub, unsigned port);
void __wrap_usbfs_release_port(struct usbfs_port *port);
int __wrap_usbfs_open(struct usbfs_device *device, int nodes, unsigned bus, unsigned number,
		      uint8_t configuration);
int __wrap_usbfs_configure(struct usbfs_device *device);
int __wrap_usbfs_give_back(struct usbfs_device *device, struct usbfs_port *port, size_t count);
void __wrap_holder_main(const struct holder_order *order, const struct sysfs *fs, int control,
			struct holder_page *page, int claimed) __attribute__((noreturn));

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *format, ...)
{
	char path[PATH_MAX], line[80];
	va_list args;
	int fd, len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/calls", root);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, line, (size_t)len) == len, "note");
	close(fd);
}

static int lock_port(unsigned bus, unsigned hub, unsigned port)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/claim.%u.%u.%u", root, bus, hub, port);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0, path);
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	return -EBUSY;
}

int __real_socket_send_fds(int fd, const void *message, size_t size, const int *fds, unsigned n);
int __wrap_socket_send_fds(int fd, const void *message, size_t size, const int *fds, unsigned n);

int __wrap_socket_send_fds(int fd, const void *message, size_t size, const int *fds, unsigned n)
{
	int error = __real_socket_send_fds(fd, message, size, fds, n);

	while (claims_port && shared->linger)
		poll(NULL, 0, 10);
	return error;
}

int __wrap_usbfs_claim_port(int nodes, unsigned bus, unsigned hub, unsigned port)
{
	claims_port = true;
	CHECK_INT(nodes, sysfs.usb_nodes);
	shared->tries++;
	while (shared->stuck == bus) {
		shared->waits = getpid();
		poll(NULL, 0, 10);
	}
	return shared->error ? shared->error : lock_port(bus, hub, port);
}

void __wrap_usbfs_release_port(struct usbfs_port *port)
{
	note("release %u\n", port->number);
	flock(port->fd, LOCK_UN);
	close(port->fd);
	port->fd = -1;
}

int __wrap_usbfs_open(struct usbfs_device *device, int nodes, unsigned bus, unsigned number,
		      uint8_t configuration)
{
	(void)device;
	CHECK_INT(nodes, sysfs.usb_nodes);
	note("open %u %u %u\n", bus, number, configuration);
	return number == 9 ? -EIO : 0;
}

int __wrap_usbfs_configure(struct usbfs_device *device)
{
	(void)device;
	note("configure\n");
	return 0;
}

int __wrap_usbfs_give_back(struct usbfs_device *device, struct usbfs_port *port, size_t count)
{
	(void)port;
	note("connect %zu%s\n", count, device->used ? " used" : "");
	return 0;
}

/* Counts the files that this process has open, and those of claims among them. */
static void count_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char target[PATH_MAX];
	int n = 0, all = 0;

	must(dir != NULL, "look at the open files");
	while ((entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[len > 0 ? len : 0] = '\0';
		n += strstr(target, "/claim.") != NULL;
		all++;
	}
	closedir(dir);
	shared->claims = n;
	shared->files = all;
}

void __wrap_holder_main(const struct holder_order *order, const struct sysfs *fs, int control,
			struct holder_page *page, int claimed)
{
	CHECK(fs == &sysfs || fs->root == sysfs.root);
	CHECK(page && control >= 0);
	shared->claimed = claimed >= 0;
	shared->companion = order->port[1].hub;
	count_files();
	shared->holders++;
	while (!shared->end)
		poll(NULL, 0, 10);
	_exit(0);
}

static void begin(void)
{
	int pair[2];

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED, "map");
	start(NULL);
	put_file(root, "calls", "");
	put_file(root, "run/there", "");
	memset(&ports, 0, sizeof(ports));
	log_file = memfd_create("log", MFD_CLOEXEC);
	stderr_was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	must(log_file >= 0 && stderr_was >= 0, "keep the log");
	must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	server = pair[0];
	starter = fork();
	must(starter >= 0, "fork");
	if (!starter) {
		char run[PATH_MAX];

		close(pair[0]);
		must(dup2(log_file, STDERR_FILENO) >= 0, "keep the log");
		snprintf(run, sizeof(run), "%s/run", root);
		starter_main(pair[1], &sysfs, open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		_exit(0);
	}
	close(pair[1]);
}

/* Waits until that file has the text. */
static bool calls_are(const char *want)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/calls", root);
	for (int tries = 0; tries < 1000; tries++) {
		char *text = file_read(path, NULL);
		bool same = text && !strcmp(text, want);

		free(text);
		if (same) {
			put_file(root, "calls", "");
			return true;
		}
		poll(NULL, 0, 10);
	}
	file_is(root, "calls", want);
	return false;
}

/* Waits until the port is claimed by somebody else, or is not. */
static bool becomes(unsigned bus, unsigned hub, unsigned port, bool claimed)
{
	for (int tries = 0; tries < 1000; tries++) {
		int fd = lock_port(bus, hub, port);

		if (fd >= 0)
			close(fd);
		if ((fd < 0) == claimed)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

static bool holders_are(int want)
{
	for (int tries = 0; tries < 1000 && shared->holders != want; tries++)
		poll(NULL, 0, 10);
	return shared->holders == want;
}

static unsigned logged(const char *what)
{
	char text[2000] = "";
	unsigned n = 0;

	must(pread(log_file, text, sizeof(text) - 1, 0) >= 0, "read the log");
	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* The server ends, and with it the starter. */
static void close_server(void)
{
	int status;

	close(server);
	server = -1;
	must(waitpid(starter, &status, 0) == starter, "wait for the starter");
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
}

static void finish(void)
{
	if (server >= 0)
		close_server();
	shared->end = true;
	while (wait(NULL) > 0) /* those that the starter has left */
		;
	close(log_file);
	close(stderr_was);
	end();
	munmap(shared, sizeof(*shared));
}

static void want(const char *busid, uint16_t bus, uint16_t hub, uint16_t number, bool empty)
{
	struct starter_port *place = &ports.port[ports.count++];

	str_copy(place->busid, sizeof(place->busid), busid);
	place->port = (struct port){ bus, hub, number };
	place->empty = empty;
}

/* Tells the starter of the wanted ports, and forgets them. */
static void tell(void)
{
	CHECK_INT(socket_send_fds(server, &ports, offsetof(struct starter_ports, port[ports.count]),
				  NULL, 0), 0);
	ports.count = 0;
}

/* All that was told is done when the next holder has begun. */
static void sync_starter(void)
{
	struct holder_order order = { .busid = "9-9" };
	int before = shared->holders, file = memfd_create("page", MFD_CLOEXEC), pair[2];

	must(file >= 0 && !ftruncate(file, sizeof(struct holder_page)), "make a page");
	must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	CHECK_INT(socket_send_fds(server, &order, sizeof(order), (int[]){ pair[1], file }, 2), 0);
	close(pair[0]);
	close(pair[1]);
	close(file);
	CHECK(holders_are(before + 1));
}

static void order_holder(const char *busid, struct port own, struct port companion)
{
	struct holder_order order = { .bus = 1, .number = 5, .port = { own, companion } };
	int file = memfd_create("page", MFD_CLOEXEC), pair[2];

	str_copy(order.busid, sizeof(order.busid), busid);
	must(file >= 0 && !ftruncate(file, sizeof(struct holder_page)), "make a page");
	must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	CHECK_INT(socket_send_fds(server, &order, sizeof(order), (int[]){ pair[1], file }, 2), 0);
	close(pair[0]);
	close(pair[1]);
	close(file);
}

static void put_device(const char *busid, const char *devnum, const char *configuration)
{
	put_file(root, sysfs_path(DEVICE_DIR "%s/busnum", busid).text, "1\n");
	put_file(root, sysfs_path(DEVICE_DIR "%s/devnum", busid).text, devnum);
	put_file(root, sysfs_path(DEVICE_DIR "%s/bConfigurationValue", busid).text, configuration);
}

/* Claimed once, kept, given up. */
static void claims(void)
{
	int files;

	begin();
	want("1-2", 1, 1, 2, true);
	want("1-3.4", 1, 7, 4, true);
	want("1-5", 1, 1, 5, false); /* a device is there */
	tell();
	sync_starter();
	CHECK(becomes(1, 1, 2, true));
	CHECK(becomes(1, 7, 4, true));
	CHECK(becomes(1, 1, 5, false));
	CHECK_INT(shared->tries, 2);
	CHECK_INT(shared->claimed, 0);
	CHECK_INT(shared->claims, 0); /* nobody else has them */
	files = shared->files;
	want("1-2", 1, 1, 2, true);
	want("1-3.4", 1, 7, 4, false);
	tell();
	sync_starter();
	CHECK_INT(shared->tries, 2);
	CHECK_INT(shared->files, files); /* none is left open */
	CHECK(becomes(1, 7, 4, true)); /* until its device is bound, or left to its drivers */
	want("1-3.4", 1, 7, 4, true);
	tell();
	CHECK(calls_are("release 2\n")); /* no device is there */
	CHECK(becomes(1, 1, 2, false));
	CHECK(becomes(1, 7, 4, true));
	want("1-2", 1, 1, 2, true);
	want("1-3.4", 1, 7, 4, true);
	tell();
	CHECK(becomes(1, 1, 2, true));
	tell();
	CHECK(becomes(1, 1, 2, false));
	CHECK(becomes(1, 7, 4, false));
	CHECK_INT(logged("1-2: its port is claimed"), 2);
	CHECK_INT(logged("1-3.4: its port is claimed"), 1);
	finish();
}

/* What is there when a claim is given up gets its drivers. */
static void gives_up(void)
{
	static const struct {
		const char *devnum, *configuration, *calls;
	} row[] = {
		{ "5\n", "\n", "release 2\nopen 1 5 0\nconfigure\nconnect 0\n" },
		{ "5\n", "3\n", "release 2\nopen 1 5 3\nconfigure\nconnect 0\n" },
		{ "9\n", "\n", "release 2\nopen 1 9 0\n" }, /* it is gone meanwhile */
	};

	for (size_t i = 0; i < 2 * LENGTH(row); i++) {
		begin();
		want("1-2", 1, 1, 2, true);
		tell();
		CHECK(becomes(1, 1, 2, true));
		put_device("1-2", row[i / 2].devnum, row[i / 2].configuration);
		if (i % 2)
			close_server();
		else
			tell();
		CHECK(calls_are(row[i / 2].calls));
		CHECK(becomes(1, 1, 2, false));
		finish();
	}
}

/* A holder has the claim of its port from the starter, and no other. */
static void lends(void)
{
	static const struct port own = { 1, 1, 2 }, companion = { 2, 1, 3 }, none;

	begin();
	want("1-2", 1, 1, 2, true);
	want("1-7", 1, 1, 7, true);
	tell();
	order_holder("1-2", own, companion);
	CHECK(holders_are(1));
	CHECK_INT(shared->claimed, 1);
	CHECK_INT(shared->companion, 1);
	CHECK_INT(shared->claims, 1);
	tell();
	CHECK(calls_are("release 7\n")); /* but not the port of the holder */
	CHECK(becomes(1, 1, 7, false));
	CHECK(becomes(1, 1, 2, true));
	shared->end = true;
	CHECK(becomes(1, 1, 2, false));
	file_is(root, "calls", "");
	shared->end = false;
	/* the port is not claimed, or that of another hub is */
	order_holder("1-2", own, none);
	CHECK(holders_are(2));
	CHECK_INT(shared->claimed, 0);
	CHECK_INT(shared->claims, 0);
	want("1-2", 1, 4, 2, true);
	tell();
	order_holder("1-2", own, none);
	CHECK(holders_are(3));
	CHECK_INT(shared->claimed, 0);
	/* the companion stays with the starter */
	want("2-3", 2, 1, 3, true);
	want("1-2", 1, 1, 2, true);
	tell();
	order_holder("1-2", own, companion);
	CHECK(holders_are(4));
	CHECK_INT(shared->claimed, 1);
	CHECK_INT(shared->companion, 0);
	CHECK(becomes(2, 1, 3, true));
	order_holder("../2", own, companion); /* no bus id */
	sync_starter();
	CHECK_INT(shared->holders, 5);
	finish();
}

/* A port that another program or a holder has is tried again with each message. */
static void busy(void)
{
	int fd;

	begin();
	fd = lock_port(1, 1, 2);
	for (unsigned i = 1; i < 3; i++) {
		want("1-2", 1, 1, 2, true);
		tell();
		sync_starter();
		CHECK_INT(shared->tries, i);
	}
	/* it is not the starter's, so that a holder tries it as well */
	order_holder("2-3", (struct port){ 2, 1, 3 }, (struct port){ 1, 1, 2 });
	CHECK(holders_are(3));
	CHECK_INT(shared->companion, 1);
	close(fd);
	want("1-2", 1, 1, 2, true);
	tell();
	CHECK(becomes(1, 1, 2, true));
	CHECK_INT(logged("1-2: cannot"), 0);
	finish();
}

/* Other errors are logged once. */
static void failures(void)
{
	static const struct {
		int error;
		unsigned logged;
	} row[] = { { -EACCES, 1 }, { -ENOENT, 0 }, { -ENODEV, 0 }, { -EBUSY, 0 }, { -EINVAL, 1 } };

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin();
		shared->error = row[i].error;
		for (unsigned n = 0; n < 2; n++) {
			want("1-2", 1, 1, 2, true);
			tell();
			sync_starter();
		}
		CHECK_INT(shared->tries, 2);
		CHECK_INT(logged("1-2: cannot claim its port"), row[i].logged);
		shared->error = 0;
		want("1-2", 1, 1, 2, true);
		tell();
		CHECK(becomes(1, 1, 2, true));
		finish();
	}
}

static void tell_two(void)
{
	want("2-1", 2, 1, 1, true);
	want("1-2", 1, 1, 2, true);
	tell();
}

/* A hub that deals with another device for long holds up nothing but its own ports. */
static void stuck(void)
{
	begin();
	shared->stuck = 2;
	tell_two();
	sync_starter();
	CHECK(becomes(1, 1, 2, true));
	tell_two();
	sync_starter();
	CHECK_INT(shared->tries, 2); /* one process is enough to wait for it */
	shared->stuck = 0;
	for (int tries = 0; tries < 1000 && !kill(shared->waits, 0); tries++)
		poll(NULL, 0, 10);
	CHECK(becomes(2, 1, 1, false)); /* it came too late, and has ended */
	tell_two();
	CHECK(becomes(2, 1, 1, true));
	finish();
}

/* A process that has answered is not waited for, even if it has not ended yet. */
static void slow_end(void)
{
	begin();
	shared->linger = true;
	shared->error = -EBUSY;
	want("1-2", 1, 1, 2, true);
	tell();
	sync_starter();
	shared->error = 0;
	want("1-2", 1, 1, 2, true);
	tell();
	sync_starter();
	CHECK(becomes(1, 1, 2, true));
	shared->linger = false;
	finish();
}

/* Its holders have no part in the connection to the server. */
static void starter_dies(void)
{
	begin();
	order_holder("1-2", (struct port){ 1, 1, 2 }, (struct port){ 0 });
	CHECK(holders_are(1));
	kill(starter, SIGKILL);
	must(waitpid(starter, NULL, 0) == starter, "wait for the starter");
	CHECK_INT(poll(&(struct pollfd){ server, POLLIN, 0 }, 1, 0), 1);
	close(server);
	server = -1;
	finish();
}

/* Behind a hub that was replugged. */
static void other_hub(void)
{
	begin();
	want("1-3.4", 1, 7, 4, true);
	tell();
	CHECK(becomes(1, 7, 4, true));
	want("1-3.4", 1, 8, 4, true);
	tell();
	CHECK(becomes(1, 7, 4, false));
	CHECK(becomes(1, 8, 4, true));
	finish();
}

static void too_many(void)
{
	char busid[BUSID_SIZE];

	begin();
	for (unsigned i = 0; i < STARTER_PORTS_MAX; i++) {
		snprintf(busid, sizeof(busid), "1-%u", i + 1);
		want(busid, 1, 1, (uint16_t)(i + 1), false);
	}
	ports.port[0].empty = ports.port[STARTER_PORTS_MAX - 1].empty = true;
	str_copy(ports.port[1].busid, BUSID_SIZE, "../2"); /* no bus id */
	ports.port[1].empty = true;
	tell();
	sync_starter();
	CHECK_INT(shared->tries, 2);
	CHECK(becomes(1, 1, STARTER_PORTS_MAX, true));
	ports.count = UINT32_MAX; /* there are not as many */
	CHECK_INT(socket_send_fds(server, &ports, sizeof(ports), NULL, 0), 0);
	ports.count = 0;
	sync_starter();
	CHECK(becomes(1, 1, STARTER_PORTS_MAX, true));
	finish();
}

/* All at once: they have room when the claims at the former hub were given up. */
static void many_at_another_hub(void)
{
	char busid[BUSID_SIZE];

	begin();
	for (uint16_t hub = 1; hub <= 2; hub++) {
		for (uint16_t i = 1; i <= STARTER_PORTS_MAX; i++) {
			snprintf(busid, sizeof(busid), "1-%u", i);
			want(busid, 1, hub, i, false);
		}
		tell();
		sync_starter();
	}
	want("1-1", 1, 2, 1, true);
	tell();
	CHECK(becomes(1, 2, 1, true));
	finish();
}

/* Where a bus id is. */
static void finds(void)
{
	static const struct {
		const char *busid;
		struct port own, companion;
		bool is_virtual;
	} row[] = {
		{ "1-2", { 1, 1, 2 }, { 2, 1, 3 }, false },
		{ "1-4.12", { 1, 9, 12 }, { 2, 6, 11 }, false },
		{ "1-3", { 1, 1, 3 }, { 0, 0, 0 }, false },
		{ "5-1", { 5, 1, 1 }, { 0, 0, 0 }, true },
		{ "5-1.2", { 5, 2, 2 }, { 0, 0, 0 }, true },
	};
	static const char *const file[][2] = {
		{ "usb1/busnum", "1\n" }, { "usb1/devnum", "1\n" },
		{ "usb2/busnum", "2\n" }, { "usb2/devnum", "1\n" },
		{ "1-4/busnum", "1\n" }, { "1-4/devnum", "9\n" },
		{ "2-4/busnum", "2\n" }, { "2-4/devnum", "6\n" },
		{ "5-1/busnum", "5\n" }, { "5-1/devnum", "2\n" },
	};
	struct port port;

	start(NULL);
	for (size_t i = 0; i < LENGTH(file); i++)
		put_file(root, sysfs_path(DEVICE_DIR "%s", file[i][0]).text, file[i][1]);
	put_file(root, DEVICE_DIR "1-0:1.0/usb1-port2/state", "");
	put_link(root, DEVICE_DIR "1-0:1.0/usb1-port2/peer", "../../../usb2/2-0:1.0/usb2-port3");
	put_file(root, DEVICE_DIR "1-0:1.0/usb1-port3/state", "");
	put_link(root, DEVICE_DIR "1-0:1.0/usb1-port3/peer", "../somewhere");
	put_link(root, DEVICE_DIR "driver", "../drivers/xhci_hcd"); /* of the other buses */
	put_file(root, DEVICE_DIR "1-4:1.0/1-4-port12/state", "");
	put_link(root, DEVICE_DIR "1-4:1.0/1-4-port12/peer", "../../../2-4/2-4:1.0/2-4-port11");
	put_file(root, "devices/platform/vhci_hcd.0/usb5/busnum", "5\n");
	put_file(root, "devices/platform/vhci_hcd.0/usb5/devnum", "1\n");
	put_link(root, "devices/platform/vhci_hcd.0/driver", "../../../bus/platform/drivers/vhci_hcd");
	put_link(root, DEVICE_DIR "usb5", "../../../devices/platform/vhci_hcd.0/usb5");
	for (size_t i = 0; i < LENGTH(row); i++) {
		CHECK_INT(port_find(&sysfs, row[i].busid, &port), 0);
		CHECK(port_equals(&port, &row[i].own));
		port_find_companion(&sysfs, row[i].busid, &port);
		CHECK_INT(port.hub, row[i].companion.hub);
		CHECK(!port.hub || port_equals(&port, &row[i].companion));
		CHECK_INT(port_is_virtual(&sysfs, row[i].busid), row[i].is_virtual);
	}
	CHECK_INT(port_find(&sysfs, "1-9.1", &port), -ENOENT);
	end();
}

int main(void)
{
	must(!prctl(PR_SET_CHILD_SUBREAPER, 1), "adopt the starter's processes");
	RUN("t_starter: ports are claimed, and given up", claims);
	RUN("t_starter: what is there then gets its drivers", gives_up);
	RUN("t_starter: a holder gets the claim of its port", lends);
	RUN("t_starter: a port that another has", busy);
	RUN("t_starter: a port that cannot be claimed", failures);
	RUN("t_starter: a hub that does not answer", stuck);
	RUN("t_starter: a process that ends late", slow_end);
	RUN("t_starter: holders when the starter is killed", starter_dies);
	RUN("t_starter: another hub in the same place", other_hub);
	RUN("t_starter: many ports", too_many);
	RUN("t_starter: many ports, and then those of another hub", many_at_another_hub);
	RUN("t_starter: the ports of bus ids", finds);
	return check_status();
}
