/* SPDX-License-Identifier: MIT */
/* Device lists for a client: the reply to one request, or the lists of a watch. */
#include "host/conn_internal.h"

#include "lib/socket.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

enum { SEND_BUFFER = 4 * DEVLIST_SIZE /* a list fits beside one that is not yet acknowledged */ };

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

void conn_reply_list(struct conn *conn)
{
	const struct devlist *devlist = conn_encode_list(conn, OP_REP_DEVLIST);

	socket_set(conn->source.fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
	conn_reply(conn, devlist->bytes, devlist->len);
}

/*
 * The next list goes out as soon as the kernel has sent the last one. One that is due already will
 * be the newest.
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

void conn_start_watch(struct conn *conn)
{
	conn_set_state(conn, CONN_WATCHING);
	socket_set(conn->source.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	socket_set(conn->source.fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
	conn_set_unsent_limit(conn, 1);
	conn_schedule_list(conn);
}

void conn_send_due_list(struct conn *conn)
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

void conn_pass_watch(struct conn *conn)
{
	struct loop *loop = conn->shared->loop;

	if (loop->now - conn->sent >= CONN_LIST_EVERY_MS)
		conn_schedule_list(conn);
	if (!conn->list_due)
		loop_pass_by(loop, conn->sent + CONN_LIST_EVERY_MS);
}

void conn_announce(struct conn *conn)
{
	if (conn->state == CONN_WATCHING)
		conn_schedule_list(conn);
}
