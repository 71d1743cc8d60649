/* SPDX-License-Identifier: MIT */
/* One connection of a client: its states and deadlines, the handshake, the request. */
#include "host/conn.h"

#include "lib/log.h"
#include "lib/socket.h"
#include "lib/util.h"

#include <assert.h>
#include <string.h>
#include <sys/epoll.h>

enum { GRANULE_MS = 256 /* deadlines are rounded up to it, so that many cost one pass */ };

void conn_set_state(struct conn *conn, enum conn_state state)
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

void conn_set_deadline(struct conn *conn, uint32_t ms)
{
	struct loop *loop = conn->shared->loop;

	conn->deadline = (loop->now + ms + GRANULE_MS - 1) / GRANULE_MS * GRANULE_MS;
	loop_pass_by(loop, conn->deadline);
}

static void conn_log_refusal(const struct conn *conn, enum access_refusal kind, const char *reason)
{
	access_log_refusal(conn->shared->access, kind, conn->shared->loop->now, &conn->peer.address,
			   "connection refused: %s", reason);
}

static void conn_start_handshake(struct conn *conn)
{
	struct conn_shared *shared = conn->shared;
	const struct loop *loop = shared->loop;

	if (loop->now >= shared->aes_until) { /* reads a file: not for every peer */
		shared->aes = ktls_has_aes();
		shared->aes_until = loop->now + loop->interval;
	}
	conn_set_state(conn, CONN_HANDSHAKE);
	if (ktls_accept(&conn->tls, shared->access->keys, shared->aes))
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
	n = socket_receive(conn->source.fd, conn->bytes + conn->len, end - conn->len, 0);
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

	return socket_receive(conn->source.fd, &first, 1, MSG_PEEK) > 0 && first == TLS_FIRST_BYTE;
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
	int n = socket_receive(conn->source.fd, rest, sizeof(rest), 0);

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

void conn_pass(struct conn *conn)
{
	struct loop *loop = conn->shared->loop;

	assert(conn->state != CONN_FREE);
	if (conn->state == CONN_WAITING)
		conn_import(conn);
	else if (loop->now < conn->deadline)
		loop_pass_by(loop, conn->deadline);
	else if (conn->state == CONN_WATCHING && !conn->list_due)
		conn_announce(conn);
	else
		conn_drop(conn);
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
	conn_set_deadline(conn, CONN_REQUEST_MS);
	if (loop_watch(shared->loop, &conn->source, EPOLLIN))
		conn_drop(conn);
}
