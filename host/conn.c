/* SPDX-License-Identifier: MIT */
/* One connection of a client: its request and the answer, or the lists of a watch. */
#include "host/server.h"

#include "lib/socket.h"
#include "lib/str.h"
#include "lib/util.h"
#include "sysfs/descriptors.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
	SEND_BUFFER = 4 * DEVLIST_SIZE, /* a list fits, though the last is not yet acknowledged */
	RETRY_MS = 20,	  /* between looks at a device that is about to be free */
	GRANULE_MS = 256, /* deadlines are rounded up to it, so that many cost one pass */
};

/* A child may still have the connection: the conn shall know at once. */
void conn_drop(struct conn *conn)
{
	shutdown(conn->source.fd, SHUT_RDWR);
	loop_drop(conn->server->loop, &conn->source);
	tls_wipe(&conn->tls);
	conn->state = CONN_FREE;
}

static uint64_t deadline(const struct host_server *server, uint32_t ms)
{
	return (server->loop->now + ms + GRANULE_MS - 1) / GRANULE_MS * GRANULE_MS;
}

/*
 * All of it at once, or the conn is dropped: a message is small against the send buffer, which is
 * empty but for a list that the conn has not yet acknowledged.
 */
static bool send_all(struct conn *conn, const void *bytes, size_t len)
{
	ssize_t n = send(conn->source.fd, bytes, len, MSG_NOSIGNAL);

	if (n == (ssize_t)len)
		return true;
	conn_drop(conn);
	return false;
}

static bool may_see(void *ctx, const char *busid)
{
	const struct conn *conn = ctx;
	const struct export *export = exports_find(conn->server->exports, busid);

	return export && host_server_allows(conn->server, export, &conn->who);
}

static void send_list(struct conn *conn, enum op_code code)
{
	struct host_server *server = conn->server;
	struct devlist *devlist = &server->devlist;

	if (server->rules && rules_have_to(server->rules)) {
		devlist_filter(devlist, &server->part, may_see, conn);
		devlist = &server->part;
	}
	devlist_set_head(devlist, code);
	if (send_all(conn, devlist->bytes, devlist->len))
		conn->sent = server->loop->now;
}

/* Closing at once could destroy what was sent, if the conn has sent more than its request. */
static void close_when_read(struct conn *conn)
{
	if (conn->state == CONN_FREE)
		return;
	shutdown(conn->source.fd, SHUT_WR);
	conn->state = CONN_CLOSING;
	loop_rewatch(conn->server->loop, &conn->source, EPOLLIN);
}

/* The list is to go out as soon as the kernel has sent what came before. */
static void make_due(struct conn *conn)
{
	if (conn->deadline)
		return; /* it is due already: it will get the newest */
	conn->deadline = deadline(conn->server, CONN_SEND_LIST_MS);
	loop_rewatch(conn->server->loop, &conn->source, EPOLLIN | EPOLLOUT);
}

/* With it EPOLLOUT says that all was sent, not that there is room; send(2) obeys it, too. */
static void wait_for_sent(struct conn *conn, bool on)
{
	socket_set(conn->source.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, on);
}

static void watch(struct conn *conn)
{
	conn->state = CONN_WATCHING;
	conn->deadline = 0;
	socket_set(conn->source.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	socket_set(conn->source.fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
	wait_for_sent(conn, true);
	make_due(conn);
}

static void refuse(struct conn *conn, uint32_t status)
{
	uint8_t reply[OP_COMMON_SIZE];

	op_rep_import_encode(reply, sizeof(reply), status, NULL);
	send_all(conn, reply, sizeof(reply));
	close_when_read(conn);
}

/* A client that sends USB requests before it has the reply would get theirs before it. */
static bool in_a_hurry(int fd)
{
	uint8_t byte;

	return recv(fd, &byte, 1, MSG_PEEK) > 0;
}

/* The connection becomes the session of the device. It is watched as that, no more as a conn. */
static void hand_over(struct conn *conn, struct export *export)
{
	struct host_server *server = conn->server;
	struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device device;
	uint8_t reply[OP_REP_IMPORT_SIZE];
	bool early = in_a_hurry(conn->source.fd);
	int fd;

	if (device_describe(export->sysfs, export->device.busid, &device, interface)) {
		refuse(conn, OP_NA);
		return;
	}
	op_rep_import_encode(reply, sizeof(reply), OP_OK, &device);
	if (early && !send_all(conn, reply, sizeof(reply)))
		return;
	fd = loop_unwatch(server->loop, &conn->source);
	if (!export_import(export, fd, server->dead_after, &conn->who)) {
		conn->state = CONN_FREE;
		if (!early && send(fd, reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply))
			shutdown(fd, SHUT_RDWR);
		return;
	}
	conn->source.fd = fd;
	if (early || loop_watch(server->loop, &conn->source, EPOLLIN))
		conn_drop(conn);
	else
		refuse(conn, OP_NA);
}

/* Until the device is free, for a while: EXPORT_WAIT, or what is to be said. */
static uint32_t wait_for(struct conn *conn)
{
	struct loop *loop = conn->server->loop;

	if (conn->state != CONN_WAITING)
		conn->deadline = deadline(conn->server, CONN_IMPORT_MS);
	conn->state = CONN_WAITING;
	if (loop->now >= conn->deadline)
		return OP_BUSY;
	loop_rewatch(loop, &conn->source, 0); /* what it sends now is for the kernel */
	loop_pass_by(loop, loop->now + RETRY_MS);
	return EXPORT_WAIT;
}

static void import(struct conn *conn)
{
	struct host_server *server = conn->server;
	struct export *export = NULL;
	struct op_request request;
	uint32_t status;

	if (op_request_decode(conn->request, conn->len, &request) > 0)
		export = exports_find(server->exports, request.busid);
	if (export && !host_server_allows(server, export, &conn->who)) {
		host_server_complain(server, &server->denied_said, &conn->who.address,
				  "the rules deny it what it wants");
		export = NULL;
	}
	status = export ? export_ask(export) : OP_NODEV;
	if (status == EXPORT_WAIT)
		status = wait_for(conn);
	if (export && status == OP_OK)
		hand_over(conn, export);
	else if (status != EXPORT_WAIT)
		refuse(conn, status);
}

static void answer(struct conn *conn, const struct op_request *request)
{
	switch (request->code) {
	case OP_REQ_IMPORT:
		import(conn);
		break;
	case OP_REQ_WATCH:
		watch(conn);
		break;
	default:
		socket_set(conn->source.fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
		send_list(conn, OP_REP_DEVLIST);
		close_when_read(conn);
	}
}

static void shake(struct conn *conn)
{
	int result = ktls_step(&conn->tls, conn->source.fd);

	if (result < 0) {
		host_server_complain(conn->server, &conn->server->tls_said, &conn->who.address,
				  ktls_strerror(result));
		conn_drop(conn);
	} else if (result) {
		conn->who.key = conn->tls.key->identity;
		conn->who.print = conn->tls.key->print;
		conn->state = CONN_READING;
	}
}

/* The first byte tells: TLS, or plain USB/IP, which with keys is for this machine only. */
static bool is_plain(struct conn *conn)
{
	const struct keys *keys = conn->server->keys;
	uint8_t first;

	if (recv(conn->source.fd, &first, 1, MSG_PEEK) == 1 && first == TLS_FIRST_BYTE) {
		conn->state = CONN_HANDSHAKE;
		if (ktls_accept(&conn->tls, keys->key, keys->count,
				host_server_has_aes(conn->server)))
			conn_drop(conn);
		return false;
	}
	if (host_server_trusts(conn->server, &conn->who))
		return true;
	host_server_complain(conn->server, &conn->server->tls_said, &conn->who.address,
			  "it has no key, which --psk asks for");
	conn_drop(conn);
	return false;
}

static void read_request(struct conn *conn)
{
	/* what follows an import's request is the kernel's */
	size_t end = conn->len < OP_COMMON_SIZE ? OP_COMMON_SIZE : OP_REQ_IMPORT_SIZE;
	struct op_request request;
	int complete, n;

	if (conn->server->keys && !conn->who.key && !conn->len && !is_plain(conn))
		return;
	n = socket_receive(conn->source.fd, conn->request + conn->len, end - conn->len);
	if (n < 0) {
		conn_drop(conn);
		return;
	}
	conn->len = (uint8_t)(conn->len + n);
	complete = op_request_decode(conn->request, conn->len, &request);
	if (complete > 0) {
		answer(conn, &request);
	} else if (complete < 0) {
		host_server_complain(conn->server, &conn->server->bad_said, &conn->who.address,
				  conn->request[0] == TLS_FIRST_BYTE ?
					  "it speaks TLS, but here is no --psk" :
					  "it sent no request that is understood here");
		conn_drop(conn);
	}
}

/* A watcher has nothing to say, nor has who got its reply. */
static void read_end(struct conn *conn)
{
	char junk[512];
	int n = socket_receive(conn->source.fd, junk, sizeof(junk));

	if (n < 0 || (n && conn->state == CONN_WATCHING))
		conn_drop(conn);
}

static void send_due(struct conn *conn)
{
	struct loop *loop = conn->server->loop;

	conn->deadline = 0;
	wait_for_sent(conn, false);
	send_list(conn, OP_REP_WATCH);
	if (conn->state != CONN_WATCHING)
		return;
	wait_for_sent(conn, true);
	loop_rewatch(loop, &conn->source, EPOLLIN);
	loop_pass_by(loop, loop->now + CONN_LIST_EVERY_MS);
}

static void conn_ready(struct loop_source *source, uint32_t events)
{
	struct conn *conn = container_of(source, struct conn, source);

	if (events & (EPOLLERR | EPOLLHUP))
		conn_drop(conn);
	else if (conn->state == CONN_HANDSHAKE)
		shake(conn);
	else if (conn->state == CONN_READING)
		read_request(conn);
	else if (events & EPOLLIN)
		read_end(conn);
	else if (events & EPOLLOUT)
		send_due(conn);
}

void conn_pass(struct conn *conn)
{
	struct host_server *server = conn->server;
	struct loop *loop = server->loop;

	if (conn->state == CONN_WAITING)
		import(conn);
	else if (conn->deadline && loop->now >= conn->deadline)
		conn_drop(conn);
	else if (conn->state == CONN_WATCHING && !conn->deadline &&
		 loop->now - conn->sent >= CONN_LIST_EVERY_MS)
		make_due(conn);
	if (conn->state == CONN_FREE || conn->state == CONN_WAITING)
		return;
	loop_pass_by(loop, conn->deadline ? conn->deadline : conn->sent + CONN_LIST_EVERY_MS);
}

void conn_announce(struct conn *conn)
{
	if (conn->state == CONN_WATCHING)
		make_due(conn);
}

void conn_open(struct conn *conn, struct host_server *server, int fd,
	       const struct in6_addr *address)
{
	memset(conn, 0, sizeof(*conn));
	conn->server = server;
	conn->who.address = *address;
	conn->state = CONN_READING;
	conn->deadline = deadline(server, CONN_REQUEST_MS);
	conn->source.fd = fd;
	conn->source.ready = conn_ready;
	if (loop_watch(server->loop, &conn->source, EPOLLIN))
		conn_drop(conn);
	else
		loop_pass_by(server->loop, conn->deadline);
}
