/* SPDX-License-Identifier: MIT */
/* Replies to a client: device lists, and an import, with which the connection becomes a session. */
#include "host/server.h"

#include "lib/socket.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	SEND_BUFFER = 4 * CONN_LIST_SIZE, /* a list fits beside one that is not yet acknowledged */
	RETRY_MS = 20, /* between looks at a device that is about to become free */
};

/* Sends the one reply of this connection, which must be small against the send buffer. */
static void conn_reply(struct conn *conn, const void *bytes, size_t len)
{
	if (socket_send_all(conn->source.fd, bytes, len)) {
		conn_drop(conn);
		return;
	}
	/* close() at once could destroy the reply, if the peer has sent more than its request */
	shutdown(conn->source.fd, SHUT_WR);
	conn_set_state(conn, CONN_CLOSING);
	conn_set_deadline(conn, CONN_CLOSE_MS);
	loop_watch(conn->server->loop, &conn->source, EPOLLIN);
}

/* Encodes the list of the devices that this peer may see into server->list. Returns its length. */
static size_t conn_encode_list(struct conn *conn, enum op_code code)
{
	struct host_server *server = conn->server;
	size_t len = OP_DEVLIST_HEAD_SIZE;
	uint32_t devices = 0;

	EACH_EXPORT(server->exports, export) {
		const struct device_record *record = &export->record;
		int n;

		if (!export->listed ||
		    !access_allows_device(server->access, &export->identity, &conn->peer))
			continue;
		n = op_record_encode(server->list + len, CONN_LIST_SIZE - len, &record->device,
				     record->interface);
		if (n < 0) {
			log_once(&server->list_full, LOG_LEVEL_WARNING, 0,
				 "no room for all devices in the list");
			continue;
		}
		len += (size_t)n;
		devices++;
	}
	op_devlist_head_encode(server->list, CONN_LIST_SIZE, code, devices);
	return len;
}

/* The next list goes out as soon as the kernel has sent the last one, and will be the newest. */
void conn_announce(struct conn *conn)
{
	if (conn->state != CONN_WATCHING || conn->list_due)
		return;
	conn->list_due = true;
	conn_set_deadline(conn, CONN_SEND_LIST_MS);
	loop_watch(conn->server->loop, &conn->source, EPOLLIN | EPOLLOUT);
}

/* With 1, EPOLLOUT means that all was sent, not that there is room. send(2) keeps to it, too. */
static void conn_set_unsent_limit(struct conn *conn, int limit)
{
	socket_set(conn->source.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, limit);
}

void conn_send_due_list(struct conn *conn)
{
	struct host_server *server = conn->server;
	size_t len = conn_encode_list(conn, OP_REP_WATCH);

	conn_set_unsent_limit(conn, 0);
	if (socket_send_all(conn->source.fd, server->list, len)) {
		conn_drop(conn);
		return;
	}
	conn_set_unsent_limit(conn, 1);
	conn->list_due = false;
	conn->deadline = server->loop->now + CONN_LIST_EVERY_MS;
	loop_watch(server->loop, &conn->source, EPOLLIN);
	loop_pass_by(server->loop, conn->deadline);
}

static void conn_refuse_import(struct conn *conn, uint32_t status)
{
	uint8_t reply[OP_COMMON_SIZE];

	op_rep_import_encode(reply, sizeof(reply), status, NULL);
	conn_reply(conn, reply, sizeof(reply));
}

/* The connection becomes the device's session. A client that has sent USB requests already gets the
 * reply first, as the kernel could answer them before it. */
static void conn_hand_over(struct conn *conn, struct export *export)
{
	struct host_server *server = conn->server;
	uint8_t reply[OP_REP_IMPORT_SIZE], byte;
	bool reply_first = socket_receive(conn->source.fd, &byte, 1, MSG_PEEK) > 0;
	struct device_record now; /* another device may have taken the place since the last pass */
	int fd, connection;

	if (device_describe(export->sysfs, export->device.busid, &now.device, now.interface)) {
		conn_refuse_import(conn, OP_NA);
		return;
	}
	op_rep_import_encode(reply, sizeof(reply), OP_OK, &now.device);
	if (reply_first && socket_send_all(conn->source.fd, reply, sizeof(reply))) {
		conn_drop(conn);
		return;
	}
	fd = loop_unwatch(server->loop, &conn->source);
	connection = conn->encrypted < 0 ? fd : conn->encrypted;
	if (!export_import(export, fd, connection, server->dead_after, &conn->peer)) {
		conn_set_state(conn, CONN_FREE);
		if (!reply_first && socket_send_all(fd, reply, sizeof(reply)))
			shutdown(fd, SHUT_RDWR);
		if (fd != connection)
			close(fd);
		return;
	}
	conn->source.fd = fd;
	if (reply_first || loop_watch(server->loop, &conn->source, EPOLLIN))
		conn_drop(conn);
	else
		conn_refuse_import(conn, OP_NA);
}

void conn_import(struct conn *conn)
{
	struct access *access = conn->server->access;
	struct loop *loop = conn->server->loop;
	struct export *export = exports_find(conn->server->exports, conn->request.busid);
	bool over = conn->state == CONN_WAITING && loop->now >= conn->deadline;
	uint32_t status = OP_NODEV;
	bool bound;

	if (export && export->allowed &&
	    access_allows_device(access, &export->identity, &conn->peer)) {
		if (!host_server_has_waiting(conn->server, conn->request.busid))
			export_want(export);
		status = export_ask(export, &conn->peer.address);
	} else if (export)
		access_log_refusal(access, ACCESS_NO_DEVICE, loop->now, &conn->peer.address,
				   "import of %s refused by the rules", export->device.name);
	if (status == OP_OK) {
		conn_hand_over(conn, export);
		return;
	}
	if (status != EXPORT_WAIT || over) {
		conn_refuse_import(conn, status == EXPORT_WAIT ? OP_BUSY : status);
		return;
	}
	bound = export_is_bound(export);
	if (conn->state != CONN_WAITING) {
		conn_set_state(conn, CONN_WAITING);
		conn_set_deadline(conn, bound ? CONN_IMPORT_MS : CONN_TAKE_MS);
		/* the next bytes are for the kernel */
		loop_watch(loop, &conn->source, EPOLLRDHUP);
		loop_pass_now(loop);
	}
	loop_tick_by(loop, bound ? loop->now + RETRY_MS : conn->deadline);
}

void conn_answer(struct conn *conn)
{
	struct host_server *server = conn->server;
	size_t len;

	if (conn->request.code == OP_REQ_IMPORT) {
		conn_import(conn);
		return;
	}
	socket_set(conn->source.fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
	if (conn->request.code == OP_REQ_WATCH) {
		conn_set_state(conn, CONN_WATCHING);
		socket_set(conn->source.fd, IPPROTO_TCP, TCP_NODELAY, 1);
		conn_set_unsent_limit(conn, 1);
		conn_announce(conn);
	} else {
		len = conn_encode_list(conn, OP_REP_DEVLIST);
		len = op_devlist_mark(server->list, len, server->identity);
		conn_reply(conn, server->list, len);
	}
}
