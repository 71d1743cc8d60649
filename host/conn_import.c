/* SPDX-License-Identifier: MIT */
/* The import of a device: its connection waits, is refused, or becomes the device's session. */
#include "host/conn_internal.h"

#include "lib/socket.h"
#include "sysfs/descriptors.h"

#include <assert.h>
#include <sys/epoll.h>

enum { RETRY_MS = 20 /* between looks at a device that is about to become free */ };

static void conn_refuse_import(struct conn *conn, uint32_t status)
{
	uint8_t reply[OP_COMMON_SIZE];

	op_rep_import_encode(reply, sizeof(reply), status, NULL);
	conn_reply(conn, reply, sizeof(reply));
}

/*
 * The connection becomes the session of the device, which owns it then. A client that has sent USB
 * requests already gets the reply first, as the kernel could answer them before it.
 */
static void conn_hand_over(struct conn *conn, struct export *export)
{
	struct conn_shared *shared = conn->shared;
	struct op_interface interface[OP_INTERFACES_MAX];
	uint8_t reply[OP_REP_IMPORT_SIZE], byte;
	bool reply_first = socket_peek(conn->source.fd, &byte, 1) > 0;
	struct op_device device;
	int fd;

	/* not the list's record: another device may have taken the place since the last pass */
	if (device_describe(export->sysfs, export->device.busid, &device, interface)) {
		conn_refuse_import(conn, OP_NA);
		return;
	}
	op_rep_import_encode(reply, sizeof(reply), OP_OK, &device);
	if (reply_first && socket_send_all(conn->source.fd, reply, sizeof(reply))) {
		conn_drop(conn);
		return;
	}
	fd = loop_unwatch(shared->loop, &conn->source);
	if (!export_import(export, fd, shared->dead_after, &conn->peer)) {
		conn_set_state(conn, CONN_FREE);
		if (!reply_first && socket_send_all(fd, reply, sizeof(reply)))
			shutdown(fd, SHUT_RDWR);
		return;
	}
	conn->source.fd = fd;
	if (reply_first || loop_watch(shared->loop, &conn->source, EPOLLIN))
		conn_drop(conn);
	else
		conn_refuse_import(conn, OP_NA);
}

/* Nothing is read meanwhile: the next bytes are for the kernel. */
static void conn_wait(struct conn *conn)
{
	struct loop *loop = conn->shared->loop;

	if (conn->state != CONN_WAITING) {
		conn_set_state(conn, CONN_WAITING);
		conn->free_by = conn_deadline(conn, CONN_IMPORT_MS);
		loop_rewatch(loop, &conn->source, 0);
	}
	loop_pass_by(loop, loop->now + RETRY_MS);
}

static bool conn_has_waited(const struct conn *conn)
{
	return conn->state == CONN_WAITING && conn->shared->loop->now >= conn->free_by;
}

/* The status of the reply, or EXPORT_WAIT. */
static uint32_t conn_import_status(const struct conn *conn, const struct export *export)
{
	uint32_t status = export_ask(export);

	return status == EXPORT_WAIT && conn_has_waited(conn) ? OP_BUSY : status;
}

void conn_import(struct conn *conn)
{
	struct conn_shared *shared = conn->shared;
	struct export *export = exports_find(shared->exports, conn->request.busid);
	uint32_t status = OP_NODEV;

	if (export && !access_allows_device(shared->access, export, &conn->peer))
		access_log_refusal(shared->access, ACCESS_NO_DEVICE, shared->loop->now,
				   &conn->peer.address, "import of %s refused by the rules",
				   export->device.name);
	else if (export)
		status = conn_import_status(conn, export);
	if (status == EXPORT_WAIT)
		conn_wait(conn);
	else if (status == OP_OK)
		conn_hand_over(conn, export);
	else
		conn_refuse_import(conn, status);
}
