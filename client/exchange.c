/* SPDX-License-Identifier: MIT */
/* One request to one server and its reply: find the address, connect, ask, decode. */
#include "client/exchange.h"

#include "loop/log.h"
#include "proto/text.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

void exchange_init(struct exchange *exchange, struct loop *loop, const struct endpoint *endpoint)
{
	exchange->loop = loop;
	exchange->endpoint = endpoint;
	exchange->state = EXCHANGE_IDLE;
	exchange->socket.fd = exchange->resolver.child.pipe.fd = -1;
}

bool exchange_running(const struct exchange *exchange)
{
	return exchange->state != EXCHANGE_IDLE;
}

void exchange_cancel(struct exchange *exchange)
{
	child_kill(&exchange->resolver.child);
	loop_drop(exchange->loop, &exchange->socket);
	exchange->state = EXCHANGE_IDLE;
}

/* The end of every exchange; nothing may touch it afterwards, as done may have begun the next. */
static void finish(struct exchange *exchange, enum exchange_outcome outcome, int error,
		   uint32_t status)
{
	struct exchange_result result = { outcome, error, status };

	exchange_cancel(exchange);
	exchange->done(exchange, &result, -1, NULL);
}

static void finish_import(struct exchange *exchange, const struct op_device *device)
{
	struct exchange_result result = { EXCHANGE_OK, 0, OP_OK };
	int fd = loop_unwatch(exchange->loop, &exchange->socket);

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
	loop_drop(exchange->loop, &exchange->socket);
	exchange->address = (exchange->address + 1) % exchange->addresses.count;
	if (++exchange->tried < exchange->addresses.count) {
		connect_next(exchange);
		return;
	}
	if (!endpoint_is_address(exchange->endpoint))
		exchange->addresses.count = 0; /* ask again where it is */
	finish(exchange, EXCHANGE_UNREACHABLE, error, 0);
}

/* A server that hangs up may look either way, as our request was read or not. */
static void broken(struct exchange *exchange, int error)
{
	if (error == -ECONNRESET || error == -EPIPE)
		finish(exchange, EXCHANGE_CLOSED, 0, 0);
	else
		finish(exchange, EXCHANGE_BROKEN, error, 0);
}

static void ask(struct exchange *exchange)
{
	uint8_t request[OP_REQ_IMPORT_SIZE];
	int len = op_request_encode(request, sizeof(request), &exchange->request);
	ssize_t n = send(exchange->socket.fd, request, (size_t)len, MSG_NOSIGNAL);

	if (n != len) { /* so few bytes always fit into the buffer of a new connection */
		broken(exchange, n < 0 ? -errno : -EIO);
		return;
	}
	exchange->state = exchange->request.code == OP_REQ_IMPORT ? EXCHANGE_READING_IMPORT
								   : EXCHANGE_READING_HEAD;
	exchange->len = 0;
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
	set_deadline(exchange, EXCHANGE_REPLY_MS);
	exchange->state = EXCHANGE_ASKING;
	ask(exchange);
}

/* Decodes what is there of a list: 1 = the list is whole, 0 = more is needed, -errno. */
static int decode_list(struct exchange *exchange)
{
	struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device device;
	size_t used = 0;
	int n = 1;

	if (exchange->state == EXCHANGE_READING_HEAD) {
		n = op_devlist_head_decode(exchange->buf, exchange->len, &exchange->records);
		if (n <= 0)
			return n;
		used = (size_t)n;
		exchange->state = EXCHANGE_READING_RECORDS;
	}
	while (n > 0 && exchange->records) {
		n = op_record_decode(exchange->buf + used, exchange->len - used, &device,
				     interface);
		if (n > 0) {
			exchange->record(exchange, &device, interface);
			exchange->records--;
			used += (size_t)n;
		}
	}
	exchange->len -= used;
	memmove(exchange->buf, exchange->buf + used, exchange->len);
	return n < 0 ? n : !exchange->records;
}

static void read_list(struct exchange *exchange)
{
	int n = decode_list(exchange);

	if (n < 0)
		finish(exchange, EXCHANGE_MALFORMED, n, 0);
	else if (n > 0)
		finish(exchange, EXCHANGE_OK, 0, OP_OK);
}

static void read_import(struct exchange *exchange)
{
	struct op_device device;
	uint32_t status;
	int n = op_rep_import_decode(exchange->buf, exchange->len, &status, &device);

	if (n > 0 && status != OP_OK)
		finish(exchange, EXCHANGE_REFUSED, 0, status);
	else if (n > 0 && strcmp(device.busid, exchange->request.busid) != 0)
		finish(exchange, EXCHANGE_MALFORMED, -EILSEQ, 0);
	else if (n > 0)
		finish_import(exchange, &device);
	else if (n < 0)
		finish(exchange, EXCHANGE_MALFORMED, n, 0);
}

/* How many bytes may be read: what follows an import's reply is the kernel's. */
static size_t wanted(const struct exchange *exchange)
{
	size_t end = sizeof(exchange->buf);

	if (exchange->state == EXCHANGE_READING_IMPORT)
		end = exchange->len < OP_COMMON_SIZE ? OP_COMMON_SIZE : OP_REP_IMPORT_SIZE;
	return end - exchange->len;
}

static void receive(struct exchange *exchange)
{
	ssize_t n = recv(exchange->socket.fd, exchange->buf + exchange->len, wanted(exchange), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		broken(exchange, n ? -errno : -ECONNRESET);
	} else {
		exchange->len += (size_t)n;
		if (exchange->state == EXCHANGE_READING_IMPORT)
			read_import(exchange);
		else
			read_list(exchange);
	}
}

static void socket_ready(struct loop_source *source, uint32_t events)
{
	struct exchange *exchange =
		(struct exchange *)(void *)((char *)source - offsetof(struct exchange, socket));

	(void)events;
	if (exchange->state == EXCHANGE_CONNECTING)
		connected(exchange);
	else
		receive(exchange);
}

static void connect_next(struct exchange *exchange)
{
	const struct address *address = &exchange->addresses.address[exchange->address];
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

static void resolved(struct resolver *resolver)
{
	struct exchange *exchange =
		(struct exchange *)(void *)((char *)resolver - offsetof(struct exchange, resolver));

	exchange->addresses = resolver->addresses;
	exchange->address = 0;
	if (exchange->addresses.error)
		finish(exchange, EXCHANGE_UNRESOLVED, 0, 0);
	else
		connect_next(exchange);
}

void exchange_start(struct exchange *exchange, const char *busid)
{
	int error;

	memset(&exchange->request, 0, sizeof(exchange->request));
	exchange->request.code = busid ? OP_REQ_IMPORT : OP_REQ_DEVLIST;
	text_format(exchange->request.busid, sizeof(exchange->request.busid), "%s",
		    busid ? busid : "");
	exchange->tried = 0;
	if (exchange->addresses.count) {
		connect_next(exchange);
		return;
	}
	exchange->state = EXCHANGE_RESOLVING;
	set_deadline(exchange, RESOLVE_MS);
	error = resolve_start(&exchange->resolver, exchange->loop, exchange->endpoint, resolved);
	if (error)
		finish(exchange, EXCHANGE_BROKEN, error, 0);
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
		exchange->addresses.error = EAI_AGAIN;
		finish(exchange, EXCHANGE_UNRESOLVED, 0, 0);
	} else {
		finish(exchange, EXCHANGE_SILENT, 0, 0);
	}
}

const char *exchange_reason(const struct exchange *exchange, const struct exchange_result *result)
{
	switch (result->outcome) {
	case EXCHANGE_UNRESOLVED:
		return resolve_strerror(&exchange->addresses);
	case EXCHANGE_SILENT:
		return "no whole answer in time";
	case EXCHANGE_CLOSED:
		return "it hung up in mid-answer";
	case EXCHANGE_MALFORMED:
		return op_strerror(result->error);
	case EXCHANGE_REFUSED:
		return op_status_text(result->status);
	default:
		return strerror(-result->error);
	}
}

void exchange_complain(const struct exchange *exchange, const struct exchange_result *result)
{
	const char *verb = "list devices of", *name = exchange->endpoint->name;

	if (result->outcome == EXCHANGE_UNRESOLVED) {
		verb = "resolve";
		name = exchange->endpoint->host;
	} else if (result->outcome == EXCHANGE_UNREACHABLE) {
		verb = "reach";
	}
	log_warnx("cannot %s %s: %s", verb, name, exchange_reason(exchange, result));
}
