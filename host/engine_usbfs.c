/* SPDX-License-Identifier: MIT */
/* The engine over usbfs: the server's way to the holders of its devices. */
#include "host/holder.h"

#include "lib/socket.h"
#include "lib/str.h"
#include "loop/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* usbfs tells of an unplug before the device leaves sysfs. One that does not leave is released. */
enum { LEAVING_MS = 2000 };

/* What the server knows of a holder. */
struct held {
	char busid[BUSID_SIZE]; /* empty: this place is free */
	/* To its process; fd -1: that has ended, and has not given the device back. */
	struct loop_source control;
	struct holder_page *page;
	uint64_t gone; /* when it was seen that the device has left; 0: it has not */
};

/* One server is in a process. */
static const struct rundir *held_rundir;
static struct loop *loop;
static int starter = -1;
static bool has_claims; /* the starter was told of ports to claim */
static struct held holders[HOLDERS_MAX];

#define EACH_HELD(held) for (struct held *held = holders; held < holders + HOLDERS_MAX; held++)

static struct held *held_find(const char *busid)
{
	EACH_HELD(held)
		if (!strcmp(held->busid, busid))
			return held;
	return NULL;
}

/* The process has ended: the pass will see by its page what has become of the device. */
static void held_ended(struct loop_source *source, uint32_t events)
{
	(void)events;
	loop_drop(loop, source);
	loop_pass_now(loop);
}

static void held_watch(struct held *held, int control)
{
	held->control = (struct loop_source){ control, held_ended };
	if (control >= 0)
		loop_watch(loop, &held->control, EPOLLRDHUP);
}

static void held_drop(struct held *held)
{
	loop_drop(loop, &held->control);
	munmap(held->page, sizeof(*held->page));
	held->busid[0] = '\0';
	held->gone = 0;
}

/* Tells each how many there are. */
static void holders_share(void)
{
	uint32_t n = 0;

	EACH_HELD(held)
		n += *held->busid != '\0';
	EACH_HELD(held)
		if (*held->busid)
			held->page->holders = n;
}

static void held_forget(struct held *held)
{
	holder_remove(held_rundir->dir, held->busid);
	held_drop(held);
	holders_share();
}

/* For sysfs_each_entry() in the run directory: a holder of an earlier run. */
static bool held_adopt(void *unused, const char *name)
{
	const char *busid = name + strlen("holder.");
	struct held *held = held_find("");
	int fd, error;

	(void)unused;
	if (strncmp(name, "holder.", strlen("holder.")) != 0 || !busid_is_device(busid) || !held)
		return false;
	error = holder_open(held_rundir->dir, busid, 0, &fd, &held->page);
	if (error && error != -EWOULDBLOCK)
		return false;
	close(fd);
	str_copy(held->busid, sizeof(held->busid), busid);
	held_watch(held, error ? holder_connect(held_rundir->dir, busid) : -1);
	if (held->page->version != HOLDER_VERSION) {
		holder_tell(held->control.fd, HOLDER_RELEASE, NULL);
		held_drop(held);
	} else if (!error && (held_rundir->stale || held->page->state >= HOLDER_RELEASED)) {
		held_forget(held);
	}
	return false;
}

int holders_open(struct daemon *daemon)
{
	const struct child_files files = { { daemon->sysfs.root, daemon->sysfs.usb_nodes,
					     daemon->rundir.dir } };
	int fd;
	pid_t pid;

	held_rundir = &daemon->rundir;
	loop = &daemon->loop;
	sysfs_each_entry(daemon->rundir.dir, ".", held_adopt, NULL);
	holders_share();
	pid = child_start_helper("usbiphp-starter", &files, &fd);
	if (pid < 0)
		return pid;
	if (pid) {
		starter = fd;
		return 0;
	}
	starter_main(fd, &daemon->sysfs, daemon->rundir.dir);
	_exit(0);
}

void holders_close(void)
{
	if (starter >= 0)
		close(starter);
	starter = -1;
	EACH_HELD(held)
		if (*held->busid)
			held_drop(held);
}

void holders_claim_ports(const struct starter_ports *ports)
{
	size_t len = offsetof(struct starter_ports, port[ports->count]);

	if ((ports->count || has_claims) && !socket_send_fds(starter, ports, len, NULL, 0))
		has_claims = ports->count;
}

/* Only the first node is looked at: an error of another one is that of its device. */
static int usbfs_check(const struct sysfs *sysfs)
{
	if (sysfs->usb_nodes < 0)
		return sysfs->usb_nodes;
	/* the system call itself, as libc's function has flags that need much more */
	if (!syscall(SYS_faccessat, sysfs->usb_nodes, "001/001", W_OK) || errno == ENOENT)
		return 0;
	return -errno;
}

static bool usbfs_has(const struct device *device)
{
	const struct held *held = held_find(device->busid);

	return held && (!device->devnum || device->devnum == held->page->devnum);
}

static_assert((int)HOLDER_STARTING == (int)ENGINE_UNKNOWN &&
		      (int)HOLDER_AVAILABLE == (int)ENGINE_AVAILABLE &&
		      (int)HOLDER_IN_USE == (int)ENGINE_IN_USE,
	      "of a process that lives, the state is the status");

static enum engine_status usbfs_status(const struct sysfs *sysfs, const char *busid)
{
	struct held *held = held_find(busid);
	uint32_t state;

	(void)sysfs;
	if (!held)
		return ENGINE_UNKNOWN;
	state = held->page->state;
	switch (state) {
	case HOLDER_STARTING:
	case HOLDER_AVAILABLE:
	case HOLDER_IN_USE:
		if (!holder_has_ended(held->control.fd, 0))
			return (enum engine_status)state;
		break;
	case HOLDER_GONE:
		if (!held->gone)
			held->gone = loop->now;
		if (loop->now >= held->gone + LEAVING_MS)
			break;
		loop_pass_by(loop, held->gone + LEAVING_MS);
		return ENGINE_UNKNOWN;
	}
	return ENGINE_ERROR; /* release looks for the drivers */
}

static int order_fill(const struct sysfs *sysfs, const char *busid, struct holder_order *order)
{
	int error;

	memset(order, 0, sizeof(*order));
	error = device_address(sysfs, busid, &order->bus, &order->number);
	str_copy(order->busid, sizeof(order->busid), busid);
	if (!error)
		error = port_find(sysfs, busid, &order->port[0]);
	if (!error)
		port_find_companion(sysfs, busid, &order->port[1]);
	return error;
}

/* Sends the order, with the file of the page unless that is -1. Returns the way to the new process,
 * or -errno. */
static int starter_send(const struct holder_order *order, int file)
{
	int pair[2], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	error = socket_send_fds(starter, order, sizeof(*order), (int[]){ pair[1], file },
				file < 0 ? 1 : 2);
	close(pair[1]);
	if (!error)
		return pair[0];
	close(pair[0]);
	return error;
}

/* Sends the order for a new holder: 0 or -errno. */
static int held_start(struct held *held, const struct holder_order *order)
{
	int file, control, error;

	holder_remove(held_rundir->dir, order->busid);
	error = holder_open(held_rundir->dir, order->busid, O_CREAT | O_EXCL, &file,
			    &held->page);
	if (error) {
		holder_remove(held_rundir->dir, order->busid);
		return error;
	}
	held->control.fd = -1;
	held->page->version = HOLDER_VERSION;
	held->page->devnum = order->number;
	str_copy(held->busid, sizeof(held->busid), order->busid);
	holders_share();
	control = starter_send(order, file);
	close(file);
	if (control < 0)
		held_forget(held);
	else
		held_watch(held, control);
	return control < 0 ? control : 0;
}

/* A holder that was killed has left its device without drivers: another process gives it back. */
static void give_back(const char *busid, bool used)
{
	struct holder_order order = { .number = used };
	int control;

	str_copy(order.busid, sizeof(order.busid), busid);
	control = starter_send(&order, -1);
	if (control >= 0) {
		holder_wait_end(control);
		close(control);
	}
}

static int usbfs_begin(const struct sysfs *sysfs, const char *busid)
{
	struct held *held = held_find(busid);
	struct holder_order order;
	int error = order_fill(sysfs, busid, &order);

	if (held) /* of a device that was here before */
		held_forget(held);
	held = held_find("");
	if (!error && !held)
		error = -ENOMEM;
	return error ? error : held_start(held, &order);
}

static void usbfs_files(const char *busid, int fd[2])
{
	const struct held *held = held_find(busid);

	fd[0] = held ? held->control.fd : -1;
	fd[1] = starter;
}

static void usbfs_forget(const char *busid)
{
	struct held *held = held_find(busid);

	if (held)
		held_forget(held);
}

static struct engine_result holder_result(const struct holder_page *page)
{
	struct engine_result result = { page->error, ENGINE_FAILED, (int)page->step };

	if (page->state == HOLDER_GONE)
		result = (struct engine_result){ -ENODEV, ENGINE_GONE, 0 };
	else if (page->state != HOLDER_FAILED)
		result = (struct engine_result){ -ECHILD, ENGINE_STRANDED, HOLDER_STEP_NONE };
	return result;
}

static const struct engine_result usbfs_done = { 0, ENGINE_DONE, HOLDER_STEP_NONE };

static struct engine_result usbfs_bind(const struct sysfs *sysfs, const char *busid)
{
	const struct held *held = held_find(busid);

	(void)sysfs;
	switch (holder_wait(held->control.fd, held->page, HOLDER_STARTING)) {
	case HOLDER_AVAILABLE:
		return usbfs_done;
	case HOLDER_STARTING: /* it was killed */
		give_back(busid, true);
		return (struct engine_result){ -ECHILD, ENGINE_FAILED, HOLDER_STEP_NONE };
	default:
		return holder_result(held->page);
	}
}

static struct engine_result usbfs_end(const struct sysfs *sysfs, const char *busid, int connection)
{
	const struct held *held = held_find(busid);

	(void)sysfs;
	if (connection >= 0)
		shutdown(connection, SHUT_RDWR);
	holder_tell(held->control.fd, HOLDER_END, NULL);
	if (holder_wait(held->control.fd, held->page, HOLDER_IN_USE) == HOLDER_AVAILABLE)
		return usbfs_done;
	return holder_result(held->page);
}

static struct engine_result usbfs_release(const struct sysfs *sysfs, const char *busid)
{
	const struct held *held = held_find(busid);

	(void)sysfs;
	if (held) {
		holder_tell(held->control.fd, HOLDER_RELEASE, NULL);
		holder_wait_end(held->control.fd);
		if (held->page->state == HOLDER_RELEASED)
			return usbfs_done;
	}
	give_back(busid, held != NULL);
	return usbfs_done;
}

static int usbfs_import(const struct sysfs *sysfs, const char *busid, int fd)
{
	struct held *held = held_find(busid);
	uint32_t available = HOLDER_AVAILABLE;
	int error;

	(void)sysfs;
	if (!held || !atomic_compare_exchange_strong(&held->page->state, &available, HOLDER_IN_USE))
		return -EBUSY;
	error = holder_tell(held->control.fd, HOLDER_IMPORT, &fd);
	if (error)
		held->page->state = HOLDER_AVAILABLE;
	return error;
}

static const char *usbfs_step_text(int step)
{
	static const char *const text[] = {
		[HOLDER_STEP_NONE] = "there is no process for it, or it was killed",
		[HOLDER_STEP_PORT] = "another program has claimed its port of the hub",
		[HOLDER_STEP_OPEN] = ("cannot open its node or its hub's; a container needs "
				      "-v /dev/bus/usb:/dev/bus/usb"),
		[HOLDER_STEP_CLAIM] = "its drivers do not let go",
		[HOLDER_STEP_SESSION] = "it cannot be reset",
		[HOLDER_STEP_RELEASE] = "no driver takes it back",
	};

	return text[step];
}

const struct engine engine_usbfs = {
	.name = "usbfs",
	.check = usbfs_check,
	.has = usbfs_has,
	.status = usbfs_status,
	.begin = usbfs_begin,
	.files = usbfs_files,
	.bind = usbfs_bind,
	.end = usbfs_end,
	.release = usbfs_release,
	.forget = usbfs_forget,
	.import = usbfs_import,
	.step_text = usbfs_step_text,
};
