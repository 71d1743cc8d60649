/* SPDX-License-Identifier: MIT */
/* Tests of lib/socket: messages, options, and the two ends of a connection. */
#include "lib/socket.h"

#include "tests/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct pair {
	int listener, client, server;
	uint16_t port[2]; /* of the client, the server */
};

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 name;
	socklen_t len = sizeof(name);

	must(!getsockname(fd, (struct sockaddr *)&name, &len), "name it");
	return ntohs(name.sin6_port);
}

/* A connection over loopback; false: this machine has no such family. */
static bool connect_pair(struct pair *pair, int family)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr *there = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pair->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pair->client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (family == AF_INET6 && (pair->client < 0 || bind(pair->listener, there, len)))
		return false;
	must(family == AF_INET6 || !bind(pair->listener, there, len), "bind");
	must(!listen(pair->listener, 1) && !getsockname(pair->listener, there, &len), "listen");
	must(!connect(pair->client, there, len), "connect");
	pair->server = accept4(pair->listener, NULL, NULL, SOCK_CLOEXEC);
	must(pair->server >= 0, "accept");
	pair->port[0] = port_of(pair->client);
	pair->port[1] = port_of(pair->server);
	return true;
}

static void close_pair(const struct pair *pair)
{
	close(pair->listener);
	close(pair->client);
	close(pair->server);
}

static void says(int fd, const char *address, unsigned own, unsigned other)
{
	char *text = block(NULL, SOCKET_PAIR_SIZE), want[200];

	snprintf(want, sizeof(want), "%s %u %s %u", address, own, address, other);
	CHECK_INT(socket_pair_text(fd, text), strlen(want));
	CHECK_STR(text, want);
	block_free(text);
}

static void says_nothing(int fd)
{
	char *text = block(NULL, SOCKET_PAIR_SIZE);

	CHECK_INT(socket_pair_text(fd, text), 0);
	CHECK_STR(text, "");
	block_free(text);
}

static void connections(void)
{
	static const int family[] = { AF_INET, AF_INET6 };
	static const char *const loopback[] = { "127.0.0.1", "0:0:0:0:0:0:0:1" };
	struct pair pair;

	for (size_t i = 0; i < LENGTH(family); i++) {
		if (!connect_pair(&pair, family[i])) {
			printf("# no IPv6 here\n");
			continue;
		}
		says(pair.client, loopback[i], pair.port[0], pair.port[1]);
		says(pair.server, loopback[i], pair.port[1], pair.port[0]);
		says_nothing(pair.listener); /* it has no other end */
		close_pair(&pair);
		says_nothing(pair.client);
	}
	says_nothing(-1);
}

static void no_connection(void)
{
	int pair[2], file[2], fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) && !pipe(file), "make them");
	says_nothing(pair[0]);
	says_nothing(file[0]);
	says_nothing(fresh);
	for (int i = 0; i < 2; i++) {
		close(pair[i]);
		close(file[i]);
	}
	close(fresh);
}

static void options(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), value = 0;
	socklen_t len = sizeof(value);

	CHECK_INT(socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
	CHECK(!getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len) && value);
	CHECK_INT(socket_set(fd, SOL_SOCKET, -1, 1), -ENOPROTOOPT);
	close(fd);
	CHECK_INT(socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1), -EBADF);
}

static int ends[2];

static void open_ends(void)
{
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), "connect");
}

static void receive(void)
{
	char buf[8] = "";

	open_ends();
	CHECK_INT(socket_receive(ends[0], buf, sizeof(buf), 0), 0);
	CHECK_INT(socket_receive(ends[0], buf, sizeof(buf), MSG_PEEK), 0);
	CHECK_INT(socket_send_all(ends[1], "abcdefghij", 10), 0);
	CHECK_INT(socket_receive(ends[0], buf, 1, MSG_PEEK), 1);
	CHECK_INT(buf[0], 'a');
	CHECK_INT(socket_receive(ends[0], buf, sizeof(buf), MSG_PEEK), 8);
	CHECK_INT(socket_receive(ends[0], buf, sizeof(buf), 0), 8);
	CHECK_BYTES(buf, "abcdefgh", 8);
	CHECK_INT(socket_receive(ends[0], buf, sizeof(buf), 0), 2);
	CHECK_BYTES(buf, "ij", 2);
	CHECK_INT(socket_receive(ends[0], buf, sizeof(buf), 0), 0);
	close(ends[1]);
	CHECK_INT(socket_receive(ends[0], buf, sizeof(buf), MSG_PEEK), -ECONNRESET);
	CHECK_INT(socket_receive(ends[0], buf, sizeof(buf), 0), -ECONNRESET);
	close(ends[0]);
	CHECK_INT(socket_receive(ends[0], buf, sizeof(buf), 0), -EBADF);
	CHECK_INT(socket_receive(ends[0], buf, sizeof(buf), MSG_PEEK), -EBADF);
}

/* The other end is gone, or takes nothing, or only a part: all are errors, and no signal comes. */
static void send_in_vain(void)
{
	static char much[1 << 20];

	open_ends();
	CHECK_INT(socket_send_all(ends[0], much, sizeof(much)), -EIO);
	CHECK_INT(socket_send_all(ends[0], much, sizeof(much)), -EAGAIN);
	close(ends[1]);
	must(signal(SIGPIPE, SIG_DFL) != SIG_ERR, "let SIGPIPE kill");
	CHECK_INT(socket_send_all(ends[0], "x", 1), -EPIPE);
	close(ends[0]);
	CHECK_INT(socket_send_all(ends[0], "x", 1), -EBADF);
}

static void descriptors(void)
{
	int local[2], sent[2], got[2] = { 9, 9 };
	char text[8] = "";

	must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, local), "socketpair");
	must(!pipe2(sent, O_CLOEXEC), "pipe");
	CHECK_INT(socket_send_fds(local[0], "two", 4, sent, 2), 0);
	CHECK_INT(socket_receive_fds(local[1], text, sizeof(text), got, 2), 4);
	CHECK_STR(text, "two");
	CHECK(fcntl(got[0], F_GETFD) == FD_CLOEXEC && fcntl(got[1], F_GETFD) == FD_CLOEXEC);
	CHECK_INT(write(got[1], "x", 1), 1);
	CHECK_INT(read(sent[0], text, 1), 1); /* it is the same pipe */
	close(got[0]);
	close(got[1]);

	/* more come than are asked for: a pipe whose last end was among them is closed */
	CHECK_INT(socket_send_fds(local[0], "two", 4, sent, 2), 0);
	close(sent[1]);
	CHECK_INT(socket_receive_fds(local[1], text, sizeof(text), got, 1), 4);
	CHECK_INT(read(sent[0], text, 1), 0);
	close(got[0]);
	close(sent[0]);

	CHECK_INT(socket_send_fds(local[0], "none", 5, NULL, 0), 0);
	CHECK_INT(socket_receive_fds(local[1], text, sizeof(text), got, 2), 5);
	CHECK_INT(got[0], -1);
	CHECK_INT(got[1], -1);
	close(local[0]);
	CHECK_INT(socket_receive_fds(local[1], text, sizeof(text), got, 2), 0);
	CHECK_INT(socket_send_fds(local[1], "x", 1, NULL, 0), -EPIPE);
	close(local[1]);
	CHECK_INT(socket_receive_fds(local[1], text, sizeof(text), got, 2), -EBADF);
	CHECK_INT(got[0], -1);
}

static void connecting(void)
{
	struct addr to = { .len = sizeof(to.sa.v4) };
	struct pollfd ready = { .events = POLLOUT };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned before;

	to.sa.v4.sin_family = AF_INET;
	to.sa.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(!bind(listener, &to.sa.any, to.len) && !listen(listener, 1) &&
		     !getsockname(listener, &to.sa.any, &to.len), "listen");
	ready.fd = socket_connect(&to);
	CHECK(ready.fd >= 0);
	CHECK(fcntl(ready.fd, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(ready.fd, F_GETFD) & FD_CLOEXEC);
	must(poll(&ready, 1, -1) == 1, "connect");
	CHECK_INT(socket_error(ready.fd), 0);
	close(ready.fd);
	CHECK_INT(socket_error(ready.fd), -EBADF);
	close(listener);
	/* the kernel says it at once, or when it is asked */
	before = open_files();
	ready.fd = socket_connect(&to);
	if (ready.fd >= 0) {
		must(poll(&ready, 1, -1) == 1, "be refused");
		CHECK_INT(socket_error(ready.fd), -ECONNREFUSED);
		CHECK_INT(socket_error(ready.fd), 0); /* once */
		close(ready.fd);
	} else {
		CHECK_INT(ready.fd, -ECONNREFUSED);
	}
	to.len = 1;
	CHECK_INT(socket_connect(&to), -EINVAL);
	to.sa.any.sa_family = 255;
	CHECK_INT(socket_connect(&to), -EAFNOSUPPORT);
	CHECK_INT(open_files(), before);
}

static void waiting(void)
{
	int pair[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
	CHECK_INT(socket_wait(pair[0], POLLIN, 0), 0);
	CHECK_INT(socket_wait(pair[0], POLLIN, 1), 0);
	CHECK_INT(socket_wait(pair[0], POLLIN | POLLOUT, -1), POLLOUT);
	CHECK_INT(socket_send_all(pair[1], "x", 1), 0);
	CHECK_INT(socket_wait(pair[0], POLLIN, -1), POLLIN);
	close(pair[1]);
	CHECK_INT(socket_wait(pair[0], 0, -1), POLLHUP);
	close(pair[0]);
	CHECK_INT(socket_wait(pair[0], POLLIN, -1), POLLNVAL);
}

static void draining(void)
{
	static const char bytes[3 << 20];
	int pair[2], status;
	pid_t sender;

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
	sender = fork();
	must(sender >= 0, "fork");
	if (!sender)
		_exit(send(pair[1], bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes));
	must(socket_wait(pair[0], POLLIN, -1) == POLLIN, "wait for the first byte");
	socket_drain(pair[0]);
	close(pair[0]);
	must(waitpid(sender, &status, 0) == sender, "wait for the sender");
	CHECK_INT(status, 0);
	socket_drain(-1);
	close(pair[1]);

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
	close(pair[1]);
	socket_drain(pair[0]); /* it has ended */
	close(pair[0]);
}

int main(void)
{
	RUN("t_socket: both ends of a connection", connections);
	RUN("t_socket: what is no connection", no_connection);
	RUN("t_socket: options", options);
	RUN("t_socket: receive and peek", receive);
	RUN("t_socket: send in vain", send_in_vain);
	RUN("t_socket: connect", connecting);
	RUN("t_socket: wait", waiting);
	RUN("t_socket: drain", draining);
	RUN("t_socket: descriptors that are passed", descriptors);
	return check_status();
}
