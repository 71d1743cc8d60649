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

void exchange_init(struct exchange *exchange, struct loop *loop, struct route *route, void *ctx)
{
	exchange->loop = loop;
	exchange->route = route;
	exchange->ctx = ctx;
	exchange->state = EXCHANGE_IDLE;
	exchange->socket.fd = exchange->resolver.child.pipe.fd = exchange->tunnel.pipe = -1;
}

bool exchange_running(const struct exchange *exchange)
{
	return exchange->state != EXCHANGE_IDLE;
}

void exchange_cancel(struct exchange *exchange)
{
	child_kill(&exchange->resolver.child);
	loop_drop(exchange->loop, &exchange->socket);
	tls_wipe(&exchange->tls);
	tunnel_close(&exchange->tunnel);
	exchange->state = EXCHANGE_IDLE;
}

/* The end of every exchange; nothing may touch it afterwards, as done may have begun the next. */
static void finish(struct exchange *exchange, enum exchange_outcome outcome, int error)
{
	struct exchange_result result = { outcome, error };

	exchange_cancel(exchange);
	if (exchange->tunnel.words[0] &&
	    (outcome == EXCHANGE_CLOSED || outcome == EXCHANGE_SILENT)) {
		result.outcome = EXCHANGE_TUNNEL;
		result.error = (int)str_hash(0, exchange->tunnel.words); /* others are news */
	}
	exchange->done(exchange, &result, -1, NULL);
}

static void finish_import(struct exchange *exchange, const struct op_device *device)
{
	struct exchange_result result = { EXCHANGE_OK, 0 };
	int fd = loop_unwatch(exchange->loop, &exchange->socket);

	exchange->tunnel.pid = 0;
	exchange_cancel(exchange);
	exchange->done(exchange, &result, fd, device);
}

static void set_deadline(struct exchange *exchange, uint32_t ms)
{
	exchange->deadline = loop_clock() + ms;
	loop_pass_by(exchange->loop, exchange->deadline);
}

static void connect_next(struct exchange *exchange);

/* This address does not work: the next one, or the end. */
static void address_failed(struct exchange *exchange, int error)
{
	struct route *route = exchange->route;

	loop_drop(exchange->loop, &exchange->socket);
	exchange->address++;
	if (++exchange->tried < route->addresses.count) {
		connect_next(exchange);
		return;
	}
	if (!endpoint_is_address(route->endpoint))
		route->addresses.count = 0; /* ask again where it is */
	finish(exchange, EXCHANGE_UNREACHABLE, error);
}

/* A server that hangs up may look either way, as our request was read or not. */
static void broken(struct exchange *exchange, int error)
{
	if (error == -ECONNRESET || error == -EPIPE)
		finish(exchange, EXCHANGE_CLOSED, 0);
	else
		finish(exchange, EXCHANGE_BROKEN, error);
}

static bool watches(const struct exchange *exchange)
{
	return exchange->request.code == OP_REQ_WATCH;
}

static void ask(struct exchange *exchange)
{
	uint8_t request[OP_REQ_IMPORT_SIZE];
	int len = op_request_encode(request, sizeof(request), &exchange->request);
	int error = socket_send_all(exchange->socket.fd, request, (size_t)len);

	reader_start(&exchange->reader, exchange->request.code);
	if (error) { /* so few bytes always fit into the buffer of a new connection */
		broken(exchange, error);
		return;
	}
	set_deadline(exchange, exchange->tunnel.pipe >= 0 ? EXCHANGE_TUNNEL_MS
			       : watches(exchange)   ? EXCHANGE_WATCH_MS
						     : EXCHANGE_REPLY_MS);
	exchange->state = EXCHANGE_READING;
	exchange->answered = false;
	loop_rewatch(exchange->loop, &exchange->socket, EPOLLIN);
}

static void connected(struct exchange *exchange)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(exchange->socket.fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error) {
		address_failed(exchange, -error);
		return;
	}
	exchange->route->good = exchange->address;
	if (exchange->route->key) {
		set_deadline(exchange, EXCHANGE_REPLY_MS);
		exchange->state = EXCHANGE_SHAKING;
		error = ktls_connect(&exchange->tls, exchange->socket.fd, exchange->route->key);
		if (error)
			finish(exchange, EXCHANGE_UNSAFE, error);
		else
			loop_rewatch(exchange->loop, &exchange->socket, EPOLLIN);
		return;
	}
	ask(exchange);
}

static void shake(struct exchange *exchange)
{
	int result = ktls_step(&exchange->tls, exchange->socket.fd);

	if (result < 0)
		finish(exchange, EXCHANGE_UNSAFE, result);
	else if (result)
		ask(exchange);
}

/* True when it has ended. */
static bool list_came(struct exchange *exchange)
{
	if (!watches(exchange)) {
		finish(exchange, EXCHANGE_OK, 0);
		return true;
	}
	exchange->answered = true;
	set_deadline(exchange, EXCHANGE_SILENT_MS);
	exchange->whole(exchange);
	return false;
}

static void send_probe(struct exchange *exchange)
{
	uint8_t request[URB_SIZE];

	urb_request_encode(request, &exchange->probe.request);
	if (socket_send_all(exchange->socket.fd, request, sizeof(request)))
		broken(exchange, -EPIPE);
}

static void probe(struct exchange *exchange, const struct op_device *device)
{
	exchange->device = *device;
	exchange->state = EXCHANGE_PROBING;
	set_deadline(exchange, EXCHANGE_REPLY_MS);
	probe_start(&exchange->probe, device->busnum << 16 | device->devnum);
	send_probe(exchange);
}

static void probe_came(struct exchange *exchange)
{
	switch (probe_next(&exchange->probe)) {
	case 0:
		break;
	case 1:
		send_probe(exchange);
		break;
	case 2:
		finish_import(exchange, &exchange->device);
		break;
	default:
		finish(exchange, EXCHANGE_MALFORMED, -EBADMSG);
	}
}

static void import_came(struct exchange *exchange, const struct reader_reply *reply)
{
	if (reply->status != OP_OK)
		finish(exchange, EXCHANGE_REFUSED, (int)reply->status);
	else if (strcmp(reply->device.busid, exchange->request.busid) != 0)
		finish(exchange, EXCHANGE_MALFORMED, -EILSEQ);
	else if (exchange->ask)
		probe(exchange, &reply->device);
	else
		finish_import(exchange, &reply->device);
}

static void decode(struct exchange *exchange)
{
	struct reader_reply reply;
	int event;

	while ((event = reader_next(&exchange->reader, &reply)) > 0) {
		if (event == READER_RECORD) {
			exchange->record(exchange, &reply.device, reply.interface);
		} else if (event == READER_IMPORT) {
			import_came(exchange, &reply);
			return;
		} else if (list_came(exchange)) {
			return;
		}
	}
	if (event < 0)
		finish(exchange, EXCHANGE_MALFORMED, event);
}

static void receive(struct exchange *exchange)
{
	size_t size;
	bool probing = exchange->state == EXCHANGE_PROBING;
	uint8_t *room = probing ? probe_room(&exchange->probe, &size)
				: reader_room(&exchange->reader, &size);
	int n = socket_receive(exchange->socket.fd, room, size);

	if (!n)
		return;
	if (n < 0) {
		broken(exchange, n);
		return;
	}
	if (probing) {
		exchange->probe.len += (size_t)n;
		probe_came(exchange);
		return;
	}
	if (watches(exchange) && !exchange->answered && !exchange->reader.in_list &&
	    !exchange->reader.len)
		set_deadline(exchange, EXCHANGE_REPLY_MS);
	exchange->reader.len += (size_t)n;
	decode(exchange);
}

static void socket_ready(struct loop_source *source, uint32_t events)
{
	struct exchange *exchange = container_of(source, struct exchange, socket);

	(void)events;
	if (exchange->state == EXCHANGE_CONNECTING)
		connected(exchange);
	else if (exchange->state == EXCHANGE_SHAKING)
		shake(exchange);
	else
		receive(exchange);
}

static void connect_next(struct exchange *exchange)
{
	const struct addresses *addresses = &exchange->route->addresses;
	const struct addr *address = &addresses->address[exchange->address % addresses->count];
	int error = 0;

	exchange->socket.ready = socket_ready;
	exchange->socket.fd = socket(address->sa.any.sa_family,
				     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (exchange->socket.fd < 0 ||
	    (connect(exchange->socket.fd, &address->sa.any, address->len) && errno != EINPROGRESS))
		error = -errno;
	else
		error = loop_watch(exchange->loop, &exchange->socket, EPOLLOUT);
	if (error) {
		address_failed(exchange, error);
		return;
	}
	exchange->state = EXCHANGE_CONNECTING;
	set_deadline(exchange, EXCHANGE_CONNECT_MS);
}

/* What is asked waits in the pair of sockets until ssh is through. */
static void dig(struct exchange *exchange)
{
	int fd = tunnel_open(&exchange->tunnel, exchange->route->endpoint);
	int error = fd;

	if (fd >= 0) {
		exchange->socket.ready = socket_ready;
		exchange->socket.fd = fd;
		error = loop_watch(exchange->loop, &exchange->socket, EPOLLIN);
	}
	if (error)
		finish(exchange, EXCHANGE_BROKEN, error);
	else
		ask(exchange);
}

static void resolved(struct resolver *resolver)
{
	struct exchange *exchange = container_of(resolver, struct exchange, resolver);

	exchange->route->addresses = resolver->addresses;
	exchange->route->good = exchange->address = 0;
	if (resolver->addresses.error)
		finish(exchange, EXCHANGE_UNRESOLVED, 0);
	else
		connect_next(exchange);
}

void exchange_start(struct exchange *exchange, enum op_code code, const char *busid)
{
	int error;

	exchange->request.code = code;
	str_format(exchange->request.busid, sizeof(exchange->request.busid), "%s",
		    busid ? busid : "");
	exchange->tried = 0;
	exchange->address = exchange->route->good;
	if (exchange->route->endpoint->through[0]) {
		dig(exchange);
		return;
	}
	if (exchange->route->addresses.count) {
		connect_next(exchange);
		return;
	}
	exchange->state = EXCHANGE_RESOLVING;
	set_deadline(exchange, RESOLVE_MS);
	error = resolve_start(&exchange->resolver, exchange->loop, exchange->route->endpoint,
			      resolved);
	if (error)
		finish(exchange, EXCHANGE_BROKEN, error);
}

void exchange_pass(struct exchange *exchange)
{
	if (exchange->state == EXCHANGE_IDLE)
		return;
	if (exchange->loop->now < exchange->deadline) {
		loop_pass_by(exchange->loop, exchange->deadline);
	} else if (exchange->state == EXCHANGE_CONNECTING) {
		address_failed(exchange, -ETIMEDOUT);
	} else if (exchange->state == EXCHANGE_RESOLVING) {
		exchange->route->addresses.error = EAI_AGAIN;
		finish(exchange, EXCHANGE_UNRESOLVED, 0);
	} else {
		finish(exchange, EXCHANGE_SILENT, 0);
	}
}

const char *exchange_reason(const struct exchange *exchange, const struct exchange_result *result)
{
	switch (result->outcome) {
	case EXCHANGE_UNRESOLVED:
		return resolve_strerror(&exchange->route->addresses);
	case EXCHANGE_SILENT:
		return "no whole answer in time";
	case EXCHANGE_CLOSED:
		if (exchange->request.code != OP_REQ_DEVLIST || exchange->reader.in_list ||
		    exchange->reader.len)
			return "it hung up in mid-answer";
		return ktls_strerror(-ECONNRESET); /* it has said nothing at all */
	case EXCHANGE_MALFORMED:
		return op_strerror(result->error);
	case EXCHANGE_REFUSED:
		return op_status_text((uint32_t)result->error);
	case EXCHANGE_UNSAFE:
		return ktls_strerror(result->error);
	case EXCHANGE_TUNNEL:
		return exchange->tunnel.words;
	default:
		return strerror(-result->error);
	}
}

void exchange_complain(const struct exchange *exchange, const struct exchange_result *result)
{
	const char *verb = "list devices of", *name = exchange->route->endpoint->name;

	if (result->outcome == EXCHANGE_UNRESOLVED) {
		verb = "resolve";
		name = exchange->route->endpoint->host;
	} else if (result->outcome == EXCHANGE_UNREACHABLE || result->outcome == EXCHANGE_TUNNEL) {
		verb = "reach";
	}
	log_warning("cannot %s %s: %s", verb, name, exchange_reason(exchange, result));
}
