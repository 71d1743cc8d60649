/* SPDX-License-Identifier: MIT */
/* One connection of a client: its request and the reply, or the device lists of a watch. */
#include "host/conn.h"

#include "lib/addr.h"
#include "lib/log.h"
#include "lib/socket.h"
#include "lib/util.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	SEND_BUFFER = 4 * DEVLIST_SIZE, /* a list fits beside one that is not yet acknowledged */
	RETRY_MS = 20,			/* between looks at a device that is about to become free */
	GRANULE_MS = 256, /* deadlines are rounded up to it, so that many cost one pass */
};

static void conn_set_state(struct conn *conn, enum conn_state state)
{
	static const char *const name[] = {
		[CONN_FREE] = "free",	    [CONN_READING] = "reading",
		[CONN_HANDSHAKE] = "handshake", [CONN_WAITING] = "waiting",
		[CONN_CLOSING] = "closing", [CONN_WATCHING] = "watching",
	};
	static const uint8_t next[] = {
		[CONN_FREE] = 1 << CONN_READING,
		[CONN_READING] = 1 << CONN_FREE | 1 << CONN_HANDSHAKE | 1 << CONN_WAITING |
				 1 << CONN_CLOSING | 1 << CONN_WATCHING,
		[CONN_HANDSHAKE] = 1 << CONN_FREE | 1 << CONN_READING,
		[CONN_WAITING] = 1 << CONN_FREE | 1 << CONN_CLOSING,
		[CONN_CLOSING] = 1 << CONN_FREE,
		[CONN_WATCHING] = 1 << CONN_FREE,
	};
	char address[ADDR_TEXT_SIZE];

	assert(conn->state < ARRAY_SIZE(next) && next[conn->state] & 1 << state);
	addr_text(&conn->peer.address, address);
	log_debug("%s: connection: %s -> %s", address, name[conn->state], name[state]);
	conn->state = state;
}

void conn_drop(struct conn *conn)
{
	assert(conn->state != CONN_FREE && conn->source.fd >= 0);
	/* a child may have a copy of the socket: close() alone would not end the connection */
	shutdown(conn->source.fd, SHUT_RDWR);
	loop_drop(conn->shared->loop, &conn->source);
	tls_wipe(&conn->tls);
	conn_set_state(conn, CONN_FREE);
}

/* When ms from now have passed. */
static uint64_t conn_deadline(const struct conn *conn, uint32_t ms)
{
	return (conn->shared->loop->now + ms + GRANULE_MS - 1) / GRANULE_MS * GRANULE_MS;
}

static void conn_log_refusal(const struct conn *conn, enum access_refusal kind, const char *reason)
{
	access_log_refusal(conn->shared->access, kind, conn->shared->loop->now, &conn->peer.address,
			   "connection refused: %s", reason);
}

/* close() at once could destroy the reply, if the peer has sent more than its request. */
static void conn_close_when_read(struct conn *conn)
{
	shutdown(conn->source.fd, SHUT_WR);
	conn_set_state(conn, CONN_CLOSING);
	conn->close_by = conn_deadline(conn, CONN_CLOSE_MS);
	loop_pass_by(conn->shared->loop, conn->close_by);
	loop_rewatch(conn->shared->loop, &conn->source, EPOLLIN);
}

/* Sends the one reply of this connection. It is small against the send buffer, which is empty. */
static void conn_reply(struct conn *conn, const void *bytes, size_t len)
{
	if (socket_send_all(conn->source.fd, bytes, len))
		conn_drop(conn);
	else
		conn_close_when_read(conn);
}

static void conn_refuse_import(struct conn *conn, uint32_t status)
{
	uint8_t reply[OP_COMMON_SIZE];

	op_rep_import_encode(reply, sizeof(reply), status, NULL);
	conn_reply(conn, reply, sizeof(reply));
}

static bool conn_may_see(void *ctx, const char *busid)
{
	const struct conn *conn = ctx;
	const struct export *export = exports_find(conn->shared->exports, busid);

	return export && access_allows_device(conn->shared->access, export, &conn->peer);
}

/* Encodes the list of the devices that this peer may see. Valid until the next one is encoded. */
static const struct devlist *conn_encode_list(struct conn *conn, enum op_code code)
{
	struct conn_shared *shared = conn->shared;
	struct devlist *devlist = shared->devlist;

	if (access_depends_on_peer(shared->access)) {
		devlist_filter(devlist, shared->filtered, conn_may_see, conn);
		devlist = shared->filtered;
	}
	devlist_set_head(devlist, code);
	return devlist;
}

static void conn_reply_list(struct conn *conn)
{
	const struct devlist *devlist = conn_encode_list(conn, OP_REP_DEVLIST);

	socket_set(conn->source.fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
	conn_reply(conn, devlist->bytes, devlist->len);
}

/*
 * The next list goes out as soon as the kernel has sent the last one. One that is due already will be
 * the newest.
 */
static void conn_schedule_list(struct conn *conn)
{
	if (conn->list_due)
		return;
	conn->list_due = true;
	conn->send_by = conn_deadline(conn, CONN_SEND_LIST_MS);
	loop_rewatch(conn->shared->loop, &conn->source, EPOLLIN | EPOLLOUT);
}

/*
 * With 1, EPOLLOUT means that everything was sent, and not that there is room. send(2) keeps to it,
 * too.
 */
static void conn_set_unsent_limit(struct conn *conn, int limit)
{
	socket_set(conn->source.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, limit);
}

static void conn_start_watch(struct conn *conn)
{
	conn_set_state(conn, CONN_WATCHING);
	socket_set(conn->source.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	socket_set(conn->source.fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
	conn_set_unsent_limit(conn, 1);
	conn_schedule_list(conn);
}

static void conn_send_due_list(struct conn *conn)
{
	struct loop *loop = conn->shared->loop;
	const struct devlist *devlist = conn_encode_list(conn, OP_REP_WATCH);

	assert(conn->list_due);
	conn_set_unsent_limit(conn, 0);
	if (socket_send_all(conn->source.fd, devlist->bytes, devlist->len)) {
		conn_drop(conn);
		return;
	}
	conn_set_unsent_limit(conn, 1);
	conn->list_due = false;
	conn->sent = loop->now;
	loop_rewatch(loop, &conn->source, EPOLLIN);
	loop_pass_by(loop, loop->now + CONN_LIST_EVERY_MS);
}

/*
 * The connection becomes the session of the device, which owns it then. A client that has sent USB
 * requests already gets the reply first, as the kernel could answer them before it.
 */
static void conn_hand_over(struct conn *conn, struct export *export)
{
	struct conn_shared *shared = conn->shared;
	uint8_t reply[OP_REP_IMPORT_SIZE], byte;
	bool reply_first = socket_peek(conn->source.fd, &byte, 1) > 0;
	int fd;

	if (!export->identity.described) {
		conn_refuse_import(conn, OP_NA);
		return;
	}
	op_rep_import_encode(reply, sizeof(reply), OP_OK, &export->record.device);
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

static void conn_import(struct conn *conn)
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

static void conn_answer(struct conn *conn)
{
	switch (conn->request.code) {
	case OP_REQ_IMPORT:
		conn_import(conn);
		break;
	case OP_REQ_WATCH:
		conn_start_watch(conn);
		break;
	default:
		conn_reply_list(conn);
	}
}

/* ktls_has_aes() reads a file: once in an interval, however many peers connect. */
static void conn_update_aes(struct conn_shared *shared)
{
	const struct loop *loop = shared->loop;

	if (loop->now < shared->aes_until)
		return;
	shared->aes = ktls_has_aes();
	shared->aes_until = loop->now + loop->interval;
}

static void conn_start_handshake(struct conn *conn)
{
	struct conn_shared *shared = conn->shared;
	const struct keys *keys = shared->access->keys;

	conn_update_aes(shared);
	conn_set_state(conn, CONN_HANDSHAKE);
	if (ktls_accept(&conn->tls, keys->key, keys->count, shared->aes))
		conn_drop(conn);
}

static void conn_step_handshake(struct conn *conn)
{
	int result = ktls_step(&conn->tls, conn->source.fd);

	if (result < 0) {
		conn_log_refusal(conn, ACCESS_NO_KEY, ktls_strerror(result));
		conn_drop(conn);
	} else if (result) {
		conn->peer.key = conn->tls.key->identity;
		conn->peer.print = conn->tls.key->print;
		conn_set_state(conn, CONN_READING);
	}
}

static void conn_read_request(struct conn *conn)
{
	/* not beyond the request: the bytes after an import are for the kernel */
	size_t end = conn->len < OP_COMMON_SIZE ? OP_COMMON_SIZE : OP_REQ_IMPORT_SIZE;
	int complete, n;

	assert(conn->len < end);
	n = socket_receive(conn->source.fd, conn->bytes + conn->len, end - conn->len);
	if (n < 0) {
		conn_drop(conn);
		return;
	}
	conn->len = (uint8_t)(conn->len + n);
	complete = op_request_decode(conn->bytes, conn->len, &conn->request);
	if (complete > 0) {
		conn_answer(conn);
	} else if (complete < 0) {
		bool tls = conn->bytes[0] == TLS_FIRST_BYTE && !conn->shared->access->keys;

		conn_log_refusal(conn, ACCESS_BAD_REQUEST,
				 tls ? "the client speaks TLS, but this server has no --psk" :
				       "not a USB/IP request");
		conn_drop(conn);
	}
}

static bool conn_begins_with_tls(const struct conn *conn)
{
	uint8_t first;

	return socket_peek(conn->source.fd, &first, 1) > 0 && first == TLS_FIRST_BYTE;
}

static void conn_read(struct conn *conn)
{
	const struct access *access = conn->shared->access;
	bool first = !conn->len && !conn->peer.key;

	if (first && access->keys && conn_begins_with_tls(conn)) {
		conn_start_handshake(conn);
	} else if (first && !access_allows_peer(access, &conn->peer)) {
		conn_log_refusal(conn, ACCESS_NO_KEY,
				 "the client has no key, which --psk requires");
		conn_drop(conn);
	} else {
		conn_read_request(conn);
	}
}

/* After the reply anything may come until the peer closes; a watcher sends nothing. */
static void conn_read_rest(struct conn *conn)
{
	char rest[512];
	int n = socket_receive(conn->source.fd, rest, sizeof(rest));

	if (n < 0 || (n && conn->state == CONN_WATCHING))
		conn_drop(conn);
}

static void conn_ready(struct loop_source *source, uint32_t events)
{
	struct conn *conn = container_of(source, struct conn, source);

	assert(conn->state != CONN_FREE);
	if (events & (EPOLLERR | EPOLLHUP))
		conn_drop(conn);
	else if (conn->state == CONN_HANDSHAKE)
		conn_step_handshake(conn);
	else if (conn->state == CONN_READING)
		conn_read(conn);
	else if (events & EPOLLIN)
		conn_read_rest(conn);
	else if (events & EPOLLOUT)
		conn_send_due_list(conn);
}

/* When the connection is to be dropped, unless something happens before. */
static uint64_t conn_drop_time(const struct conn *conn)
{
	switch (conn->state) {
	case CONN_READING:
	case CONN_HANDSHAKE:
		return conn->request_by;
	case CONN_CLOSING:
		return conn->close_by;
	case CONN_WATCHING:
		return conn->list_due ? conn->send_by : UINT64_MAX;
	default:
		return UINT64_MAX;
	}
}

static void conn_pass_watch(struct conn *conn)
{
	struct loop *loop = conn->shared->loop;

	if (loop->now - conn->sent >= CONN_LIST_EVERY_MS)
		conn_schedule_list(conn);
	if (!conn->list_due)
		loop_pass_by(loop, conn->sent + CONN_LIST_EVERY_MS);
}

void conn_pass(struct conn *conn)
{
	struct loop *loop = conn->shared->loop;

	assert(conn->state != CONN_FREE);
	if (loop->now >= conn_drop_time(conn)) {
		conn_drop(conn);
		return;
	}
	if (conn->state == CONN_WAITING)
		conn_import(conn);
	else if (conn->state == CONN_WATCHING)
		conn_pass_watch(conn);
	loop_pass_by(loop, conn_drop_time(conn));
}

void conn_announce(struct conn *conn)
{
	if (conn->state == CONN_WATCHING)
		conn_schedule_list(conn);
}

void conn_open(struct conn *conn, struct conn_shared *shared, int fd,
	       const struct in6_addr *address)
{
	assert(conn->state == CONN_FREE && fd >= 0);
	memset(conn, 0, sizeof(*conn));
	conn->shared = shared;
	conn->peer.address = *address;
	conn->source.fd = fd;
	conn->source.ready = conn_ready;
	conn_set_state(conn, CONN_READING);
	conn->request_by = conn_deadline(conn, CONN_REQUEST_MS);
	loop_pass_by(shared->loop, conn->request_by);
	if (loop_watch(shared->loop, &conn->source, EPOLLIN))
		conn_drop(conn);
}
