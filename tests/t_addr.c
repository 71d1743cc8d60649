/* SPDX-License-Identifier: MIT */
/* Tests of lib/addr: addresses to text and back, and what is said of a connection. */
#include "lib/addr.h"

#include "tests/check.h"

#include <arpa/inet.h>
#include <unistd.h>

static struct in6_addr parsed(const char *text)
{
	struct in6_addr address;

	memset(&address, 0xa5, sizeof(address));
	if (!addr_parse(text, &address))
		check_fault(__FILE__, __LINE__, "%s is no address", text);
	return address;
}

static void text_is(const char *text, const char *want)
{
	struct in6_addr address = parsed(text), again;
	char *got = block(NULL, ADDR_TEXT_SIZE);

	addr_text(&address, got);
	CHECK_STR(got, want);
	again = parsed(got);
	CHECK_BYTES(&again, &address, sizeof(again));
	block_free(got);
}

static void there_and_back(void)
{
	text_is("1.2.3.4", "1.2.3.4");
	text_is("255.255.255.255", "255.255.255.255");
	text_is("0.0.0.0", "0.0.0.0");
	text_is("::ffff:10.0.0.1", "10.0.0.1"); /* mapped */
	text_is("::", "0:0:0:0:0:0:0:0");
	text_is("::1", "0:0:0:0:0:0:0:1");
	text_is("fe80::12:3", "fe80:0:0:0:0:0:12:3");
	text_is("2001:DB8::a", "2001:db8:0:0:0:0:0:a");
	text_is("102:304:506:708:90a:b0c:d0e:f10", "102:304:506:708:90a:b0c:d0e:f10");
	text_is("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	text_is("::fffe:1.2.3.4", "0:0:0:0:0:fffe:102:304"); /* not mapped */
}

static void none(void)
{
	static const char *const texts[] = {
		"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4 ", " 1.2.3.4", "pi.lan",
		":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "[::1]", "fe80::1%eth0", "::g",
		"12345::", "1.2.3.4/8", "-1.2.3.4",
	};
	struct in6_addr address;

	for (size_t i = 0; i < LENGTH(texts); i++)
		if (addr_parse(texts[i], &address))
			check_fault(__FILE__, __LINE__, "%s is an address", texts[i]);
}

static void split(void)
{
	struct addr from = { .len = sizeof(from.sa.v4) };
	struct in6_addr address, want = parsed("::ffff:1.2.3.4");

	memset(&address, 0xa5, sizeof(address));
	from.sa.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(0x1234) };
	inet_pton(AF_INET, "1.2.3.4", &from.sa.v4.sin_addr);
	CHECK_INT(addr_split(&from, &address), 0x1234);
	CHECK_BYTES(&address, &want, sizeof(want));
	want = parsed("2001:db8::7");
	from.sa.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(0xfedc),
					    .sin6_flowinfo = 0x55555555, .sin6_addr = want };
	CHECK_INT(addr_split(&from, &address), 0xfedc);
	CHECK_BYTES(&address, &want, sizeof(want));
}

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
	CHECK(socket_pair_text(fd, text));
	CHECK_STR(text, want);
	block_free(text);
}

static void says_nothing(int fd)
{
	char *text = block(NULL, SOCKET_PAIR_SIZE);

	CHECK(!socket_pair_text(fd, text));
	CHECK(memchr(text, 0, SOCKET_PAIR_SIZE));
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

int main(void)
{
	RUN("t_addr: addresses there and back", there_and_back);
	RUN("t_addr: what is no address", none);
	RUN("t_addr: address and port", split);
	RUN("t_addr: both ends of a connection", connections);
	RUN("t_addr: what is no connection", no_connection);
	RUN("t_addr: options", options);
	return check_status();
}
