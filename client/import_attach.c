/* SPDX-License-Identifier: MIT */
/* The hand-over of an import's connection to a port of vhci-hcd. */
#include "client/import.h"
#include "client/port_record.h"
#include "lib/log.h"
#include "lib/socket.h"
#include "lib/str.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	ATTACH_TRIES = 8,	 /* another process may take the port that was free: look again */
	DEVID_HALF_MAX = 0xffff, /* busnum and devnum have 16 bits each in a devid */
};

/* The record is written before the attach, so that the next daemon knows about it after a kill. */
static void import_write_record(const struct import *import, const char *dir, unsigned port,
				const char *connection)
{
	int error = record_write(dir, port, import->endpoint->host, import->endpoint->port,
				 import->busid, connection);

	if (error)
		log_warning_errno(error, "cannot write %s/port%u", dir, port);
}

/* Its server and busid: another device in the same place gets the same port. Not 0: nobody. */
static uint32_t import_hash(const struct import *import)
{
	uint32_t hash = str_hash(STR_HASH, import->endpoint->name);

	return str_hash(str_hash(hash, "/"), import->busid) | 1;
}

/* Hands the connection to a free port. Returns the port, or -errno. */
static int import_hand_over(struct import *import, int fd, const struct op_device *device)
{
	struct import_context *context = import->context;
	char pair[SOCKET_PAIR_SIZE];
	int port, error;

	if (!socket_pair_text(fd, pair))
		pair[0] = '\0';
	for (int i = 0; i < ATTACH_TRIES; i++) {
		port = vhci_free_port(&context->vhci, device->speed, context->port_owner,
				      import_hash(import));
		if (port < 0)
			return port;
		import_write_record(import, context->own_dir, (unsigned)port, pair);
		error = vhci_attach(context->sysfs, (unsigned)port, fd, op_devid(device),
				    device->speed);
		if (!error)
			return port;
		record_remove(context->own_dir, (unsigned)port);
		if (error != -EBUSY)
			return error;
		error = vhci_read(context->sysfs, &context->vhci);
		if (error)
			return error;
	}
	return -EBUSY;
}

static void import_take_port(struct import *import, unsigned port, uint32_t devid, bool answered)
{
	struct import_context *context = import->context;

	assert(port < VHCI_PORTS_MAX && import->port < 0);
	import->port = (int)port;
	context->port_owner[port] = import_hash(import);
	import->devid = devid;
	import->attached_at = context->loop->now;
	import->answered_at = answered ? context->loop->now : 0;
	import->ticket = enum_queue_ticket(&context->queue);
	import_set_state(import, answered ? IMPORT_ATTACHED : IMPORT_ENUMERATING);
}

/* Whether it is the device of the list: another one may have taken its place since. */
static bool import_is_same(const struct import *import, const struct op_device *device)
{
	return device->vendor == import->facts.vendor && device->product == import->facts.product &&
	       device->bcd_device == import->bcd_device &&
	       op_devid(device) == import->listed_devid;
}

void import_attach(struct import *import, int fd, const struct op_device *device)
{
	struct import_context *context = import->context;
	int port = -EPROTO;

	assert(import->state == IMPORT_REQUESTING);
	if (!import_is_same(import, device)) {
		import_fail(import, IMPORT_FAILED, "it is not the device that was listed");
		close(fd);
		return;
	}
	if (device->busnum <= DEVID_HALF_MAX && device->devnum <= DEVID_HALF_MAX)
		port = session_set_timeouts(fd, context->dead_after);
	if (!port)
		port = import_hand_over(import, fd, device);
	if (port < 0) {
		import_fail(import, IMPORT_FAILED,
			    port == -ENOSPC ? import_no_port : strerror(-port));
		close(fd);
		return;
	}
	import_take_port(import, (unsigned)port, op_devid(device), false);
	context->vhci.port[port].state = VHCI_ATTACHING;
	import_write_record(import, context->record_dir, (unsigned)port, NULL);
	session_watch_start(&import->session, fd);
	log_info("%s: attached to port %d", import_name(import).text, port);
}

void import_adopt(struct import *import, unsigned port)
{
	struct import_context *context = import->context;

	/* an earlier daemon may have been killed before the device had answered */
	import_take_port(import, port, 0,
			 vhci_usable(context->sysfs, &context->vhci.port[port]));
}
