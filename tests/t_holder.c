/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/holder, host/holder_page and host/engine_usbfs: the processes that hold devices, as the
 * server sees them. The test plays usbfs in them: what it did is in shared memory. They have no
 * sandbox, as the sanitizers need more calls than that allows.
 * LINK: -Wl,--wrap=usbfs_open,--wrap=usbfs_claim_port,--wrap=usbfs_claim,--wrap=usbfs_give_back
 * LINK: -Wl,--wrap=usbfs_session_begin,--wrap=usbfs_session_ready,--wrap=usbfs_session_end
 * LINK: -Wl,--wrap=usbfs_session_timeout,--wrap=sandbox_enter_holder,--wrap=epoll_wait
 * LINK: -Wl,--wrap=accept4
 */
#include "host/holder.h"

#include "lib/sandbox.h"
#include "lib/str.h"
#include "tests/files.h"
#include "tests/tree.h"
#include "loop/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* What the processes of the test tell each other. */
static struct shared {
	_Atomic int open_error, port_error, claim_error, give_back_error, session_error;
	_Atomic int bus, number, configuration, claims, gave_back, begun, ended;
	_Atomic unsigned devid, ports[2][3], released[2], sandboxed, memory, events, claims_seen;
	_Atomic int timeout; /* ms, of the session */
	_Atomic unsigned ticks;
	_Atomic int begin_error, tried; /* to begin a session */
	_Atomic enum usbfs_end end;
	_Atomic unsigned alone; /* so often a holder has waited to be alone for long */
	_Atomic bool hurry;	/* that is soon */
	_Atomic bool starved, asked_none; /* a session that was not there, for its timeout */
	_Atomic bool used; /* what was given back */
	_Atomic bool dies; /* when it claims */
	_Atomic bool no_files; /* for a connection that would be accepted */
	_Atomic unsigned not_accepted;
	_Atomic pid_t pid;
} *shared;

static struct daemon server;
static struct daemon_options options;
static char run[TEMP_SIZE];
static int gone[2]; /* a pipe: its end at [1] is closed when the device leaves */

int __wrap_usbfs_open(struct usbfs_device *device, int nodes, unsigned bus, unsigned number,
		      uint8_t configuration);
int __wrap_usbfs_claim_port(int nodes, unsigned bus, unsigned hub, unsigned port);
int __wrap_usbfs_claim(struct usbfs_device *device);
int __wrap_usbfs_give_back(struct usbfs_device *device, struct usbfs_port *port, size_t ports);
int __wrap_usbfs_session_begin(struct usbfs_session *session, struct usbfs_device *device, int socket,
			       uint32_t devid, int epoll, struct urb_counters *counters);
enum usbfs_end __wrap_usbfs_session_ready(struct usbfs_session *session, int fd, uint32_t events);
int __wrap_usbfs_session_end(struct usbfs_session *session);
int __wrap_usbfs_session_timeout(const struct usbfs_session *session);
void __wrap_sandbox_enter_holder(void);

int __wrap_usbfs_open(struct usbfs_device *device, int nodes, unsigned bus, unsigned number,
		      uint8_t configuration)
{
	shared->bus = (int)bus;
	shared->number = (int)number;
	shared->configuration = device->configuration_at_start = configuration;
	shared->pid = getpid();
	device->fd = dup(nodes);
	return shared->open_error;
}

int __wrap_usbfs_claim_port(int nodes, unsigned bus, unsigned hub, unsigned port)
{
	static unsigned n;

	(void)nodes;
	shared->claims_seen++;
	shared->ports[n][0] = bus;
	shared->ports[n][1] = hub;
	shared->ports[n++][2] = port;
	return shared->port_error ? shared->port_error : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int __wrap_usbfs_claim(struct usbfs_device *device)
{
	(void)device;
	shared->claims++;
	if (shared->dies)
		kill(getpid(), SIGKILL);
	return shared->claim_error;
}

int __wrap_usbfs_give_back(struct usbfs_device *device, struct usbfs_port *port, size_t ports)
{
	shared->used = device->used;
	for (size_t i = 0; i < ports; i++) {
		shared->released[i] = port[i].number;
		if (port[i].fd >= 0)
			close(port[i].fd);
	}
	shared->gave_back++;
	return shared->give_back_error;
}

int __wrap_usbfs_session_begin(struct usbfs_session *session, struct usbfs_device *device, int socket,
			       uint32_t devid, int epoll, struct urb_counters *counters)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = socket };

	session->socket = -1;
	shared->tried++;
	if (shared->begin_error) {
		close(socket);
		return shared->begin_error;
	}
	session->socket = socket;
	session->transfers.device = device;
	shared->memory = device->memory;
	session->epoll = epoll;
	shared->devid = devid;
	shared->begun++;
	counters->urbs = 7;
	CHECK_INT(epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event), 0);
	event = (struct epoll_event){ .data.fd = device->fd };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, device->fd, &event))
		shared->begun = -100; /* it was watched before */
	return 0;
}

enum usbfs_end __wrap_usbfs_session_ready(struct usbfs_session *session, int fd, uint32_t events)
{
	char byte;

	(void)events;
	if (fd < 0) {
		shared->ticks++;
		return USBFS_RUNNING;
	}
	CHECK_INT(fd, session->socket);
	if (read(fd, &byte, 1) != 1)
		return USBFS_CLOSED;
	session->transfers.starved = shared->starved;
	shared->memory = session->transfers.device->memory;
	shared->events++;
	return shared->end;
}

int __wrap_usbfs_session_end(struct usbfs_session *session)
{
	epoll_ctl(session->epoll, EPOLL_CTL_DEL, session->transfers.device->fd, NULL);
	close(session->socket);
	session->socket = -1;
	shared->ended++;
	return shared->session_error;
}

int __wrap_usbfs_session_timeout(const struct usbfs_session *session)
{
	if (session->socket < 0)
		shared->asked_none = true;
	return shared->timeout;
}

void __wrap_sandbox_enter_holder(void)
{
	shared->sandboxed++;
}

int __real_epoll_wait(int epoll, struct epoll_event *event, int max, int ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *event, int max, int ms);

int __wrap_epoll_wait(int epoll, struct epoll_event *event, int max, int ms)
{
	shared->alone += ms == HOLDER_ALONE_MS;
	if (ms == HOLDER_ALONE_MS && shared->hurry)
		ms = 10;
	return __real_epoll_wait(epoll, event, max, ms);
}

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	if (!shared->no_files)
		return __real_accept4(fd, address, len, flags);
	shared->not_accepted++;
	errno = EMFILE;
	return -1;
}

static bool soon(bool (*what)(void))
{
	for (int tries = 0; tries < 3000; tries++) {
		if (what())
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

/* A device 1-2 with number 5, in a socket that is port 3 of the bus 2 as well. */
static void make_device(void)
{
	static const char *const file[][2] = {
		{ "usb1/busnum", "1\n" }, { "usb1/devnum", "1\n" },
		{ "usb2/busnum", "2\n" }, { "usb2/devnum", "1\n" },
		{ "1-2/busnum", "1\n" }, { "1-2/devnum", "5\n" },
		{ "1-2/bConfigurationValue", "1\n" }, { "1-2/1-2:1.0/bInterfaceNumber", "00\n" },
	};
	char path[80];

	for (size_t i = 0; i < LENGTH(file); i++) {
		snprintf(path, sizeof(path), DEVICE_DIR "%s", file[i][0]);
		put_file(root, path, file[i][1]);
	}
	put_file(root, DEVICE_DIR "1-0:1.0/usb1-port2/state", "");
	put_link(root, DEVICE_DIR "1-0:1.0/usb1-port2/peer", "../../../usb2/2-0:1.0/usb2-port3");
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static bool at_once(void *ctx)
{
	(void)ctx;
	return true;
}

static const struct loop_role role = { nothing, nothing, at_once };

static bool rebooted; /* since the files in the run directory were written */

static void open_daemon(void)
{
	static char name[] = "usbiphp-server";

	memset(&server, 0, sizeof(server));
	child_set_origin(name, NULL);
	server.options = &options;
	server.sysfs = sysfs;
	server.sysfs.usb_nodes = gone[0]; /* the only file that the process gets so */
	server.rundir.path = run;
	server.rundir.stale = rebooted;
	server.rundir.dir = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(server.rundir.dir >= 0, "open the run directory");
	must(!loop_open(&server.loop, 1000, &role, NULL), "open the loop");
	CHECK_INT(holders_open(&server), 0);
}

static void before(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED, "map");
	shared->timeout = -1;
	must(!pipe(gone), "pipe");
	start(NULL);
	make_device();
	temp_make(run);
	open_daemon();
}

static bool process_ended(void)
{
	return kill(shared->pid, 0) && errno == ESRCH;
}

static void after(void)
{
	engine_usbfs.forget("1-2");
	if (shared->pid && !process_ended())
		kill(shared->pid, SIGKILL);
	holders_close();
	loop_close(&server.loop);
	close(server.rundir.dir);
	close(gone[0]);
	close(gone[1]);
	while (wait(NULL) > 0)
		;
	temp_remove(run);
	end();
	munmap(shared, sizeof(*shared));
}

static struct device the_device(void)
{
	return (struct device){ .busid = "1-2", .driver = "usb", .devnum = 5 };
}

static struct engine_result take(void)
{
	const struct device device = the_device();
	int fd[2] = { -1, -1 };

	CHECK(!engine_usbfs.has(&device));
	CHECK_INT(engine_usbfs.begin(&sysfs, "1-2"), 0);
	engine_usbfs.files("1-2", fd);
	CHECK(fd[0] >= 0 && fd[1] >= 0);
	return engine_usbfs.bind(&sysfs, "1-2");
}

static bool is_available(void)
{
	return engine_usbfs.status(&sysfs, "1-2") == ENGINE_AVAILABLE;
}

/* The client's end is pair[0]; the server has pair[1]. */
static void begin_session(int pair[2])
{
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
	CHECK_INT(engine_usbfs.import(&sysfs, "1-2", pair[1]), 0);
}

static void life(void)
{
	struct device device = the_device();
	struct engine_result result;
	struct holder_page page;
	struct stat file;
	int pair[2];
	char byte;

	before();
	result = take();
	CHECK_INT(result.outcome, ENGINE_DONE);
	CHECK(engine_usbfs.has(&device));
	CHECK(engine_find(&device) == &engine_usbfs);
	device.devnum = 6; /* another device in its place */
	CHECK(!engine_usbfs.has(&device));
	device.devnum = 0; /* nobody knows */
	CHECK(engine_usbfs.has(&device));
	CHECK_INT(shared->bus, 1);
	CHECK_INT(shared->number, 5);
	CHECK_INT(shared->configuration, 1);
	CHECK_INT(shared->ports[0][0] * 100 + shared->ports[0][1] * 10 + shared->ports[0][2], 112);
	CHECK_INT(shared->ports[1][0] * 100 + shared->ports[1][1] * 10 + shared->ports[1][2], 213);
	CHECK_INT(shared->sandboxed, 1);
	CHECK(is_available());
	CHECK(holder_read(run, "1-2", &page));
	CHECK(!holder_read(run, "1-3", &page));
	/* any user may look */
	must(!fstatat(server.rundir.dir, "holder.1-2", &file, AT_SYMLINK_NOFOLLOW), "look");
	CHECK_INT(file.st_mode & 0777, 0644);
	CHECK(file.st_blocks > 0); /* or it could end who writes there */

	begin_session(pair);
	CHECK_INT(engine_usbfs.status(&sysfs, "1-2"), ENGINE_IN_USE);
	CHECK_INT(engine_usbfs.import(&sysfs, "1-2", pair[1]), -EBUSY);
	/* the server still has its descriptor: the holder ends the connection all the same */
	CHECK_INT(engine_usbfs.end(&sysfs, "1-2", -1).outcome, ENGINE_DONE);
	CHECK_INT(read(pair[0], &byte, 1), 0);
	CHECK_INT(shared->begun * 10 + shared->ended, 11);
	CHECK_INT(shared->devid, 1 << 16 | 5);
	CHECK(is_available());
	CHECK(holder_read(run, "1-2", &page));
	CHECK_INT(page.counters.urbs, 7);
	close(pair[0]);
	close(pair[1]);

	begin_session(pair);
	close(pair[1]);
	close(pair[0]); /* the client leaves */
	CHECK(soon(is_available));
	CHECK_INT(shared->begun * 10 + shared->ended, 22);

	CHECK_INT(engine_usbfs.release(&sysfs, "1-2").outcome, ENGINE_DONE);
	CHECK_INT(shared->gave_back, 1);
	CHECK_INT(shared->released[0] * 10 + shared->released[1], 23);
	engine_usbfs.forget("1-2");
	CHECK(!holder_read(run, "1-2", &page));
	CHECK(!is_there(run, "holder.1-2") && !is_there(run, "socket.1-2"));
	after();
}

/* No byte can be written to the run directory: the device is not taken, and nothing is left. */
static void full(void)
{
	struct rlimit before_limit, limit;

	before();
	must(!getrlimit(RLIMIT_FSIZE, &before_limit), "getrlimit");
	limit = before_limit;
	limit.rlim_cur = 0;
	signal(SIGXFSZ, SIG_IGN);
	must(!setrlimit(RLIMIT_FSIZE, &limit), "setrlimit");
	CHECK_INT(engine_usbfs.begin(&sysfs, "1-2"), -ENOSPC);
	must(!setrlimit(RLIMIT_FSIZE, &before_limit), "setrlimit");
	CHECK(!is_there(run, "holder.1-2"));
	CHECK_INT(take().outcome, ENGINE_DONE);
	CHECK_INT(engine_usbfs.release(&sysfs, "1-2").outcome, ENGINE_DONE);
	after();
}

static bool has_given_back(void)
{
	return shared->gave_back;
}

/* The starter has claimed its port before it came. */
static void claimed_in_advance(void)
{
	static struct starter_ports ports = { .count = 1, .port = { { "1-2", { 1, 1, 2 }, true } } };

	before();
	/* what is there when the claim is given up gets its drivers */
	holders_claim_ports(&ports);
	ports.count = 0;
	holders_claim_ports(&ports);
	CHECK(soon(has_given_back));
	shared->claims_seen = 0;
	shared->gave_back = 0;
	ports.count = 1;
	holders_claim_ports(&ports);
	ports.count = 0;
	CHECK_INT(take().outcome, ENGINE_DONE);
	CHECK_INT(shared->ports[1][0], 0); /* the holder has claimed only one more */
	CHECK_INT(shared->claims_seen, 2);
	holders_claim_ports(&ports);
	CHECK_INT(engine_usbfs.release(&sysfs, "1-2").outcome, ENGINE_DONE);
	CHECK_INT(shared->gave_back, 1);
	CHECK_INT(shared->released[0] * 10 + shared->released[1], 23);
	after();
}

static void failures(void)
{
	static const struct {
		int port, open, claim;
		enum holder_step step;
		enum engine_outcome outcome;
		int gave_back;
	} row[] = {
		{ -EBUSY, 0, 0, HOLDER_STEP_PORT, ENGINE_FAILED, 0 },
		{ 0, -EPERM, 0, HOLDER_STEP_OPEN, ENGINE_FAILED, 0 },
		{ 0, -ENODEV, 0, 0, ENGINE_GONE, 0 },
		{ 0, 0, -EBUSY, HOLDER_STEP_CLAIM, ENGINE_FAILED, 1 },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct engine_result result;

		before();
		shared->port_error = row[i].port;
		shared->open_error = row[i].open;
		shared->claim_error = row[i].claim;
		result = take();
		CHECK_INT(result.outcome, row[i].outcome);
		CHECK_INT(result.error, row[i].port + row[i].open + row[i].claim);
		CHECK_INT(result.step, row[i].step);
		CHECK_INT(shared->gave_back, row[i].gave_back);
		CHECK(*engine_usbfs.step_text(result.step));
		after();
	}
}

static void device_leaves(void)
{
	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	close(gone[0]);
	close(gone[1]); /* EPOLLHUP at the other end */
	CHECK(soon(process_ended));
	for (uint64_t left = server.loop.now; server.loop.now < left + 2000; server.loop.now += 499) {
		server.loop.next = UINT64_MAX;
		CHECK_INT(engine_usbfs.status(&sysfs, "1-2"), ENGINE_UNKNOWN);
		CHECK_INT(server.loop.next, left + 2000);
	}
	server.loop.next = UINT64_MAX; /* it does not leave */
	CHECK_INT(engine_usbfs.status(&sysfs, "1-2"), ENGINE_ERROR);
	CHECK_INT(server.loop.next, UINT64_MAX);
	/* another device has come in its place: it is given its drivers, and not reset if nobody used it */
	put_file(root, DEVICE_DIR "1-2/devnum", "6\n");
	put_file(root, DEVICE_DIR "1-2/bConfigurationValue", "\n");
	CHECK_INT(engine_usbfs.release(&sysfs, "1-2").outcome, ENGINE_DONE);
	CHECK_INT(shared->gave_back, 1);
	CHECK(!shared->used);
	must(!pipe(gone), "pipe");
	after();
}

/* The device cannot be reset after a session, or has left. */
static void session_fails(void)
{
	static const struct engine_result want[] = {
		{ -EIO, ENGINE_FAILED, HOLDER_STEP_SESSION }, { -ENODEV, ENGINE_GONE, 0 },
	};
	struct engine_result result;
	int pair[2];

	for (size_t i = 0; i < LENGTH(want); i++) {
		before();
		CHECK_INT(take().outcome, ENGINE_DONE);
		shared->session_error = want[i].error;
		begin_session(pair);
		result = engine_usbfs.end(&sysfs, "1-2", pair[1]);
		CHECK_INT(result.error, want[i].error);
		CHECK_INT(result.outcome, want[i].outcome);
		CHECK_INT(result.step, want[i].step);
		CHECK(soon(process_ended));
		CHECK_INT(engine_usbfs.status(&sysfs, "1-2"),
			  want[i].outcome == ENGINE_GONE ? ENGINE_UNKNOWN : ENGINE_ERROR);
		close(pair[0]);
		close(pair[1]);
		if (want[i].outcome == ENGINE_GONE) { /* and the next one, later */
			server.loop.now += 5000;
			engine_usbfs.forget("1-2");
			shared->begun = 0;
			CHECK_INT(take().outcome, ENGINE_DONE);
			begin_session(pair);
			CHECK_INT(engine_usbfs.end(&sysfs, "1-2", pair[1]).outcome, ENGINE_GONE);
			CHECK_INT(engine_usbfs.status(&sysfs, "1-2"), ENGINE_UNKNOWN);
			close(pair[0]);
			close(pair[1]);
		}
		after();
	}
}

static bool end_was_seen(void *ctx)
{
	int fd[2];

	(void)ctx;
	engine_usbfs.files("1-2", fd);
	return fd[0] < 0 || server.loop.next <= server.loop.now;
}

/* The server looks again when a process has ended, once. */
static void end_is_seen(void)
{
	static const struct loop_role until_end = { nothing, nothing, end_was_seen };
	int fd[2];

	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	server.loop.role = &until_end;
	server.loop.next = UINT64_MAX;
	kill(shared->pid, SIGKILL);
	loop_run(&server.loop);
	CHECK(server.loop.next <= server.loop.now);
	engine_usbfs.files("1-2", fd);
	CHECK_INT(fd[0], -1);
	CHECK_INT(engine_usbfs.status(&sysfs, "1-2"), ENGINE_ERROR);
	CHECK(soon(process_ended));
	after();
}

/* Another process has given it back, after a reset, when the release is done. */
static void was_repaired(void)
{
	CHECK_INT(shared->bus * 100 + shared->number * 10 + shared->configuration, 151);
	CHECK_INT(shared->claims, 1);
	CHECK_INT(shared->gave_back, 1);
	CHECK(shared->used);
}

static void is_killed(void)
{
	struct holder_page page;
	int pair[2];

	/* while it starts */
	before();
	shared->dies = true;
	CHECK_INT(take().outcome, ENGINE_FAILED);
	CHECK_INT(shared->gave_back, 1);
	/* and its device is taken once more: there is one holder */
	shared->dies = false;
	CHECK_INT(engine_usbfs.begin(&sysfs, "1-2"), 0);
	CHECK_INT(engine_usbfs.bind(&sysfs, "1-2").outcome, ENGINE_DONE);
	CHECK(holder_read(run, "1-2", &page));
	CHECK_INT(page.holders, 1);
	/* in a session, and before the next one, which does not begin */
	begin_session(pair);
	kill(shared->pid, SIGKILL);
	CHECK(soon(process_ended));
	CHECK_INT(engine_usbfs.end(&sysfs, "1-2", pair[1]).outcome, ENGINE_STRANDED);
	CHECK_INT(read(pair[0], &(char){ 0 }, 1), 0);
	close(pair[0]);
	after();
	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	kill(shared->pid, SIGKILL);
	CHECK(soon(process_ended));
	CHECK_INT(engine_usbfs.import(&sysfs, "1-2", pair[1]), -EPIPE);
	CHECK_INT(engine_usbfs.import(&sysfs, "1-2", pair[1]), -EPIPE);
	close(pair[1]);
	after();
	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	kill(shared->pid, SIGKILL);
	CHECK(soon(process_ended));
	CHECK_INT(engine_usbfs.status(&sysfs, "1-2"), ENGINE_ERROR);
	shared->number = shared->configuration = 0;
	CHECK_INT(engine_usbfs.release(&sysfs, "1-2").outcome, ENGINE_DONE);
	was_repaired();
	engine_usbfs.forget("1-2");
	/* one that no holder had, which a driver of this machine may have now */
	CHECK_INT(engine_usbfs.release(&sysfs, "1-2").outcome, ENGINE_DONE);
	CHECK_INT(shared->gave_back, 2);
	CHECK(!shared->used);
	after();
}

/* A server that is killed, and the next one. */
static void next_server(void)
{
	const struct device device = the_device();
	int pair[2];

	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	begin_session(pair);
	holders_close();
	loop_close(&server.loop);
	CHECK(!engine_usbfs.has(&device));
	close(server.rundir.dir);
	open_daemon();
	CHECK(engine_usbfs.has(&device));
	CHECK_INT(engine_usbfs.status(&sysfs, "1-2"), ENGINE_IN_USE);
	CHECK_INT(engine_usbfs.end(&sysfs, "1-2", -1).outcome, ENGINE_DONE);
	CHECK_INT(engine_usbfs.release(&sysfs, "1-2").outcome, ENGINE_DONE);
	CHECK_INT(shared->gave_back, 1);
	close(pair[0]);
	close(pair[1]);
	after();
}

static bool was_not_accepted(void)
{
	return shared->not_accepted > 1;
}

/* Until the next server's connection is accepted, that of the one before counts. */
static void next_server_waits(void)
{
	int next;

	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	shared->no_files = true;
	next = holder_connect(server.rundir.dir, "1-2");
	CHECK(soon(was_not_accepted));
	CHECK(is_available());
	CHECK_INT(engine_usbfs.release(&sysfs, "1-2").outcome, ENGINE_DONE);
	close(next);
	after();
}

/* The client sends a byte. */
static void use(int client)
{
	unsigned before_it = shared->events;

	must(write(client, "", 1) == 1, "write");
	for (int tries = 0; shared->events == before_it && tries < 3000; tries++)
		poll(NULL, 0, 10);
	CHECK_INT(shared->events, before_it + 1);
}

static void take_second(void)
{
	CHECK_INT(engine_usbfs.begin(&sysfs, "1-3"), 0);
	CHECK_INT(engine_usbfs.bind(&sysfs, "1-3").outcome, ENGINE_DONE);
}

#define MEMORY_MB "module/usbcore/parameters/usbfs_memory_mb"

static bool has_ticked_once(void)
{
	return shared->ticks;
}

/* What is due is not put off by what a session wants later; and only a session wants it. */
static void ticks_in_time(void)
{
	int pair[2];

	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	begin_session(pair);
	shared->timeout = 500;
	use(pair[0]);
	shared->timeout = 3600 * 1000;
	use(pair[0]);
	CHECK(soon(has_ticked_once));
	CHECK_INT(engine_usbfs.end(&sysfs, "1-2", -1).outcome, ENGINE_DONE);
	CHECK(soon(is_available));
	close(pair[0]);
	close(pair[1]);
	begin_session(pair);
	use(pair[0]);
	CHECK(!shared->asked_none);
	close(pair[0]);
	close(pair[1]);
	after();
}

static bool has_ticked(void)
{
	return shared->ticks >= 3;
}

/* As often as the session wants, also while it has events, and soon if that changes. */
static void ticks(void)
{
	static const int timeout[] = { 20, -1, 3600 * 1000, 10, -1 };
	int pair[2];

	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	begin_session(pair);
	for (size_t i = 0; i < LENGTH(timeout); i++) {
		shared->timeout = timeout[i];
		shared->ticks = 0;
		use(pair[0]);
		use(pair[0]);
		if (timeout[i] > 0 && timeout[i] < 1000)
			CHECK(soon(has_ticked));
		else
			CHECK(!has_ticked());
	}
	/* without a server, too */
	holders_close();
	loop_close(&server.loop);
	close(server.rundir.dir);
	shared->timeout = 10;
	shared->ticks = 0;
	use(pair[0]);
	CHECK(soon(has_ticked));
	open_daemon();
	close(pair[0]);
	close(pair[1]);
	after();
}

/* What the kernel grants, NULL: nobody knows; and what one holder of one, and of two, may have. */
static void shares_memory(void)
{
	static const struct {
		const char *mb;
		unsigned alone, of_two;
	} row[] = {
		{ "6\n", 3 << 20, 2 << 20 }, { "1\n", 1 << 19, (1 << 20) / 3 },
		{ "1000\n", USBFS_MEMORY, USBFS_MEMORY }, { "0\n", USBFS_MEMORY, USBFS_MEMORY },
		{ "2147483647\n", USBFS_MEMORY, USBFS_MEMORY },
		{ "4097\n", USBFS_MEMORY, USBFS_MEMORY }, /* more than 2^32 bytes */
		{ NULL, 8 << 20, (16 << 20) / 3 },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		pid_t first;
		int pair[2];

		before();
		put_file(root, DEVICE_DIR "1-3/busnum", "1\n");
		put_file(root, DEVICE_DIR "1-3/devnum", "6\n");
		if (row[i].mb)
			put_file(root, MEMORY_MB, row[i].mb);
		CHECK_INT(take().outcome, ENGINE_DONE);
		first = shared->pid;
		begin_session(pair);
		use(pair[0]);
		CHECK_INT(shared->memory, row[i].alone);
		take_second();
		CHECK_INT(shared->claims_seen, 3); /* it has one port, the other device two */
		use(pair[0]);
		CHECK_INT(shared->memory, row[i].of_two);
		CHECK_INT(engine_usbfs.release(&sysfs, "1-3").outcome, ENGINE_DONE);
		engine_usbfs.forget("1-3");
		use(pair[0]);
		CHECK_INT(shared->memory, row[i].alone);
		/* the next server counts those that are left */
		take_second();
		holders_close();
		loop_close(&server.loop);
		close(server.rundir.dir);
		CHECK_INT(holder_release(run, "1-3"), 0);
		open_daemon();
		use(pair[0]);
		CHECK_INT(shared->memory, row[i].alone);
		file_is(root, MEMORY_MB, row[i].mb); /* which it does not change */
		close(pair[0]);
		close(pair[1]);
		shared->pid = first;
		after();
	}
}

static int log_before, log_file;

static void keep_log(void)
{
	log_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	log_file = memfd_create("log", MFD_CLOEXEC);
	must(log_before >= 0 && log_file >= 0 && dup2(log_file, STDERR_FILENO) >= 0, "keep the log");
}

static const char *kept_log(void)
{
	static char text[400];

	memset(text, 0, sizeof(text));
	must(dup2(log_before, STDERR_FILENO) >= 0 &&
		     pread(log_file, text, sizeof(text) - 1, 0) >= 0,
	     "read the log");
	close(log_before);
	close(log_file);
	return text;
}

/* That there is none is logged once, and the session goes on. */
static void no_memory(void)
{
	const char *line;
	int pair[2];

	keep_log();
	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	begin_session(pair);
	use(pair[0]);
	use(pair[0]);
	shared->starved = true;
	use(pair[0]);
	use(pair[0]);
	CHECK_INT(shared->ended, 0);
	CHECK_INT(engine_usbfs.end(&sysfs, "1-2", -1).outcome, ENGINE_DONE);
	close(pair[0]);
	close(pair[1]);
	after();
	line = strstr(kept_log(), "1-2: a request failed");
	CHECK(line && strstr(line, MEMORY_MB) && !strstr(line + 1, "1-2:"));
}

/* Why a session has ended is logged if it is a fault. */
static void ends(void)
{
	static const enum usbfs_end ends[] = { USBFS_CONNECTION, USBFS_DEVICE_GONE, USBFS_NO_MEMORY,
					       USBFS_BAD_UNLINKS };

	for (size_t i = 0; i < LENGTH(ends); i++) {
		int pair[2];

		keep_log();
		before();
		CHECK_INT(take().outcome, ENGINE_DONE);
		begin_session(pair);
		shared->end = ends[i];
		use(pair[0]);
		CHECK(soon(is_available));
		CHECK_INT(shared->ended, 1);
		close(pair[0]);
		close(pair[1]);
		after();
		CHECK_INT(strstr(kept_log(), usbfs_end_text(ends[i])) != NULL, i > 1);
	}
}

/* Messages at the wrong time, sessions that do not begin, and a release within one. */
static void unusual(void)
{
	int fd[2], pair[2];
	char byte;

	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	engine_usbfs.files("1-2", fd);
	holder_tell(fd[0], HOLDER_END, NULL);
	holder_tell(fd[0], HOLDER_IMPORT, NULL);
	shared->begin_error = -ENOSPC;
	begin_session(pair);
	CHECK(soon(is_available));
	shared->begin_error = 0;
	CHECK_INT(engine_usbfs.import(&sysfs, "1-2", pair[1]), 0);
	use(pair[0]);
	CHECK_INT(shared->tried, 2);
	CHECK_INT(shared->begun * 10 + shared->ended, 10);
	/* nobody takes it back: another process tries it once more */
	shared->give_back_error = -EIO;
	CHECK_INT(engine_usbfs.release(&sysfs, "1-2").outcome, ENGINE_DONE);
	CHECK_INT(read(pair[0], &byte, 1), 0);
	CHECK_INT(shared->ended, 1);
	CHECK_INT(shared->gave_back, 2);
	close(pair[0]);
	close(pair[1]);
	after();
}

/* With neither a server nor a session for long. */
static void alone(void)
{
	int pair[2];

	before();
	shared->hurry = true;
	CHECK_INT(take().outcome, ENGINE_DONE);
	begin_session(pair);
	close(pair[1]);
	use(pair[0]);
	holders_close();
	loop_close(&server.loop);
	use(pair[0]);
	use(pair[0]);
	CHECK_INT(shared->alone, 0);
	close(pair[0]);
	CHECK(soon(process_ended));
	CHECK(shared->alone > 0);
	CHECK_INT(shared->ended * 10 + shared->gave_back, 11);
	close(server.rundir.dir);
	open_daemon();
	after();
}

/* The next server after the holder has ended: by itself, or killed. */
static void ended_without_server(void)
{
	const struct device device = the_device();
	int control;

	for (int i = 0; i < 3; i++) {
		const bool killed = i > 0, kept = i == 1;

		before();
		CHECK_INT(take().outcome, ENGINE_DONE);
		holders_close();
		loop_close(&server.loop);
		rebooted = i == 2; /* then it is another device, of the same number */
		if (killed) {
			kill(shared->pid, SIGKILL);
		} else {
			control = holder_connect(server.rundir.dir, "1-2");
			holder_tell(control, HOLDER_RELEASE, NULL);
			holder_wait_end(control);
			close(control);
		}
		CHECK(soon(process_ended));
		close(server.rundir.dir);
		open_daemon();
		rebooted = false;
		CHECK_INT(engine_usbfs.has(&device), kept);
		CHECK_INT(is_there(run, "holder.1-2"), kept);
		if (kept) {
			CHECK_INT(engine_usbfs.status(&sysfs, "1-2"), ENGINE_ERROR);
			CHECK_INT(engine_usbfs.release(&sysfs, "1-2").outcome, ENGINE_DONE);
			was_repaired();
		}
		after();
	}
}

/* Of an earlier version of the program, with other pages: it is not adopted, but gives back. */
static void other_version(void)
{
	const struct device device = the_device();
	struct holder_page page;
	int fd;

	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	holders_close();
	loop_close(&server.loop);
	fd = openat(server.rundir.dir, "holder.1-2", O_RDWR | O_CLOEXEC);
	page.version = HOLDER_VERSION + 1;
	must(pwrite(fd, &page.version, sizeof(page.version), 0) > 0, "change the version");
	close(fd);
	CHECK(!holder_read(run, "1-2", &page));
	close(server.rundir.dir);
	open_daemon();
	CHECK(!engine_usbfs.has(&device));
	CHECK(soon(process_ended));
	CHECK_INT(shared->gave_back, 1);
	CHECK_INT(take().outcome, ENGINE_DONE);
	after();
}

/* The page of a holder that has ended. */
static void put_page(const char *name)
{
	struct holder_page page = { .version = HOLDER_VERSION };
	int fd = openat(server.rundir.dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	must(fd >= 0 && write(fd, &page, sizeof(page)) == sizeof(page) && !close(fd), name);
}

/* What is in the run directory that no holder has made, and more than there may be. */
static void strange_files(void)
{
	const struct device device = { .busid = "x" };
	char name[40];

	before();
	holders_close();
	put_page("holder.x");
	put_link(run, "holder.1-9", "holder.x");
	loop_close(&server.loop);
	close(server.rundir.dir);
	open_daemon();
	CHECK(!engine_usbfs.has(&device));
	CHECK_INT(engine_usbfs.status(&sysfs, "1-9"), ENGINE_UNKNOWN);
	holders_close();
	for (unsigned i = 0; i < HOLDERS_MAX; i++) {
		snprintf(name, sizeof(name), "holder.9-%u", i + 1);
		put_page(name);
	}
	loop_close(&server.loop);
	close(server.rundir.dir);
	open_daemon();
	CHECK_INT(engine_usbfs.status(&sysfs, "9-7"), ENGINE_ERROR); /* it was killed while it started */
	CHECK_INT(engine_usbfs.begin(&sysfs, "1-2"), -ENOMEM);
	engine_usbfs.forget("9-7");
	CHECK_INT(engine_usbfs.begin(&sysfs, "1-2"), 0);
	CHECK_INT(engine_usbfs.bind(&sysfs, "1-2").outcome, ENGINE_DONE);
	after();
}

/* The process that starts holders has ended. */
static void without_starter(void)
{
	const struct device device = the_device();

	before();
	holders_close();
	CHECK_INT(engine_usbfs.begin(&sysfs, "1-2"), -EBADF);
	CHECK(!engine_usbfs.has(&device));
	CHECK(!is_there(run, "holder.1-2"));
	after();
}

static void checks(void)
{
	struct sysfs other = { 0 };

	before();
	other.usb_nodes = server.rundir.dir; /* no bus is there */
	CHECK_INT(engine_usbfs.check(&other), 0);
	other.usb_nodes = -EPERM;
	CHECK_INT(engine_usbfs.check(&other), -EPERM);
	other.usb_nodes = gone[0];
	CHECK_INT(engine_usbfs.check(&other), -ENOTDIR);
	after();
}

static void without_server(void)
{
	struct holder_page page;

	before();
	CHECK_INT(take().outcome, ENGINE_DONE);
	holders_close();
	CHECK_INT(holder_release(run, "1-2"), 0);
	CHECK_INT(shared->gave_back, 1);
	CHECK(!holder_read(run, "1-2", &page));
	CHECK(!is_there(run, "holder.1-2") && !is_there(run, "socket.1-2"));
	CHECK_INT(holder_release(run, "1-2"), -ESRCH);
	after();
}

int main(void)
{
	umask(022);
	RUN("t_holder: bound, imported, ended, left by its client, released", life);
	RUN("t_holder: a run directory that is full", full);
	RUN("t_holder: a port that was claimed in advance", claimed_in_advance);
	RUN("t_holder: what fails at the start, and what is given back then", failures);
	RUN("t_holder: the device leaves", device_leaves);
	RUN("t_holder: a session after which the device fails", session_fails);
	RUN("t_holder: a holder that is killed, and the drivers of its device", is_killed);
	RUN("t_holder: the server sees that a holder ends", end_is_seen);
	RUN("t_holder: the next server has its devices and sessions", next_server);
	RUN("t_holder: a next server that has to wait", next_server_waits);
	RUN("t_holder: each has its part of usbfs's memory", shares_memory);
	RUN("t_holder: no memory of usbfs", no_memory);
	RUN("t_holder: why a session ends", ends);
	RUN("t_holder: what is not usual", unusual);
	RUN("t_holder: it is alone for long", alone);
	RUN("t_holder: strange files, and as many as there may be", strange_files);
	RUN("t_holder: the starter has ended", without_starter);
	RUN("t_holder: whether there is usbfs", checks);
	RUN("t_holder: a session that wants to be called without an event", ticks);
	RUN("t_holder: ... in time, and only a session", ticks_in_time);
	RUN("t_holder: the next server after a holder that has ended", ended_without_server);
	RUN("t_holder: a holder of another version gives its device back", other_version);
	RUN("t_holder: it gives its device back without a server", without_server);
	return check_status();
}
