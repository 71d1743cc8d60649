/* SPDX-License-Identifier: MIT */
/* One request to one server and its reply: find the address, connect, ask, decode. */
#include "client/request.h"

#include "lib/log.h"
#include "lib/socket.h"
#include "lib/str.h"
#include "lib/util.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

void request_init(struct request *request, struct loop *loop, struct request_target *target,
		  void *ctx)
{
	request->loop = loop;
	request->target = target;
	request->ctx = ctx;
	request->state = REQUEST_IDLE;
	request->socket.fd = request->tunnel.pipe = -1;
	resolve_init(&request->resolver);
}

bool request_running(const struct request *request)
{
	return request->state != REQUEST_IDLE;
}

void request_cancel(struct request *request)
{
	resolve_cancel(&request->resolver);
	loop_drop(request->loop, &request->socket);
	tls_wipe(&request->tls);
	ssh_tunnel_close(&request->tunnel);
	request->state = REQUEST_IDLE;
}

/* The end of every request; nothing may touch it afterwards, as done may have begun the next. */
static void finish(struct request *request, enum request_outcome outcome, int error)
{
	struct request_result result = { outcome, error };

	request_cancel(request);
	if (request->tunnel.text[0] &&
	    (outcome == REQUEST_CLOSED || outcome == REQUEST_SILENT)) {
		result.outcome = REQUEST_SSH_FAILED;
		result.error = 0;
	}
	request->done(request, &result, -1, NULL);
}

static void finish_import(struct request *request, const struct op_device *device)
{
	struct request_result result = { REQUEST_OK, 0 };
	int fd = loop_unwatch(request->loop, &request->socket);

	request->tunnel.pid = 0;
	request_cancel(request);
	request->done(request, &result, fd, device);
}

static void set_deadline(struct request *request, uint32_t ms)
{
	request->deadline = loop_clock() + ms;
	loop_pass_by(request->loop, request->deadline);
}

static void connect_next(struct request *request);

/* This address does not work: the next one, or the end. */
static void address_failed(struct request *request, int error)
{
	struct request_target *target = request->target;

	loop_drop(request->loop, &request->socket);
	request->address++;
	if (++request->tried < target->addresses.count) {
		connect_next(request);
		return;
	}
	if (resolve_is_temporary(target->endpoint))
		target->addresses.count = 0; /* the next request looks it up again */
	finish(request, REQUEST_UNREACHABLE, error);
}

/* A server that hangs up may look either way, as our request was read or not. */
static void broken(struct request *request, int error)
{
	if (error == -ECONNRESET || error == -EPIPE)
		finish(request, REQUEST_CLOSED, 0);
	else
		finish(request, REQUEST_BROKEN, error);
}

static bool watches(const struct request *request)
{
	return request->op.code == OP_REQ_WATCH;
}

static void ask(struct request *request)
{
	uint8_t bytes[OP_REQ_IMPORT_SIZE];
	int len = op_request_encode(bytes, sizeof(bytes), &request->op);
	int error = socket_send_all(request->socket.fd, bytes, (size_t)len);

	reply_start(&request->reply, request->op.code);
	if (error) { /* so few bytes always fit into the buffer of a new connection */
		broken(request, error);
		return;
	}
	set_deadline(request, request->tunnel.pipe >= 0 ? REQUEST_SSH_MS
			       : watches(request)   ? REQUEST_WATCH_MS
						     : REQUEST_REPLY_MS);
	request->state = REQUEST_READING;
	request->answered = false;
	loop_rewatch(request->loop, &request->socket, EPOLLIN);
}

static void connected(struct request *request)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(request->socket.fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error) {
		address_failed(request, -error);
		return;
	}
	request->target->good = request->address;
	if (request->target->key) {
		set_deadline(request, REQUEST_REPLY_MS);
		request->state = REQUEST_HANDSHAKE;
		error = ktls_connect(&request->tls, request->socket.fd, request->target->key);
		if (error)
			finish(request, REQUEST_TLS_FAILED, error);
		else
			loop_rewatch(request->loop, &request->socket, EPOLLIN);
		return;
	}
	ask(request);
}

static void shake(struct request *request)
{
	int result = ktls_step(&request->tls, request->socket.fd);

	if (result < 0)
		finish(request, REQUEST_TLS_FAILED, result);
	else if (result)
		ask(request);
}

/* True when it has ended. */
static bool list_came(struct request *request)
{
	if (!watches(request)) {
		finish(request, REQUEST_OK, 0);
		return true;
	}
	request->answered = true;
	set_deadline(request, REQUEST_SILENT_MS);
	request->whole(request);
	return false;
}

static void send_probe(struct request *request)
{
	uint8_t bytes[URB_SIZE];

	urb_request_encode(bytes, &request->descriptors.request);
	if (socket_send_all(request->socket.fd, bytes, sizeof(bytes)))
		broken(request, -EPIPE);
}

static void probe(struct request *request, const struct op_device *device)
{
	request->device = *device;
	request->state = REQUEST_DEVICE_QUERY;
	set_deadline(request, REQUEST_REPLY_MS);
	descriptor_query_start(&request->descriptors, device->busnum << 16 | device->devnum);
	send_probe(request);
}

static void probe_came(struct request *request)
{
	switch (descriptor_query_next(&request->descriptors)) {
	case 0:
		break;
	case 1:
		send_probe(request);
		break;
	case 2:
		finish_import(request, &request->device);
		break;
	default:
		finish(request, REQUEST_MALFORMED, -EBADMSG);
	}
}

static void import_came(struct request *request, const struct reply_item *item)
{
	if (item->status != OP_OK)
		finish(request, REQUEST_REFUSED, (int)item->status);
	else if (strcmp(item->device.busid, request->op.busid) != 0)
		finish(request, REQUEST_MALFORMED, -EILSEQ);
	else if (request->query_device)
		probe(request, &item->device);
	else
		finish_import(request, &item->device);
}

static void decode(struct request *request)
{
	struct reply_item item;
	int event;

	while ((event = reply_next(&request->reply, &item)) > 0) {
		if (event == REPLY_RECORD) {
			request->record(request, &item.device, item.interface);
		} else if (event == REPLY_IMPORT) {
			import_came(request, &item);
			return;
		} else if (list_came(request)) {
			return;
		}
	}
	if (event < 0)
		finish(request, REQUEST_MALFORMED, event);
}

static void receive(struct request *request)
{
	size_t size;
	bool probing = request->state == REQUEST_DEVICE_QUERY;
	uint8_t *room = probing ? descriptor_query_room(&request->descriptors, &size)
				: reply_room(&request->reply, &size);
	int n = socket_receive(request->socket.fd, room, size);

	if (!n)
		return;
	if (n < 0) {
		broken(request, n);
		return;
	}
	if (probing) {
		request->descriptors.len += (size_t)n;
		probe_came(request);
		return;
	}
	if (watches(request) && !request->answered && !request->reply.in_list &&
	    !request->reply.len)
		set_deadline(request, REQUEST_REPLY_MS);
	request->reply.len += (size_t)n;
	decode(request);
}

static void socket_ready(struct loop_source *source, uint32_t events)
{
	struct request *request = container_of(source, struct request, socket);

	(void)events;
	if (request->state == REQUEST_CONNECTING)
		connected(request);
	else if (request->state == REQUEST_HANDSHAKE)
		shake(request);
	else
		receive(request);
}

static void connect_next(struct request *request)
{
	const struct addresses *addresses = &request->target->addresses;
	const struct addr *address = &addresses->address[request->address % addresses->count];
	int error = 0;

	request->socket.ready = socket_ready;
	request->socket.fd = socket(address->sa.any.sa_family,
				     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (request->socket.fd < 0 ||
	    (connect(request->socket.fd, &address->sa.any, address->len) && errno != EINPROGRESS))
		error = -errno;
	else
		error = loop_watch(request->loop, &request->socket, EPOLLOUT);
	if (error) {
		address_failed(request, error);
		return;
	}
	request->state = REQUEST_CONNECTING;
	set_deadline(request, REQUEST_CONNECT_MS);
}

/* What is asked waits in the pair of sockets until ssh is through. */
static void dig(struct request *request)
{
	int fd = ssh_tunnel_open(&request->tunnel, request->target->endpoint);
	int error = fd;

	if (fd >= 0) {
		request->socket.ready = socket_ready;
		request->socket.fd = fd;
		error = loop_watch(request->loop, &request->socket, EPOLLIN);
	}
	if (error)
		finish(request, REQUEST_BROKEN, error);
	else
		ask(request);
}

/* The addresses of the target are known, or the reason why there are none. */
static void request_resolved(struct request *request)
{
	request->target->good = request->address = 0;
	if (request->target->addresses.error)
		finish(request, REQUEST_UNRESOLVED, 0);
	else
		connect_next(request);
}

static void resolver_done(struct resolver *resolver)
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
	request->state = REQUEST_RESOLVING;
	set_deadline(request, RESOLVE_MS);
	error = resolve_start(&request->resolver, request->loop, target->endpoint, resolver_done);
	if (error)
		finish(request, REQUEST_BROKEN, error);
}

void request_start(struct request *request, enum op_code code, const char *busid)
{
	request->op.code = code;
	str_format(request->op.busid, sizeof(request->op.busid), "%s", busid ? busid : "");
	request->tried = 0;
	request->address = request->target->good;
	if (request->target->endpoint->through[0])
		dig(request);
	else if (request->target->addresses.count)
		connect_next(request);
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
		address_failed(request, -ETIMEDOUT);
	} else if (request->state == REQUEST_RESOLVING) {
		request->target->addresses.error = EAI_AGAIN;
		finish(request, REQUEST_UNRESOLVED, 0);
	} else {
		finish(request, REQUEST_SILENT, 0);
	}
}

const char *request_reason(const struct request *request, const struct request_result *result)
{
	switch (result->outcome) {
	case REQUEST_UNRESOLVED:
		return resolve_strerror(&request->target->addresses);
	case REQUEST_SILENT:
		return "no whole answer in time";
	case REQUEST_CLOSED:
		if (request->op.code != OP_REQ_DEVLIST || request->reply.in_list ||
		    request->reply.len)
			return "it hung up in mid-answer";
		return ktls_strerror(-ECONNRESET); /* it has said nothing at all */
	case REQUEST_MALFORMED:
		return op_strerror(result->error);
	case REQUEST_REFUSED:
		return op_status_text((uint32_t)result->error);
	case REQUEST_TLS_FAILED:
		return ktls_strerror(result->error);
	case REQUEST_SSH_FAILED:
		return request->tunnel.text;
	default:
		return strerror(-result->error);
	}
}

void request_log_failure(const struct request *request, const struct request_result *result,
			 struct log_once *once)
{
	const char *verb = "list devices of", *name = request->target->endpoint->name;

	if (result->outcome == REQUEST_UNRESOLVED) {
		verb = "resolve";
		name = request->target->endpoint->host;
	} else if (result->outcome == REQUEST_UNREACHABLE ||
		   result->outcome == REQUEST_SSH_FAILED) {
		verb = "reach";
	}
	log_once(once, LOG_LEVEL_WARNING, 0, "cannot %s %s: %s", verb, name,
		 request_reason(request, result));
}
