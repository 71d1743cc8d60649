/* SPDX-License-Identifier: MIT */
/* The process that speaks TLS for a connection. */
#include "loop/relay.h"

#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/socket.h"
#include "lib/util.h"
#include "loop/child.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* As of a guard: client/guard.c. */
#define RELAY_NAME "@usbiphp-tls"

enum { RECORDS = 4 }; /* that are made or read at once */

/* One direction. */
struct way {
	int from, to;
	size_t begin, checked; /* what is to be sent */
	size_t next, end;      /* records that are not decrypted yet; outgoing: none */
	bool ended;	       /* nothing more comes */
	uint8_t bytes[RECORDS * RECORD_MAX];
};

struct relay {
	struct tls_cipher in, out;
	struct way up, down; /* plain text to records, and back */
	char name[SOCKET_PAIR_SIZE]; /* of the connection, in messages */
};

static bool way_is_blocked(const struct way *way)
{
	return way->begin < way->checked;
}

/* Ends both connections. The daemon has a descriptor of one, too. A user that has something to send
 * gets rid of all of it first, as with a guard (client/guard.c guard_exit()). */
static void __attribute__((noreturn)) relay_exit(struct relay *relay)
{
	shutdown(relay->up.to, SHUT_RDWR);
	if (socket_wait(relay->up.from, POLLIN, 0))
		socket_drain(relay->up.from);
	_exit(0);
}

static void __attribute__((noreturn)) relay_fail(struct relay *relay, const char *why)
{
	log_warning("the connection %s ends: %s", relay->name, why);
	relay_exit(relay);
}

/* As much as the other socket takes. Behind the last byte goes the end. */
static void way_send(struct relay *relay, struct way *way)
{
	ssize_t n = 0;

	if (way_is_blocked(way))
		n = send(way->to, way->bytes + way->begin, way->checked - way->begin,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		relay_exit(relay);
	way->begin += n > 0 ? (size_t)n : 0;
	if (!way->ended || way_is_blocked(way))
		return;
	if (way == &relay->down)
		relay_exit(relay);
	shutdown(way->to, SHUT_WR);
}

/* Returns whether something came, be it the end. */
static bool way_received(struct relay *relay, struct way *way, ssize_t n)
{
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		relay_exit(relay);
	way->ended = !n;
	way->end += n > 0 ? (size_t)n : 0;
	return n >= 0;
}

/* Plain text comes in pieces that leave room for what makes each of them a record. */
static void relay_encrypt(struct relay *relay)
{
	struct way *up = &relay->up;
	struct iovec piece[RECORDS];

	for (size_t i = 0; i < RECORDS; i++)
		piece[i] = (struct iovec){ up->bytes + i * RECORD_MAX + TLS_HEADER_SIZE,
					   RECORD_TEXT_MAX };
	up->begin = up->checked = 0;
	if (!way_received(relay, up, readv(up->from, piece, RECORDS)))
		return;
	while (up->end) {
		size_t len = up->end < RECORD_TEXT_MAX ? up->end : RECORD_TEXT_MAX;
		int size = record_seal(&relay->out, TLS_APPLICATION_DATA, up->bytes + up->checked,
				       len);

		if (size < 0)
			relay_exit(relay);
		up->checked += (size_t)size;
		up->end -= len;
	}
	way_send(relay, up);
}

/* Decrypts the record at down->next, and puts its text behind the others'. What is not text is the
 * end: an alert (RFC 8446 6), or what no peer of ours sends. */
static void relay_open(struct relay *relay, size_t size)
{
	struct way *down = &relay->down;
	uint8_t type, *record = down->bytes + down->next, *text = record + TLS_HEADER_SIZE;
	int len = record_open(&relay->in, record, size, &type);

	if (len < 0)
		relay_fail(relay, "a record is forged, or not in its place");
	down->ended = type != TLS_APPLICATION_DATA;
	down->next += size;
	if (down->ended)
		return;
	memmove(down->bytes + down->checked, text, (size_t)len);
	down->checked += (size_t)len;
}

static void relay_decrypt(struct relay *relay)
{
	struct way *down = &relay->down;
	int size = 1;

	down->end -= down->next;
	memmove(down->bytes, down->bytes + down->next, down->end);
	down->begin = down->checked = down->next = 0;
	if (!way_received(relay, down, recv(down->from, down->bytes + down->end,
					    sizeof(down->bytes) - down->end, MSG_DONTWAIT)))
		return;
	while (!down->ended && size > 0) {
		size_t left = down->end - down->next;

		size = record_size(down->bytes + down->next, left);
		if (size < 0)
			relay_fail(relay, "what came is no record");
		if ((size_t)size > left)
			break;
		if (size)
			relay_open(relay, (size_t)size);
	}
	way_send(relay, down);
}

/* What is waited for at the socket that one way comes from, and the other one goes to. With
 * nothing to wait for it is not looked at, as its end would be reported again and again. */
static struct pollfd relay_wanted(const struct way *from, const struct way *to)
{
	short events = (from->ended || way_is_blocked(from) ? 0 : POLLIN) |
		       (way_is_blocked(to) ? POLLOUT : 0);
	bool wanted = events || (from->ended && !way_is_blocked(from));

	return (struct pollfd){ wanted ? from->from : -1, events, 0 };
}

static void relay_ready(struct relay *relay, const struct pollfd *ready, struct way *to,
			void (*receive)(struct relay *relay))
{
	if (ready->revents & POLLOUT)
		way_send(relay, to);
	if (ready->revents & POLLIN || (ready->events & POLLIN && ready->revents))
		receive(relay);
	else if (ready->revents & ~POLLOUT)
		relay_exit(relay); /* closed for both directions, and all that came was passed on */
}

static void __attribute__((noreturn)) relay_serve(struct relay *relay)
{
	struct way *up = &relay->up, *down = &relay->down;

	sandbox_enter_guard();
	for (;;) {
		struct pollfd socket[] = { relay_wanted(up, down), relay_wanted(down, up) };

		if (poll(socket, ARRAY_SIZE(socket), -1) < 0)
			continue;
		relay_ready(relay, &socket[0], down, relay_encrypt);
		relay_ready(relay, &socket[1], up, relay_decrypt);
	}
}

static void __attribute__((noreturn)) relay_main(struct tls *tls, int plain, int connection)
{
	const struct child_files files = { { plain, connection } };
	static struct relay relay;

	child_become(RELAY_NAME, &files, -1);
	socket_set(connection, IPPROTO_TCP, TCP_NODELAY, 1);
	relay.in = tls->in;
	relay.out = tls->out;
	explicit_bzero(tls, sizeof(*tls));
	socket_pair_text(connection, relay.name);
	relay.up.from = relay.down.to = plain;
	relay.up.to = relay.down.from = connection;
	relay_serve(&relay);
}

int relay_start(struct tls *tls, int connection)
{
	int pair[2], error = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
		error = -errno;
	} else {
		pid = fork();
		if (!pid)
			relay_main(tls, pair[1], connection);
		error = pid < 0 ? -errno : 0;
		close(pair[1]);
		if (error)
			close(pair[0]);
	}
	tls_forget(tls);
	return error ? error : pair[0];
}

int relay_step(struct loop *loop, struct loop_source *source, struct tls *tls, int *encrypted)
{
	int error, fd, result = ktls_step(tls, source->fd);

	if (result != KTLS_NONE)
		return result;
	fd = relay_start(tls, source->fd);
	if (fd < 0)
		return fd;
	*encrypted = loop_unwatch(loop, source);
	source->fd = fd;
	error = loop_watch(loop, source, EPOLLIN);
	return error ? error : KTLS_DONE;
}

void relay_end(int *connection)
{
	if (*connection < 0)
		return;
	shutdown(*connection, SHUT_RDWR);
	close(*connection);
	*connection = -1;
}
