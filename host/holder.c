/* SPDX-License-Identifier: MIT */
/* The process of a holder. */
#include "host/holder.h"

#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/socket.h"
#include "lib/str.h"
#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#define MEMORY_MB "module/usbcore/parameters/usbfs_memory_mb"

enum { BACKLOG = 4, MEMORY_MB_DEFAULT = 16, MEMORY_MB_MAX = 4095 };
static_assert(MEMORY_MB_MAX > (USBFS_MEMORY >> 20) * (HOLDERS_MAX + 1), "more is the same");

struct holder {
	struct holder_page *page;
	struct usbfs_device device;
	struct usbfs_session session;
	const char *busid;
	uint32_t devid;
	uint32_t memory; /* usbfs_memory_mb, in bytes */
	bool starved;	 /* that it is too small was logged */
	int tick;	 /* ms that the timer was set to; 0: it is not set */
	int control, listener, epoll, timer;
	struct usbfs_port port[HOLDER_PORTS];
};

static bool holder_has_session(const struct holder *holder)
{
	return holder->session.socket >= 0;
}

static void holder_watch(const struct holder *holder, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	epoll_ctl(holder->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The server has a descriptor of the connection, too, so that closing it here would not end it. */
static int holder_drop_session(struct holder *holder)
{
	shutdown(holder->session.socket, SHUT_RDWR);
	return usbfs_session_end(&holder->session);
}

static void holder_read_memory(struct holder *holder, const struct sysfs *sysfs)
{
	int mb = sysfs_read_number(sysfs, false, INT32_MAX, MEMORY_MB);

	if (mb < 0)
		mb = MEMORY_MB_DEFAULT;
	holder->memory = (uint32_t)(mb < MEMORY_MB_MAX ? mb : MEMORY_MB_MAX) << 20;
}

static void holder_share_memory(struct holder *holder)
{
	uint32_t part = holder->memory / (holder->page->holders + 1);

	holder->device.memory = part && part < USBFS_MEMORY ? part : USBFS_MEMORY;
}

/* The companion port is claimed where there is one: a device may come back on the other bus. */
static int holder_claim_ports(struct holder *holder, int nodes, const struct holder_order *order)
{
	for (size_t i = 0; i < ARRAY_SIZE(order->port); i++) {
		const struct port *port = &order->port[i];

		holder->port[i].number = port->number;
		if (!port->hub || holder->port[i].fd >= 0)
			continue;
		holder->port[i].fd = usbfs_claim_port(nodes, port->bus, port->hub, port->number);
		if (holder->port[i].fd < 0)
			return holder->port[i].fd;
	}
	return 0;
}

/* In the run directory, which is the current one. A failure costs only that the next server does
 * not find this holder. */
static int holder_listen(const struct holder_order *order)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	str_format(address.sun_path, sizeof(address.sun_path), "socket.%s", order->busid);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) &&
	    !listen(fd, BACKLOG))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Ends the process. */
static void __attribute__((noreturn)) holder_exit(struct holder *holder, enum holder_state state,
						  enum holder_step step, int error)
{
	holder->page->step = step;
	holder->page->error = error;
	holder->page->state = state;
	_exit(0);
}

/* Ends the process, after an error of usbfs. */
static void __attribute__((noreturn)) holder_fail(struct holder *holder, enum holder_step step,
						  int error)
{
	holder_exit(holder, error == -ENODEV ? HOLDER_GONE : HOLDER_FAILED, step, error);
}

static void __attribute__((noreturn)) holder_give_back(struct holder *holder)
{
	int error;

	if (holder_has_session(holder))
		holder_drop_session(holder);
	error = usbfs_give_back(&holder->device, holder->port, HOLDER_PORTS);
	if (error)
		holder_fail(holder, HOLDER_STEP_RELEASE, error);
	holder_exit(holder, HOLDER_RELEASED, HOLDER_STEP_NONE, 0);
}

/* Between sessions, only the end of the device is of interest: EPOLLHUP. */
static void holder_idle(struct holder *holder)
{
	holder_watch(holder, holder->device.fd, 0);
	holder->page->state = HOLDER_AVAILABLE;
}

static void holder_end_session(struct holder *holder)
{
	int error = holder_drop_session(holder);

	if (error)
		holder_fail(holder, HOLDER_STEP_SESSION, error);
	holder_idle(holder);
}

static void holder_begin_session(struct holder *holder, int socket)
{
	epoll_ctl(holder->epoll, EPOLL_CTL_DEL, holder->device.fd, NULL);
	if (usbfs_session_begin(&holder->session, &holder->device, socket, holder->devid,
				holder->epoll, &holder->page->counters))
		holder_idle(holder);
}

static void holder_obey(struct holder *holder)
{
	int fd = -1;
	uint8_t message;
	ssize_t n = socket_receive_fds(holder->control, &message, sizeof(message), &fd, 1);

	if (n <= 0) { /* the server has ended */
		close(holder->control);
		holder->control = -1;
	} else if (message == HOLDER_IMPORT && fd >= 0) {
		holder_begin_session(holder, fd);
	} else if (message == HOLDER_END && holder_has_session(holder)) {
		holder_end_session(holder);
	} else if (message == HOLDER_RELEASE) {
		holder_give_back(holder);
	}
}

/* The next server takes the place of the one before. */
static void holder_accept(struct holder *holder)
{
	int fd = accept4(holder->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (holder->control >= 0)
		close(holder->control);
	holder->control = fd;
	holder_watch(holder, fd, EPOLLIN);
}

static void holder_carry(struct holder *holder, int fd, uint32_t events)
{
	enum usbfs_end end = usbfs_session_ready(&holder->session, fd, events);

	if (holder->session.transfers.starved && !holder->starved)
		log_warning("%s: a request failed, as usbfs has no memory left: /sys/" MEMORY_MB,
			    holder->busid);
	holder->starved |= holder->session.transfers.starved;
	if (end >= USBFS_NO_MEMORY)
		log_warning("%s: the session is ended: %s", holder->busid, usbfs_end_text(end));
	if (end)
		holder_end_session(holder);
}

/* A timer, as a limit for each epoll_wait() would cost a tenth of a small URB. 0: not any more. */
static void holder_set_tick(struct holder *holder, int ms)
{
	const struct itimerspec time = { .it_value = { ms / 1000, ms % 1000 * 1000000L } };

	timerfd_settime(holder->timer, 0, &time, NULL);
	holder->tick = ms;
}

/* The time after which the session wants to be called without an event may have changed. Events
 * do not put it off, and to be called once more does no harm. */
static void holder_check_tick(struct holder *holder)
{
	int ms = usbfs_session_timeout(&holder->session);

	if (ms > 0 && (!holder->tick || ms < holder->tick))
		holder_set_tick(holder, ms);
}

static void holder_ready(struct holder *holder, const struct epoll_event *event)
{
	int fd = event->data.fd;

	holder_share_memory(holder);
	if (fd == holder->timer)
		holder_set_tick(holder, 0);
	if (fd == holder->control)
		holder_obey(holder);
	else if (fd == holder->listener)
		holder_accept(holder);
	else if (holder_has_session(holder))
		holder_carry(holder, fd == holder->timer ? -1 : fd, event->events);
	else if (fd == holder->device.fd)
		holder_fail(holder, HOLDER_STEP_NONE, -ENODEV);
	if (holder_has_session(holder))
		holder_check_tick(holder);
}

static void __attribute__((noreturn)) holder_serve(struct holder *holder)
{
	struct epoll_event event;

	for (;;) {
		bool alone = !holder_has_session(holder) && holder->control < 0;
		int n = epoll_wait(holder->epoll, &event, 1, alone ? HOLDER_ALONE_MS : -1);

		if (n > 0)
			holder_ready(holder, &event);
		else if (!n)
			holder_give_back(holder);
	}
}

int holder_open_device(struct usbfs_device *device, const struct sysfs *sysfs, const char *busid,
		       unsigned bus, unsigned number)
{
	int configuration = device_number(sysfs, busid, "bConfigurationValue");

	return usbfs_open(device, sysfs->usb_nodes, bus, number,
			  (uint8_t)(configuration < 0 ? 0 : configuration));
}

void holder_main(const struct holder_order *order, const struct sysfs *sysfs, int control,
		 struct holder_page *page, int claimed)
{
	static struct holder holder;
	int error;

	holder.page = page;
	holder.busid = order->busid;
	holder.control = control;
	holder.devid = (uint32_t)order->bus << 16 | order->number;
	holder.session.socket = -1;
	holder.port[0].fd = claimed;
	holder.port[1].fd = -1;
	holder.listener = holder_listen(order);
	holder.epoll = epoll_create1(EPOLL_CLOEXEC);
	holder.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (holder.epoll < 0 || holder.timer < 0)
		holder_fail(&holder, HOLDER_STEP_NONE, -errno);
	error = holder_claim_ports(&holder, sysfs->usb_nodes, order);
	if (error)
		holder_fail(&holder, error == -EBUSY ? HOLDER_STEP_PORT : HOLDER_STEP_OPEN, error);
	error = holder_open_device(&holder.device, sysfs, order->busid, order->bus, order->number);
	if (error)
		holder_fail(&holder, HOLDER_STEP_OPEN, error);
	error = usbfs_claim(&holder.device);
	if (error) {
		usbfs_give_back(&holder.device, holder.port, HOLDER_PORTS);
		holder_fail(&holder, HOLDER_STEP_CLAIM, error);
	}
	holder_read_memory(&holder, sysfs);
	sandbox_enter_holder();
	holder_watch(&holder, control, EPOLLIN);
	holder_watch(&holder, holder.timer, EPOLLIN);
	if (holder.listener >= 0)
		holder_watch(&holder, holder.listener, EPOLLIN);
	holder_idle(&holder);
	holder_serve(&holder);
}
