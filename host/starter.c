/* SPDX-License-Identifier: MIT */
/* The process that starts the holders, and claims ports before anything is plugged in there. */
#include "host/starter.h"

#include "host/holder.h"
#include "lib/log.h"
#include "lib/socket.h"
#include "lib/str.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLAIM_MS = 1000 /* for a hub that deals with other devices */ };

/* A port that the server wants to be claimed. */
struct claim {
	struct starter_port place; /* busid empty: this place in the table is free */
	int fd;			   /* -1: it is not claimed */
	pid_t taker; /* the process that is to claim it, and has not answered; 0: none */
	bool wanted;
	struct log_once log; /* of the latest success or failure */
};

struct starter {
	const struct sysfs *sysfs;
	int server;
	struct claim claim[STARTER_PORTS_MAX];
};

/* What a process that claims a port tells, with the claim. */
struct claim_answer {
	uint32_t claim; /* its place in the table */
	int32_t error;
};

#define EACH_CLAIM(starter, claim)                                                                 \
	for (struct claim *claim = (starter)->claim;                                               \
	     claim < (starter)->claim + STARTER_PORTS_MAX; claim++)                                \
		if (claim->place.busid[0])

static struct claim *claim_find(struct starter *starter, const char *busid)
{
	for (size_t i = 0; i < STARTER_PORTS_MAX; i++)
		if (!strcmp(starter->claim[i].place.busid, busid))
			return &starter->claim[i];
	return NULL;
}

/* As fork(2). The new process has no claim but that one. */
static pid_t starter_fork(struct starter *starter, const struct claim *kept)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	close(starter->server);
	EACH_CLAIM(starter, claim)
		if (claim != kept && claim->fd >= 0)
			close(claim->fd);
	return 0;
}

/* In a process of its own: lets the machine's drivers have a device that nobody has. It is reset if
 * it may have been used: without a configuration it was not. */
static void give_back(const struct sysfs *sysfs, const char *busid, bool used)
{
	static struct usbfs_device device;
	uint16_t bus, number;

	if (device_address(sysfs, busid, &bus, &number) ||
	    holder_open_device(&device, sysfs, busid, bus, number))
		return;
	device.used = used && device.configuration_at_start;
	usbfs_configure(&device);
	usbfs_give_back(&device, NULL, 0);
}

/* What came while the port was claimed has no configuration, and what came just before the claim
 * may have no drivers. */
static void claim_give_back(const struct sysfs *sysfs, const struct claim *claim)
{
	struct usbfs_port port = { claim->fd, claim->place.port.number };

	usbfs_release_port(&port);
	give_back(sysfs, claim->place.busid, false);
}

/* Forgets the port. */
static void claim_drop(struct starter *starter, struct claim *claim)
{
	if (claim->fd >= 0) {
		if (!starter_fork(starter, claim)) {
			claim_give_back(starter->sysfs, claim);
			_exit(0);
		}
		close(claim->fd);
	}
	claim->place.busid[0] = '\0';
}

/* Nobody is about to claim it, either. */
static bool claim_is_missing(const struct claim *claim)
{
	return claim->place.empty && claim->fd < 0 && (claim->taker <= 0 || kill(claim->taker, 0));
}

/* In a process of its own, as it may block. */
static void claim_take(struct starter *starter, const struct claim *claim, int answers)
{
	const struct port *port = &claim->place.port;
	int fd = usbfs_claim_port(starter->sysfs->usb_nodes, port->bus, port->hub, port->number);
	struct claim_answer answer = { (uint32_t)(claim - starter->claim), fd < 0 ? fd : 0 };

	socket_send_fds(answers, &answer, sizeof(answer), &fd, fd >= 0);
}

/* A port that another process has, or that is not there yet, is tried again with the next message
 * of the server. */
static void claim_answered(struct claim *claim, int error, int fd)
{
	const char *busid = claim->place.busid;

	claim->fd = fd;
	claim->taker = 0;
	if (error == -EBUSY || error == -ENOENT || error == -ENODEV)
		return;
	if (error)
		log_once(&claim->log, LOG_LEVEL_WARNING, error, "%s: cannot claim its port", busid);
	else
		log_once(&claim->log, LOG_LEVEL_INFO, 0, "%s: its port is claimed: drivers of this "
			 "machine will not touch what is plugged in there", busid);
}

/* Each of them by a process of its own, as it may block. A claim that comes too late is lost with
 * its process. */
static void starter_claim_missing(struct starter *starter)
{
	struct claim_answer answer = { 0 };
	int pair[2], fd;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return;
	EACH_CLAIM(starter, claim)
		if (claim_is_missing(claim)) {
			claim->taker = starter_fork(starter, NULL);
			if (claim->taker)
				continue;
			close(pair[0]);
			claim_take(starter, claim, pair[1]);
			_exit(0);
		}
	close(pair[1]);
	while (socket_wait(pair[0], POLLIN, CLAIM_MS) &&
	       socket_receive_fds(pair[0], &answer, sizeof(answer), &fd, 1) > 0)
		claim_answered(&starter->claim[answer.claim], answer.error, fd);
	close(pair[0]);
}

static void starter_add_port(struct starter *starter, const struct starter_port *place)
{
	struct claim *claim = claim_find(starter, place->busid);

	/* another hub may be there now: the claim at the former one is not wanted */
	if (!claim || !port_equals(&claim->place.port, &place->port)) {
		claim = claim_find(starter, "");
		if (!claim)
			return;
		*claim = (struct claim){ .fd = -1 };
	}
	claim->place = *place;
	claim->wanted = true;
}

static void starter_set_ports(struct starter *starter, struct starter_ports *ports)
{
	EACH_CLAIM(starter, claim)
		claim->wanted = false;
	for (uint32_t i = 0; i < ports->count && i < STARTER_PORTS_MAX; i++)
		if (busid_is_device(ports->port[i].busid))
			starter_add_port(starter, &ports->port[i]);
	EACH_CLAIM(starter, claim)
		if (!claim->wanted)
			claim_drop(starter, claim);
	starter_claim_missing(starter);
}

/* In the new process. The file of the page stays open, for its lock. */
static void __attribute__((noreturn))
holder_start(const struct holder_order *order, const struct sysfs *sysfs, const int fd[2],
	     int claimed)
{
	struct holder_page *page =
		mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd[1], 0);

	if (page == MAP_FAILED)
		_exit(1);
	prctl(PR_SET_NAME, "usbiphp-holder");
	holder_main(order, sysfs, fd[0], page, claimed);
}

/* A companion port that is claimed here stays so. */
static void starter_start_holder(struct starter *starter, struct holder_order *order,
				 const int fd[2])
{
	struct claim *own = claim_find(starter, order->busid);
	pid_t pid;

	if (own && !port_equals(&own->place.port, &order->port[0]))
		own = NULL;
	EACH_CLAIM(starter, claim)
		if (claim->fd >= 0 && port_equals(&claim->place.port, &order->port[1]))
			order->port[1].hub = 0;
	pid = starter_fork(starter, own);
	if (!pid)
		holder_start(order, starter->sysfs, fd, own ? own->fd : -1);
	if (!own || pid < 0)
		return;
	if (own->fd >= 0)
		close(own->fd);
	own->fd = -1;
}

static void starter_obey(struct starter *starter, struct holder_order *order, const int fd[2])
{
	if (fd[1] >= 0) {
		starter_start_holder(starter, order, fd);
	} else if (!starter_fork(starter, NULL)) {
		give_back(starter->sysfs, order->busid, order->number);
		_exit(0);
	}
}

void starter_main(int server, const struct sysfs *sysfs, int run_dir)
{
	static struct starter starter;
	static union {
		struct holder_order order;
		struct starter_ports ports;
	} message;
	int fd[2];

	starter.sysfs = sysfs;
	starter.server = server;
	if (fchdir(run_dir))
		return;
	signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
	while (socket_receive_fds(server, &message, sizeof(message), fd, 2) > 0) {
		if (fd[0] < 0)
			starter_set_ports(&starter, &message.ports);
		else if (busid_is_device(message.order.busid))
			starter_obey(&starter, &message.order, fd);
		close(fd[0]);
		close(fd[1]);
	}
	EACH_CLAIM(&starter, claim)
		claim_drop(&starter, claim);
}
