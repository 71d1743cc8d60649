/* SPDX-License-Identifier: MIT */
/* An import and its port of vhci-hcd: from the attach until the port is free. */
#include "client/import.h"
#include "client/port_record.h"
#include "lib/log.h"
#include "lib/str.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	DEVID_HALF_MAX = 0xffff, /* busnum and devnum have 16 bits each in a devid */
	POLL_MS = 50,		 /* between looks at a port that is about to become free */
	GUARD_SILENT_MS = 2000,	 /* for each second of dead_after: the connection ends first */
	DETACH_RETRY_MS = 1000,	 /* after a detach that failed, or did not free the port */
};

static unsigned import_controller(const struct import *import)
{
	return vhci_controller(&import->context->vhci, (unsigned)import->port) %
	       VHCI_CONTROLLERS_MAX;
}

/* The record is written before the attach, so that the next daemon knows about it after a kill. */
static void import_write_record(const struct import *import, const char *dir, unsigned port,
				const char *connection)
{
	int error = record_write(dir, port, import->endpoint, import->busid, connection);

	if (error)
		log_once(&import->context->unwritten, LOG_LEVEL_WARNING, error,
			 "cannot write %s/port%u", dir, port);
}

/* Its server and busid: another device in the same place gets the same port. Not 0: nobody. */
static uint32_t import_hash(const struct import *import)
{
	uint32_t hash = str_hash(STR_HASH, import->endpoint->name);

	return str_hash(str_hash(hash, "/"), import->busid) | 1;
}

/* The records of a port in the run directory. */
static void import_forget_port(const struct import *import, unsigned port)
{
	record_remove(import->context->own_dir, port);
	guard_forget(import->context->own_dir, port);
}

/* No import is to have that port before the table is read again. */
static void import_withhold_port(struct import_context *context, int port)
{
	context->vhci.port[port].state = VHCI_ABSENT;
}

/* Hands fd to a free port; session is that of its record. Returns the port, or -errno. */
static int import_take_free_port(struct import *import, int fd, const struct op_device *device,
				 const char *session)
{
	struct import_context *context = import->context;
	int port, error;

	for (;;) {
		port = vhci_free_port(&context->vhci, import->speed, context->port_owner,
				      import_hash(import));
		if (port < 0)
			return port;
		import_write_record(import, context->own_dir, (unsigned)port, session);
		error = vhci_attach(context->sysfs, (unsigned)port, fd, op_devid(device),
				    import->speed);
		if (!error)
			return port;
		record_remove(context->own_dir, (unsigned)port);
		if (error != -EBUSY)
			return error;
		import_withhold_port(context, port); /* another process has taken it */
	}
}

/* The same, with a guard in between. */
static int import_take_guarded_port(struct import *import, int fd, const struct op_device *device,
				    const char *session)
{
	struct import_context *context = import->context;
	struct import_name name = import_name(import);
	uint32_t patience = context->dead_after * GUARD_SILENT_MS;
	int pair[2], port, error = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return -errno;
	port = import_take_free_port(import, pair[1], device, session);
	close(pair[1]);
	if (port >= 0)
		error = guard_start(context->own_dir, (unsigned)port, fd, pair[0], name.text,
				    patience < GUARD_PATIENCE_MAX ? patience : GUARD_PATIENCE_MAX);
	close(pair[0]); /* without a guard that ends the session, and the kernel frees the port */
	if (error)
		import_forget_port(import, (unsigned)port);
	return error ? error : port;
}

/* Hands the connection to a free port. Returns the port, or -errno. */
static int import_hand_over(struct import *import, const struct request *request)
{
	struct import_context *context = import->context;
	int error = session_set_timeouts(request->connection, context->dead_after);
	bool proven = request->target->key || *import->endpoint->through;
	char session[SESSION_TEXT_SIZE];

	if (error)
		return error;
	session_describe(request->connection, session);
	import->guarded = proven ? context->guard_proven : context->guard_others;
	if (import->guarded)
		return import_take_guarded_port(import, request->fd, &request->device, session);
	return import_take_free_port(import, request->fd, &request->device, session);
}

/* The other ports of its controller that have not answered, anybody's: a bit for each. A controller
 * has 30 ports or less. */
static uint32_t import_unanswered_ports(const struct import *import)
{
	const struct vhci *vhci = &import->context->vhci;
	unsigned mine = (unsigned)import->port, controller = vhci_controller(vhci, mine);
	uint32_t ports = 0;

	for (unsigned i = 0; i < vhci->ports; i++) {
		const struct vhci_port *port = &vhci->port[i];

		if (i != mine && vhci_controller(vhci, i) == controller &&
		    (port->state == VHCI_ATTACHING || port->state == VHCI_USED) &&
		    !vhci_usable(import->context->sysfs, port))
			ports |= 1U << i % 32;
	}
	return ports;
}

static void import_take_port(struct import *import, unsigned port, uint32_t devid, bool answered)
{
	struct import_context *context = import->context;

	import->port = (int)port;
	context->port_owner[port] = import_hash(import);
	import->row.devid = devid;
	import->attached_at = context->loop->now;
	import->answered = answered;
	import->ahead = import_unanswered_ports(import);
	import_set_state(import, IMPORT_ATTACHED);
}

void import_attach(struct import *import, const struct request *request)
{
	struct import_context *context = import->context;
	const struct op_device *device = &request->device;
	int port = -EPROTO;

	if (device->busnum <= DEVID_HALF_MAX && device->devnum <= DEVID_HALF_MAX)
		port = import_hand_over(import, request);
	if (port < 0) {
		import_fail(import, port == -ENOSPC ? IMPORT_NO_PORT : strerror(-port));
		request_close(request);
		return;
	}
	import_take_port(import, (unsigned)port, op_devid(device), false);
	context->vhci.port[port].state = VHCI_ATTACHING;
	import_write_record(import, context->record_dir, (unsigned)port, NULL);
	session_watch_start(&import->session, request->connection);
	if (request->fd != request->connection)
		close(request->fd);
	log_info("%s: attached to port %d", import_name(import).text, port);
}

void import_adopt(struct import *import, unsigned port)
{
	const struct import_context *context = import->context;
	const struct vhci_port *row = &context->vhci.port[port];

	/* an earlier daemon may have been killed before the device had answered */
	import_take_port(import, port, row->devid, vhci_usable(context->sysfs, row));
	import->row = *row;
	import_describe(import);
}

/* A short session may be a replug; many of them, or one without an answer, are a fault. */
static void import_judge_session(struct import *import, uint64_t now)
{
	uint64_t lasted = now - import->attached_at;

	if (import->answered && lasted >= FLAP_SETTLED_MS)
		import->flaps.backoff = (struct backoff){ 0 };
	else
		import->flaps.remember = now + FLAP_REMEMBER_MS;
	if (now < import->flaps.backoff.until)
		return; /* this failure was counted before */
	if (import->answered)
		flaps_stay_ended(&import->flaps, now, lasted);
	else
		flaps_fail(&import->flaps, now);
}

/* The kernel may be busy with other ports of the controller, from which devices went before they
 * had answered. The next attempt goes to another controller, if there is one. */
static void import_avoid_controller(const struct import *import)
{
	struct import_context *context = import->context;
	unsigned controller = vhci_controller(&context->vhci, (unsigned)import->port);

	context->port_owner[import->port] = 0;
	for (unsigned i = 0; i < VHCI_PORTS_MAX; i++)
		if (vhci_controller(&context->vhci, i) == controller && !context->port_owner[i])
			context->port_owner[i] = IMPORT_NOBODY;
}

static void import_release_port(struct import *import)
{
	struct import_context *context = import->context;
	uint64_t now = context->loop->now;
	unsigned port = (unsigned)import->port;

	log_info("%s: %s port %u", import_name(import).text,
		 import->state == IMPORT_DETACHING ? "detached from" : "gone from", port);
	if (import->answered) /* there was an event "attached" */
		import_run_hooks(import, "detached", NULL, NULL);
	import_cancel_identity(import);
	session_watch_drop(&import->session);
	if (!import->answered && !import->guarded) /* or the guard would see to it */
		import_avoid_controller(import);
	import_forget_port(import, port);
	if (record_matches(context->record_dir, port, import->endpoint, import->busid))
		record_remove(context->record_dir, port);
	import->port = -1;
	import->asked = false;
	import_set_state(import, IMPORT_IDLE);
	log_once_clear(&import->kept);
	log_once_clear(&import->undetached);
	import_forget_identity(import);
	import_judge_session(import, now);
}

void import_detach(struct import *import)
{
	struct loop *loop = import->context->loop;
	bool again = import->state == IMPORT_DETACHING;
	int error = 0;

	if (!again && !shutdown(import->session.socket.fd, SHUT_RDWR)) {
		/* a guard ends in its own way (client/guard.c guard_exit()) */
		import->ask_again = loop->now + IMPORT_TEARDOWN_MS;
		import->stuck = false;
	} else if (!again || loop->now >= import->ask_again) {
		error = vhci_detach(import->context->sysfs, (unsigned)import->port);
		import->ask_again = loop->now + DETACH_RETRY_MS;
		import->stuck = again;
	}
	if (error && error != -EINVAL) { /* -EINVAL: it is free already */
		log_once(&import->undetached, LOG_LEVEL_WARNING, error, "cannot detach port %u",
			 (unsigned)import->port);
		import->stuck = true;
	} else if (!again) {
		import_set_state(import, IMPORT_DETACHING);
	}
	loop_pass_by(loop, import->stuck ? import->ask_again : loop->now + POLL_MS);
}

/*
 * For how long it has kept the kernel waiting. vhci-hcd enumerates one device per controller at a
 * time (address0_mutex in drivers/usb/core/hub.c), so a server that does not answer blocks every
 * device that was attached later to that controller, be it attached by another program: those have
 * more time, until what was ahead of them has answered or ended.
 */
static uint64_t import_unanswered(struct import *import)
{
	struct import_context *context = import->context;
	uint64_t *progress = &context->progress[import_controller(import)];
	uint32_t ahead;
	uint64_t since;

	if (import->answered)
		return 0;
	ahead = import->ahead & import_unanswered_ports(import);
	if (ahead != import->ahead)
		*progress = context->loop->now;
	import->ahead = ahead;
	since = *progress > import->attached_at ? *progress : import->attached_at;
	return context->loop->now - since;
}

/* The first answer of the device. */
static void import_answer(struct import *import, const struct vhci_port *row)
{
	struct import_context *context = import->context;

	import->answered = true;
	import->row = *row;
	log_once_clear(&import->failure);
	if (!import->identified)
		import_describe(import);
	import_run_hooks(import, "attached", row->busid, NULL);
	context->progress[import_controller(import)] = context->loop->now;
}

/* Its server does not answer, so that the kernel cannot go on to the devices behind it; or another
 * one, which is not ours, does not. */
static void import_give_up(struct import *import)
{
	if (import->state != IMPORT_DETACHING) {
		import_avoid_controller(import);
		/* the kernel goes by port: leave it time for those behind this one */
		if (import->flaps.backoff.delay < IMPORT_ANSWER_MS)
			import->flaps.backoff.delay = IMPORT_ANSWER_MS;
		import_fail(import, import->ahead ? "one that was attached before never answered" :
						    "its server took it but never answered, or "
						    "the kernel refused it: see dmesg");
	}
	import_detach(import);
}

/* Its port is free, but the kernel, which takes leave of the devices of a hub one after the other,
 * has not come to it. Until then it would unlink this device's URBs in the port's next session,
 * whose server does not know them, and may never answer (client/flow.c answer_stale()). */
static bool import_lingers(const struct import *import, const struct vhci_port *row)
{
	const struct import_context *context = import->context;
	uint64_t ended = import->session.ended;

	return row->state <= VHCI_FREE && import->state != IMPORT_DETACHING && ended &&
	       context->loop->now - ended < IMPORT_TEARDOWN_MS &&
	       vhci_usable(context->sysfs, &import->row);
}

bool import_check(struct import *import)
{
	struct import_context *context = import->context;
	uint64_t unanswered, limit, ended, now = context->loop->now;
	const struct vhci_port *row;

	if (!import_has_port(import))
		return false;
	row = &context->vhci.port[import->port];
	if (row->state <= VHCI_FREE ||
	    (row->devid && import->row.devid && row->devid != import->row.devid)) {
		if (import_lingers(import, row)) {
			import_withhold_port(context, import->port);
			loop_pass_by(context->loop, now + POLL_MS);
			return false;
		}
		import_release_port(import); /* it is free, or somebody else's by now */
		return true;
	}
	session_watch_check(&import->session, context->dead_after);
	if (!import->answered && vhci_usable(context->sysfs, row))
		import_answer(import, row);
	unanswered = import_unanswered(import);
	limit = import->ahead ? IMPORT_AHEAD_MS : IMPORT_ANSWER_MS;
	ended = import->session.ended;
	if (unanswered >= limit)
		import_give_up(import);
	else if (import->state == IMPORT_DETACHING || row->state == VHCI_ERROR ||
		 (ended && now - ended >= IMPORT_TEARDOWN_MS))
		import_detach(import); /* the device is gone, but the kernel keeps the port */
	else if (ended)
		loop_pass_by(context->loop, now + POLL_MS);
	else if (!import->answered)
		loop_pass_by(context->loop, now + limit - unanswered);
	return false;
}
