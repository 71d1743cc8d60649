/* SPDX-License-Identifier: MIT */
/* One request to one server. The functions stand from the end of the protocol to its beginning. */
#include "client/request.h"

#include "client/callers.h"
#include "lib/socket.h"
#include "lib/state.h"
#include "lib/str.h"
#include "lib/util.h"
#include "loop/relay.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TO(state) (1u << REQUEST_##state)

static void request_set_deadline(struct request *request, uint32_t ms)
{
	request->deadline = loop_clock() + ms;
	loop_pass_by(request->loop, request->deadline);
}

/* It may last that long. */
static void request_set_state(struct request *request, enum request_state state, uint32_t ms)
{
	static const struct state states[] = {
		[REQUEST_IDLE] = { "idle", TO(RESOLVING) | TO(CONNECTING) },
		[REQUEST_RESOLVING] = { "resolving", TO(IDLE) | TO(CONNECTING) },
		[REQUEST_CONNECTING] = { "connecting", TO(IDLE) | TO(HANDSHAKE) | TO(READING) },
		[REQUEST_HANDSHAKE] = { "handshake", TO(IDLE) | TO(READING) },
		[REQUEST_READING] = { "reading", TO(IDLE) | TO(DEVICE_QUERY) },
		[REQUEST_DEVICE_QUERY] = { "describing", TO(IDLE) },
	};

	if (request->state != state)
		state_enter(states, request->state, state, request->target->endpoint->name,
			    "request: ");
	request->state = state;
	if (state != REQUEST_IDLE)
		request_set_deadline(request, ms);
}

void request_cancel(struct request *request)
{
	if (request->state == REQUEST_RESOLVING)
		child_kill(&request->resolver);
	else if (request->state == REQUEST_HANDSHAKE)
		explicit_bzero(&request->tls, sizeof(request->tls));
	loop_drop(request->loop, &request->socket);
	relay_end(&request->encrypted);
	ssh_tunnel_close(request->target->ssh, &request->tunnel);
	request_set_state(request, REQUEST_IDLE, 0);
}

/* The end. The caller must not touch the request afterwards, as done may have started it again. */
static void request_end(struct request *request, enum request_outcome outcome, const char *reason)
{
	request_cancel(request);
	/* where ssh fails, the pair of sockets just closes or stays silent */
	if (request->tunnel.text[0] && (outcome == REQUEST_CLOSED || outcome == REQUEST_SILENT)) {
		outcome = REQUEST_SSH_FAILED;
		reason = request->tunnel.text;
	}
	request->outcome = outcome;
	request->reason = reason;
	request->done(request);
}

/* If the server has connected; else that is tried again in every pass. 0 or -errno. */
static int request_take_caller(struct request *request)
{
	const struct request_target *target = request->target;
	int fd = callers_take(target->callers, target->endpoint->host, &request->encrypted);

	if (fd == -EAGAIN)
		return 0;
	request->socket.fd = fd;
	return loop_watch(request->loop, &request->socket, EPOLLOUT);
}

/* Starts to connect to the address in use, or ssh. 0 or -errno. */
static int request_open_socket(struct request *request)
{
	const struct addresses *addresses = &request->target->addresses;
	int *fd = &request->socket.fd;

	if (request->target->callers)
		return request_take_caller(request);
	if (request->target->endpoint->through[0]) {
		*fd = ssh_tunnel_open(request->target->ssh, &request->tunnel,
				      request->target->endpoint);
	} else {
		*fd = socket_connect(&addresses->address[request->address % addresses->count]);
	}
	if (*fd < 0)
		return *fd;
	return loop_watch(request->loop, &request->socket, EPOLLOUT);
}

/*
 * A failure that the machine at this address has caused. Before it has answered a list it may be
 * another machine: then the next address is tried, and behind the last one the name is looked up
 * again, as is an interface.
 */
static void request_fail(struct request *request, enum request_outcome outcome, const char *reason)
{
	struct addresses *addresses = &request->target->addresses;
	const struct endpoint *endpoint = request->target->endpoint;
	bool answered = request->state == REQUEST_DEVICE_QUERY ||
			(request->state == REQUEST_READING &&
			 (request->op.code != OP_REQ_DEVLIST || request->reply.in_list));
	int error;

	if (request->state == REQUEST_READING && reply_is_empty_list(&request->reply)) {
		request_end(request, REQUEST_OK, ""); /* and the server is not one of ours */
		return;
	}
	while (!answered && ++request->tried < addresses->count) {
		request_cancel(request);
		request->address++;
		error = request_open_socket(request);
		if (!error) {
			request_set_state(request, REQUEST_CONNECTING, REQUEST_CONNECT_MS);
			return;
		}
		outcome = REQUEST_UNREACHABLE;
		reason = strerror(-error);
	}
	if (!answered && (!endpoint_is_address(endpoint) || strchr(endpoint->host, '%')))
		addresses->count = 0;
	request_end(request, outcome, reason);
}

/* A server that closes is reported either way, depending on whether it had read the request. */
static void request_connection_failed(struct request *request, int error)
{
	const struct reply *reply = &request->reply;
	const char *reason = "it hung up in mid-answer";

	if (request->state == REQUEST_READING && !reply->in_list && !reply->len)
		reason = request->op.code == OP_REQ_DEVLIST ? ktls_strerror(-ECONNRESET) :
							      "it hung up without an answer";
	if (error != -ECONNRESET && error != -EPIPE)
		request_fail(request, REQUEST_FAILED, strerror(-error));
	else
		request_fail(request, REQUEST_CLOSED, reason);
}

/* An import is granted: the connection goes to the caller, and ssh, if there is one, with it. */
static void request_finish_import(struct request *request)
{
	request->fd = request->connection = loop_unwatch(request->loop, &request->socket);
	if (request->encrypted >= 0)
		request->connection = request->encrypted;
	request->encrypted = -1;
	request->tunnel.number = 0;
	request_end(request, REQUEST_OK, "");
}

/* event is of descriptor_query_next(). */
static void request_continue_query(struct request *request, int event)
{
	uint8_t bytes[URB_SIZE];

	if (event == DESCRIPTOR_QUERY_SEND) {
		urb_query_encode(bytes, &request->descriptors.request);
		if (socket_send_all(request->socket.fd, bytes, sizeof(bytes)))
			request_connection_failed(request, -EPIPE);
	} else if (event == DESCRIPTOR_QUERY_DONE) {
		request_finish_import(request);
	} else if (event < 0) {
		request_end(request, REQUEST_FAILED, op_strerror(event));
	}
}

static void request_receive_descriptors(struct request *request)
{
	size_t size;
	uint8_t *room = descriptor_query_room(&request->descriptors, &size);
	int n = socket_receive(request->socket.fd, room, size, 0);

	if (n < 0) {
		request_connection_failed(request, n);
		return;
	}
	request->descriptors.len += (size_t)n;
	request_continue_query(request, descriptor_query_next(&request->descriptors));
}

static void request_take_import(struct request *request, const struct reply_item *item)
{
	if (item->status != OP_OK) {
		request_end(request, REQUEST_REFUSED, op_status_text(item->status));
		return;
	}
	request->device = item->device;
	if (strcmp(request->device.busid, request->op.busid) != 0) {
		request_end(request, REQUEST_FAILED, op_strerror(-EILSEQ));
		return;
	}
	request->record(request, item);
	if (request->query_device) {
		request_set_state(request, REQUEST_DEVICE_QUERY, REQUEST_REPLY_MS);
		descriptor_query_start(&request->descriptors, op_devid(&request->device));
		request_continue_query(request, DESCRIPTOR_QUERY_SEND);
	} else {
		request_finish_import(request);
	}
}

/* A record without a valid bus id costs only its own device. */
static void request_take_record(struct request *request, const struct reply_item *item)
{
	if (item->device.busid[0])
		request->record(request, item);
	else
		log_once(&request->target->nameless, LOG_LEVEL_WARNING, 0,
			 "%s: lists a device with an invalid bus id, which is ignored",
			 request->target->endpoint->name);
}

static void request_decode_reply(struct request *request)
{
	struct reply_item item;
	int event;

	while ((event = reply_next(&request->reply, &item)) > 0) {
		request->target->good = request->address;
		if (event == REPLY_RECORD) {
			request_take_record(request, &item);
		} else if (event == REPLY_IMPORT) {
			request_take_import(request, &item);
			return;
		} else if (request->op.code != OP_REQ_WATCH) {
			request_end(request, REQUEST_OK, "");
			return;
		} else {
			request_set_deadline(request, REQUEST_SILENT_MS);
			request->whole(request);
		}
	}
	if (event < 0)
		request_fail(request, REQUEST_FAILED, op_strerror(event));
	else if (reply_is_empty_list(&request->reply))
		request_set_deadline(request, REQUEST_MARK_MS);
}

static void request_receive(struct request *request)
{
	struct reply *reply = &request->reply;
	size_t size;
	uint8_t *room = reply_room(reply, &size);
	int n = socket_receive(request->socket.fd, room, size, 0);

	if (n < 0) {
		request_connection_failed(request, n);
		return;
	}
	reply->len += (size_t)n;
	request_decode_reply(request);
}

/* Through ssh it waits in the pair of sockets until ssh has connected. */
static void request_send(struct request *request)
{
	uint8_t bytes[OP_REQ_IMPORT_SIZE];
	int len = op_request_encode(bytes, sizeof(bytes), &request->op);
	uint32_t ms = request->tunnel.pipe < 0 ? REQUEST_REPLY_MS : REQUEST_SSH_MS;
	int error;

	request_set_state(request, REQUEST_READING,
			  request->op.code == OP_REQ_IMPORT ? REQUEST_IMPORT_MS : ms);
	reply_start(&request->reply, request->op.code);
	/* so few bytes always fit into the buffer of a new connection */
	error = socket_send_all(request->socket.fd, bytes, (size_t)len);
	if (error)
		request_connection_failed(request, error);
	else
		loop_watch(request->loop, &request->socket, EPOLLIN);
}

static void request_handshake_step(struct request *request)
{
	int result = relay_step(request->loop, &request->socket, &request->tls,
				&request->encrypted);

	if (result < 0)
		request_fail(request, REQUEST_FAILED, ktls_strerror(result));
	else if (result)
		request_send(request);
}

static void request_start_handshake(struct request *request)
{
	int error;

	request_set_state(request, REQUEST_HANDSHAKE, REQUEST_REPLY_MS);
	error = ktls_connect(&request->tls, request->socket.fd, request->target->key);
	if (error)
		request_fail(request, REQUEST_FAILED, ktls_strerror(error));
	else
		loop_watch(request->loop, &request->socket, EPOLLIN);
}

static void request_connect(struct request *request)
{
	int error = request_open_socket(request);

	if (error)
		request_fail(request, REQUEST_UNREACHABLE, strerror(-error));
	else
		request_set_state(request, REQUEST_CONNECTING, REQUEST_CONNECT_MS);
}

static void request_connected(struct request *request)
{
	int error = socket_error(request->socket.fd);

	if (error) {
		request_fail(request, REQUEST_UNREACHABLE, strerror(-error));
		return;
	}
	if (request->target->key && request->tunnel.pipe < 0 && !request->target->callers)
		request_start_handshake(request);
	else
		request_send(request);
}

static void request_socket_ready(struct loop_source *source, uint32_t events)
{
	static void (*const steps[])(struct request *) = {
		[REQUEST_CONNECTING] = request_connected,
		[REQUEST_HANDSHAKE] = request_handshake_step,
		[REQUEST_READING] = request_receive,
		[REQUEST_DEVICE_QUERY] = request_receive_descriptors,
	};
	struct request *request = container_of(source, struct request, socket);

	(void)events;
	steps[request->state](request);
}

/* The addresses of the target are known, or why there are none. */
static void request_resolved(struct request *request)
{
	request->target->good = request->address = 0;
	if (request->target->addresses.error)
		request_end(request, REQUEST_UNRESOLVED,
			    resolve_strerror(request->target->addresses.error));
	else
		request_connect(request);
}

static void request_name_resolved(struct child *child, bool whole)
{
	struct request *request = container_of(child, struct request, resolver);

	if (!whole)
		request->target->addresses = (struct addresses){ .error = EAI_FAIL };
	request_resolved(request);
}

static void request_resolve(struct request *request)
{
	const struct endpoint *endpoint = request->target->endpoint;
	struct addresses *addresses = &request->target->addresses;
	const struct child_work work = {
		.run = resolve_name,
		.arg = endpoint,
		.result = addresses,
		.size = sizeof(*addresses),
	};
	int error;

	if (resolve_address(endpoint, addresses)) {
		request_resolved(request);
		return;
	}
	request_set_state(request, REQUEST_RESOLVING, RESOLVE_MS);
	request->resolver.pid = 0;
	error = child_start(request->loop, &request->resolver, &work, request_name_resolved);
	if (error)
		request_end(request, REQUEST_FAILED, strerror(-error));
}

void request_init(struct request *request, struct loop *loop, struct request_target *target,
		  void *ctx)
{
	request->loop = loop;
	request->target = target;
	request->ctx = ctx;
	request->state = REQUEST_IDLE;
	request->tunnel.text[0] = '\0';
	request->socket.fd = request->encrypted = request->tunnel.pipe = -1;
	request->socket.ready = request_socket_ready;
}

void request_start(struct request *request, enum op_code code, const char *busid)
{
	request->op.code = code;
	str_copy(request->op.busid, sizeof(request->op.busid), busid ? busid : "");
	request->fd = -1;
	request->tried = 0;
	request->address = request->target->good;
	if (request->target->addresses.count || request->target->endpoint->through[0] ||
	    request->target->callers)
		request_connect(request);
	else
		request_resolve(request);
}

void request_pass(struct request *request)
{
	if (request->state == REQUEST_IDLE)
		return;
	if (request->state == REQUEST_CONNECTING && request->socket.fd < 0)
		request_take_caller(request);
	if (request->loop->now < request->deadline)
		loop_pass_by(request->loop, request->deadline);
	else if (request->state == REQUEST_CONNECTING && request->target->callers)
		request_fail(request, REQUEST_UNREACHABLE, "it has not connected");
	else if (request->state == REQUEST_CONNECTING)
		request_fail(request, REQUEST_UNREACHABLE, strerror(ETIMEDOUT));
	else if (request->state == REQUEST_RESOLVING)
		request_end(request, REQUEST_UNRESOLVED, resolve_strerror(EAI_AGAIN));
	else
		request_fail(request, REQUEST_SILENT, "no whole answer in time");
}

void request_close(const struct request *request)
{
	close(request->fd);
	if (request->connection != request->fd)
		close(request->connection);
}

void request_log_failure(const struct request *request, struct log_once *once)
{
	const struct endpoint *endpoint = request->target->endpoint;
	const char *verb = "list devices of", *name = endpoint->name;

	if (request->outcome == REQUEST_UNRESOLVED) {
		verb = "resolve";
		name = endpoint->host;
	} else if (request->outcome == REQUEST_UNREACHABLE ||
		   request->outcome == REQUEST_SSH_FAILED) {
		verb = "reach";
	}
	log_once(once, LOG_LEVEL_WARNING, 0, "cannot %s %s: %s", verb, name, request->reason);
}
