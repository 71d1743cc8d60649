/* SPDX-License-Identifier: MIT */
/* One connection of a client: its states and deadlines, the handshake, the request. */
#include "host/server.h"

#include "lib/log.h"
#include "lib/socket.h"
#include "lib/state.h"
#include "lib/util.h"
#include "loop/relay.h"
#include "loop/session.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { GRANULE_MS = 256 /* deadlines are rounded up to it, so that many cost one pass */ };

#define BIT(state) (1U << CONN_##state)

void conn_set_state(struct conn *conn, enum conn_state state)
{
	static const struct state states[] = {
		[CONN_FREE] = { "free", BIT(READING) },
		[CONN_READING] = { "reading", BIT(FREE) | BIT(HANDSHAKE) | BIT(WAITING) |
						      BIT(CLOSING) | BIT(WATCHING) },
		[CONN_HANDSHAKE] = { "handshake", BIT(FREE) | BIT(READING) },
		[CONN_WAITING] = { "waiting", BIT(FREE) | BIT(CLOSING) },
		[CONN_CLOSING] = { "closing", BIT(FREE) },
		[CONN_WATCHING] = { "watching", BIT(FREE) },
	};
	char address[ADDR_TEXT_SIZE];

	addr_text(&conn->peer.address, address);
	state_enter(states, conn->state, state, address, "connection: ");
	if (state == CONN_FREE)
		conn_adjust_count(conn->server, &conn->peer.address, -1);
	conn->state = state;
}

static struct tls *conn_tls(const struct conn *conn)
{
	return &conn->server->tls[conn - conn->server->conn];
}

void conn_drop(struct conn *conn)
{
	struct dialer *dialer = conn->dialer;
	bool unheard = conn->state == CONN_READING && !conn->peer.key;

	/* a child may have a copy of the socket: close() alone would not end the connection */
	shutdown(conn->source.fd, SHUT_RDWR);
	loop_drop(conn->server->loop, &conn->source);
	relay_end(&conn->encrypted);
	if (conn->state == CONN_HANDSHAKE)
		explicit_bzero(conn_tls(conn), sizeof(struct tls));
	conn_set_state(conn, CONN_FREE);
	conn->dialer = NULL;
	if (dialer)
		dialer_lost(dialer, unheard);
}

void conn_set_deadline(struct conn *conn, uint32_t ms)
{
	struct loop *loop = conn->server->loop;

	conn->deadline = (loop->now + ms + GRANULE_MS - 1) / GRANULE_MS * GRANULE_MS;
	loop_pass_by(loop, conn->deadline);
}

static void conn_refuse(struct conn *conn, enum access_refusal kind, const char *reason)
{
	access_log_refusal(conn->server->access, kind, conn->server->loop->now,
			   &conn->peer.address, "connection refused: %s", reason);
	conn_drop(conn);
}

static void conn_start_handshake(struct conn *conn)
{
	struct host_server *server = conn->server;
	const struct loop *loop = server->loop;

	if (loop->now >= server->aes_until) { /* reads a file: not for every peer */
		server->aes = ktls_has_aes();
		server->aes_until = loop->now + loop->interval;
	}
	conn_set_state(conn, CONN_HANDSHAKE);
	if (ktls_accept(conn_tls(conn), server->access->keys, server->aes))
		conn_drop(conn);
}

/* The client may leave it for as long as it likes, but must not be gone. */
static void conn_keep_spare(struct conn *conn)
{
	session_set_timeouts(conn->encrypted < 0 ? conn->source.fd : conn->encrypted,
			     conn->server->dead_after);
	conn->deadline = UINT64_MAX;
}

static void conn_step_handshake(struct conn *conn)
{
	struct tls *tls = conn_tls(conn);
	int result = relay_step(conn->server->loop, &conn->source, tls, &conn->encrypted);

	if (result > 0 && conn->source.fd >= conn->server->fds_max)
		result = -EMFILE;
	if (result < 0) {
		conn_refuse(conn, ACCESS_NO_KEY, ktls_strerror(result));
	} else if (result) {
		conn->peer.key = tls->key->identity;
		conn->peer.print = tls->key->print;
		conn_set_state(conn, CONN_READING);
		if (conn->dialer)
			conn_keep_spare(conn);
	}
}

static void conn_read_request(struct conn *conn)
{
	/* not beyond the request: the bytes after an import are for the kernel */
	size_t end = conn->len < OP_COMMON_SIZE ? OP_COMMON_SIZE : OP_REQ_IMPORT_SIZE;
	struct op_request request;
	int complete, n;

	n = socket_receive(conn->source.fd, conn->bytes + conn->len, end - conn->len, 0);
	if (n < 0) {
		conn_drop(conn);
		return;
	}
	if (conn->dialer) { /* it is taken */
		conn_set_deadline(conn, CONN_REQUEST_MS);
		dialer_order(conn->dialer, false);
		conn->dialer = NULL;
	}
	conn->len = (uint8_t)(conn->len + n);
	complete = op_request_decode(conn->bytes, conn->len, &request);
	if (complete > 0 || complete == -EILSEQ) { /* no device has such a bus id */
		conn->request = request;
		conn_answer(conn);
	} else if (complete < 0) {
		conn_refuse(conn, ACCESS_BAD_REQUEST,
			    conn->bytes[0] == TLS_FIRST_BYTE && !conn->server->access->keys ?
				    "the client speaks TLS, but this server has no --psk" :
				    "not a USB/IP request");
	}
}

static void conn_read(struct conn *conn)
{
	const struct access *access = conn->server->access;
	bool first = !conn->len && !conn->peer.key;
	uint8_t byte;

	if (first && access->keys && socket_receive(conn->source.fd, &byte, 1, MSG_PEEK) > 0 &&
	    byte == TLS_FIRST_BYTE)
		conn_start_handshake(conn);
	else if (first && !access_allows_peer(access, &conn->peer))
		conn_refuse(conn, ACCESS_NO_KEY, "the client has no key, which --psk requires");
	else
		conn_read_request(conn);
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

	if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
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
	struct loop *loop = conn->server->loop;

	if (conn->state == CONN_WAITING)
		conn_import(conn);
	else if (loop->now < conn->deadline)
		loop_pass_by(loop, conn->deadline);
	else if (conn->state == CONN_WATCHING && !conn->list_due)
		conn_announce(conn);
	else
		conn_drop(conn);
}

void conn_open(struct conn *conn, struct host_server *server, int fd,
	       const struct in6_addr *address, struct dialer *dialer)
{
	memset(conn, 0, sizeof(*conn));
	conn->server = server;
	conn->dialer = dialer;
	conn->peer.address = *address;
	conn->source.fd = fd;
	conn->encrypted = -1;
	conn->source.ready = conn_ready;
	conn_set_state(conn, CONN_READING);
	conn->of_peer = (uint16_t)conn_adjust_count(server, address, 1);
	conn_set_deadline(conn, CONN_REQUEST_MS);
	if (loop_watch(server->loop, &conn->source, EPOLLIN))
		conn_drop(conn);
}
