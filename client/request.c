/* SPDX-License-Identifier: MIT */
/*
 * One request to one server and its reply: resolve, connect, send, decode. The functions stand from
 * the end of the protocol to its beginning, as each step calls the next one.
 */
#include "client/request.h"

#include "lib/log.h"
#include "lib/socket.h"
#include "lib/str.h"
#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

bool request_running(const struct request *request)
{
	return request->state != REQUEST_IDLE;
}

static bool request_is_watch(const struct request *request)
{
	return request->op.code == OP_REQ_WATCH;
}

static void request_set_state(struct request *request, enum request_state state)
{
	enum { IDLE = 1 << REQUEST_IDLE };
	static const struct {
		const char *name;
		uint8_t next; /* a bit for each state that may follow */
	} states[] = {
		[REQUEST_IDLE] = { "idle", IDLE | 1 << REQUEST_RESOLVING | 1 << REQUEST_CONNECTING |
						   1 << REQUEST_READING },
		[REQUEST_RESOLVING] = { "resolving", IDLE | 1 << REQUEST_CONNECTING },
		[REQUEST_CONNECTING] = { "connecting",
					 IDLE | 1 << REQUEST_CONNECTING | 1 << REQUEST_HANDSHAKE |
						 1 << REQUEST_READING },
		[REQUEST_HANDSHAKE] = { "in the handshake", IDLE | 1 << REQUEST_READING },
		[REQUEST_READING] = { "reading", IDLE | 1 << REQUEST_DEVICE_QUERY },
		[REQUEST_DEVICE_QUERY] = { "querying the device", IDLE },
	};

	assert(states[request->state].next & 1 << state);
	if (request->state != state)
		log_debug("%s: request is %s", request->target->endpoint->name, states[state].name);
	request->state = state;
}

static void request_set_deadline(struct request *request, uint32_t ms)
{
	request->deadline = loop_clock() + ms;
	loop_pass_by(request->loop, request->deadline);
}

void request_cancel(struct request *request)
{
	resolve_cancel(&request->resolver);
	loop_drop(request->loop, &request->socket);
	tls_wipe(&request->tls);
	ssh_tunnel_close(&request->tunnel);
	request_set_state(request, REQUEST_IDLE);
}

static const char *request_closed_text(const struct request *request)
{
	if (request->op.code != OP_REQ_DEVLIST || request->reply.in_list || request->reply.len)
		return "it hung up in mid-answer";
	return ktls_strerror(-ECONNRESET); /* nothing came at all */
}

static const char *request_failure_text(const struct request *request,
					const struct request_result *result)
{
	switch (result->outcome) {
	case REQUEST_UNRESOLVED:
		return resolve_strerror(&request->target->addresses);
	case REQUEST_SILENT:
		return "no whole answer in time";
	case REQUEST_CLOSED:
		return request_closed_text(request);
	case REQUEST_MALFORMED:
		return op_strerror(result->error);
	case REQUEST_REFUSED:
		return op_status_text(result->status);
	case REQUEST_TLS_FAILED:
		return ktls_strerror(result->error);
	case REQUEST_SSH_FAILED:
		return request->tunnel.text;
	case REQUEST_UNREACHABLE:
	case REQUEST_BROKEN:
		return strerror(-result->error);
	case REQUEST_OK:
		break;
	}
	return "";
}

/* The end. The caller must not touch the request afterwards, as done may have started it again. */
static void request_finish(struct request *request, struct request_result result)
{
	request_cancel(request);
	/* where ssh fails, the pair of sockets just closes or stays silent */
	if (request->tunnel.text[0] &&
	    (result.outcome == REQUEST_CLOSED || result.outcome == REQUEST_SILENT))
		result.outcome = REQUEST_SSH_FAILED;
	str_format(result.reason, sizeof(result.reason), "%s",
		   request_failure_text(request, &result));
	request->done(request, &result, -1, NULL);
}

static void request_fail(struct request *request, enum request_outcome outcome, int error)
{
	assert(outcome != REQUEST_OK && error <= 0);
	request_finish(request, (struct request_result){ .outcome = outcome, .error = error });
}

/* A server that closes is reported either way, depending on whether it had read the request. */
static void request_connection_failed(struct request *request, int error)
{
	if (error == -ECONNRESET || error == -EPIPE)
		request_fail(request, REQUEST_CLOSED, 0);
	else
		request_fail(request, REQUEST_BROKEN, error);
}

/* An import is granted: the connection goes to the caller, and ssh, if there is one, with it. */
static void request_finish_import(struct request *request, const struct op_device *device)
{
	struct request_result result = { .outcome = REQUEST_OK };
	int fd = loop_unwatch(request->loop, &request->socket);

	request->tunnel.pid = 0;
	request_cancel(request);
	request->done(request, &result, fd, device);
}

static void request_send_device_query(struct request *request)
{
	uint8_t bytes[URB_SIZE];

	urb_request_encode(bytes, &request->descriptors.request);
	if (socket_send_all(request->socket.fd, bytes, sizeof(bytes)))
		request_connection_failed(request, -EPIPE);
}

static void request_query_device(struct request *request, const struct op_device *device)
{
	request->device = *device;
	request_set_state(request, REQUEST_DEVICE_QUERY);
	request_set_deadline(request, REQUEST_REPLY_MS);
	descriptor_query_start(&request->descriptors, op_devid(device));
	request_send_device_query(request);
}

static void request_decode_descriptors(struct request *request)
{
	int event = descriptor_query_next(&request->descriptors);

	if (event == DESCRIPTOR_QUERY_SEND)
		request_send_device_query(request);
	else if (event == DESCRIPTOR_QUERY_DONE)
		request_finish_import(request, &request->device);
	else if (event < 0)
		request_fail(request, REQUEST_MALFORMED, event);
}

static void request_take_import(struct request *request, const struct reply_item *item)
{
	if (item->status != OP_OK)
		request_finish(request, (struct request_result){ .outcome = REQUEST_REFUSED,
								 .status = item->status });
	else if (strcmp(item->device.busid, request->op.busid) != 0)
		request_fail(request, REQUEST_MALFORMED, -EILSEQ);
	else if (request->query_device)
		request_query_device(request, &item->device);
	else
		request_finish_import(request, &item->device);
}

/* A list is complete, which ends the request if it is no watch. */
static void request_take_list(struct request *request)
{
	if (!request_is_watch(request)) {
		request_finish(request, (struct request_result){ .outcome = REQUEST_OK });
		return;
	}
	request->answered = true;
	request_set_deadline(request, REQUEST_SILENT_MS);
	request->whole(request);
}

static void request_decode_reply(struct request *request)
{
	struct reply_item item;
	int event;

	while ((event = reply_next(&request->reply, &item)) > 0) {
		switch (event) {
		case REPLY_RECORD:
			request->record(request, &item.device, item.interface);
			break;
		case REPLY_END:
			request_take_list(request);
			if (!request_is_watch(request))
				return;
			break;
		default:
			request_take_import(request, &item);
			return;
		}
	}
	if (event < 0)
		request_fail(request, REQUEST_MALFORMED, event);
}

/* The first bytes of a watch come: the server knows it, and has the time of a list for the rest. */
static void request_extend_watch(struct request *request)
{
	if (request_is_watch(request) && !request->answered && !request->reply.in_list &&
	    !request->reply.len)
		request_set_deadline(request, REQUEST_REPLY_MS);
}

static void request_receive(struct request *request)
{
	bool querying = request->state == REQUEST_DEVICE_QUERY;
	size_t size;
	uint8_t *room = querying ? descriptor_query_room(&request->descriptors, &size)
				 : reply_room(&request->reply, &size);
	int n = socket_receive(request->socket.fd, room, size, 0);

	if (!n)
		return;
	if (n < 0) {
		request_connection_failed(request, n);
	} else if (querying) {
		request->descriptors.len += (size_t)n;
		request_decode_descriptors(request);
	} else {
		request_extend_watch(request);
		request->reply.len += (size_t)n;
		request_decode_reply(request);
	}
}

static uint32_t request_reply_ms(const struct request *request)
{
	if (request->tunnel.pipe >= 0)
		return REQUEST_SSH_MS;
	return request_is_watch(request) ? REQUEST_WATCH_MS : REQUEST_REPLY_MS;
}

static void request_send(struct request *request)
{
	uint8_t bytes[OP_REQ_IMPORT_SIZE];
	int len = op_request_encode(bytes, sizeof(bytes), &request->op);
	int error;

	assert(len > 0);
	error = socket_send_all(request->socket.fd, bytes, (size_t)len);
	reply_start(&request->reply, request->op.code);
	if (error) { /* so few bytes always fit into the buffer of a new connection */
		request_connection_failed(request, error);
		return;
	}
	request_set_state(request, REQUEST_READING);
	request_set_deadline(request, request_reply_ms(request));
	request->answered = false;
	loop_rewatch(request->loop, &request->socket, EPOLLIN);
}

static void request_handshake_step(struct request *request)
{
	int result = ktls_step(&request->tls, request->socket.fd);

	if (result < 0)
		request_fail(request, REQUEST_TLS_FAILED, result);
	else if (result)
		request_send(request);
}

static void request_start_handshake(struct request *request)
{
	int error;

	request_set_state(request, REQUEST_HANDSHAKE);
	request_set_deadline(request, REQUEST_REPLY_MS);
	error = ktls_connect(&request->tls, request->socket.fd, request->target->key);
	if (error)
		request_fail(request, REQUEST_TLS_FAILED, error);
	else
		loop_rewatch(request->loop, &request->socket, EPOLLIN);
}

/* Moves on to the next address. Returns false if all have failed; a later request starts anew. */
static bool request_next_address(struct request *request)
{
	struct request_target *target = request->target;

	loop_drop(request->loop, &request->socket);
	request->address++;
	if (++request->tried < target->addresses.count)
		return true;
	if (resolve_is_temporary(target->endpoint))
		target->addresses.count = 0; /* the next request looks it up again */
	return false;
}

/* Starts to connect to the address in use. 0 or -errno. */
static int request_open_socket(struct request *request)
{
	const struct addresses *addresses = &request->target->addresses;
	const struct addr *address = &addresses->address[request->address % addresses->count];
	int fd = socket(address->sa.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	request->socket.fd = fd;
	if (fd < 0 || (connect(fd, &address->sa.any, address->len) && errno != EINPROGRESS))
		return -errno;
	return loop_watch(request->loop, &request->socket, EPOLLOUT);
}

static void request_connect(struct request *request)
{
	int error;

	while ((error = request_open_socket(request)))
		if (!request_next_address(request)) {
			request_fail(request, REQUEST_UNREACHABLE, error);
			return;
		}
	request_set_state(request, REQUEST_CONNECTING);
	request_set_deadline(request, REQUEST_CONNECT_MS);
}

static void request_connect_failed(struct request *request, int error)
{
	if (request_next_address(request))
		request_connect(request);
	else
		request_fail(request, REQUEST_UNREACHABLE, error);
}

static void request_connected(struct request *request)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(request->socket.fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error) {
		request_connect_failed(request, -error);
		return;
	}
	request->target->good = request->address;
	if (request->target->key)
		request_start_handshake(request);
	else
		request_send(request);
}

static void request_socket_ready(struct loop_source *source, uint32_t events)
{
	struct request *request = container_of(source, struct request, socket);

	(void)events;
	switch (request->state) {
	case REQUEST_CONNECTING:
		request_connected(request);
		break;
	case REQUEST_HANDSHAKE:
		request_handshake_step(request);
		break;
	case REQUEST_READING:
	case REQUEST_DEVICE_QUERY:
		request_receive(request);
		break;
	case REQUEST_IDLE:
	case REQUEST_RESOLVING:
		assert(0 && "a socket is watched");
	}
}

/* The addresses of the target are known, or why there are none. */
static void request_resolved(struct request *request)
{
	request->target->good = request->address = 0;
	if (request->target->addresses.error)
		request_fail(request, REQUEST_UNRESOLVED, 0);
	else
		request_connect(request);
}

static void request_resolver_done(struct resolver *resolver)
{
	struct request *request = container_of(resolver, struct request, resolver);

	request->target->addresses = resolver->addresses;
	request_resolved(request);
}

static void request_resolve(struct request *request)
{
	struct request_target *target = request->target;
	int error;

	if (resolve_address(target->endpoint, &target->addresses)) {
		request_resolved(request);
		return;
	}
	request_set_state(request, REQUEST_RESOLVING);
	request_set_deadline(request, RESOLVE_MS);
	error = resolve_start(&request->resolver, request->loop, target->endpoint,
			      request_resolver_done);
	if (error)
		request_fail(request, REQUEST_BROKEN, error);
}

/* The request waits in the pair of sockets until ssh has connected. */
static void request_open_tunnel(struct request *request)
{
	int fd = ssh_tunnel_open(&request->tunnel, request->target->endpoint);
	int error = fd;

	if (fd >= 0) {
		request->socket.fd = fd;
		error = loop_watch(request->loop, &request->socket, EPOLLIN);
	}
	if (error)
		request_fail(request, REQUEST_BROKEN, error);
	else
		request_send(request);
}

void request_init(struct request *request, struct loop *loop, struct request_target *target,
		  void *ctx)
{
	request->loop = loop;
	request->target = target;
	request->ctx = ctx;
	request->state = REQUEST_IDLE;
	request->socket.fd = request->tunnel.pipe = -1;
	request->socket.ready = request_socket_ready;
}

void request_start(struct request *request, enum op_code code, const char *busid)
{
	assert(request->state == REQUEST_IDLE);
	assert(!busid == (code != OP_REQ_IMPORT));
	request->op.code = code;
	str_format(request->op.busid, sizeof(request->op.busid), "%s", busid ? busid : "");
	request->tried = 0;
	request->address = request->target->good;
	if (request->target->endpoint->through[0])
		request_open_tunnel(request);
	else if (request->target->addresses.count)
		request_connect(request);
	else
		request_resolve(request);
}

void request_pass(struct request *request)
{
	if (request->state == REQUEST_IDLE)
		return;
	if (request->loop->now < request->deadline) {
		loop_pass_by(request->loop, request->deadline);
	} else if (request->state == REQUEST_CONNECTING) {
		request_connect_failed(request, -ETIMEDOUT);
	} else if (request->state == REQUEST_RESOLVING) {
		request->target->addresses.error = EAI_AGAIN;
		request_fail(request, REQUEST_UNRESOLVED, 0);
	} else {
		request_fail(request, REQUEST_SILENT, 0);
	}
}

const char *request_reason(const struct request *request, const struct request_result *result)
{
	(void)request;
	return result->reason;
}

void request_log_failure(const struct request *request, const struct request_result *result,
			 struct log_once *once)
{
	const struct endpoint *endpoint = request->target->endpoint;
	const char *verb = "list devices of", *name = endpoint->name;

	if (result->outcome == REQUEST_UNRESOLVED) {
		verb = "resolve";
		name = endpoint->host;
	} else if (result->outcome == REQUEST_UNREACHABLE ||
		   result->outcome == REQUEST_SSH_FAILED) {
		verb = "reach";
	}
	log_once(once, LOG_LEVEL_WARNING, 0, "cannot %s %s: %s", verb, name, result->reason);
}
