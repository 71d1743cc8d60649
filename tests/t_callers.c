/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/callers: servers that connect, with every kind of key, in every order; the test
 * plays them, and moves the clock. LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64
 * LINK: -Wl,--wrap=epoll_wait,--wrap=log_line,--wrap=accept4,--wrap=socket,--wrap=setsockopt
 * LINK: -Wl,--wrap=sandbox_enter_guard
 */
#include "client/callers.h"

#include "loop/relay.h"
#include "tests/clock.h"
#include "tests/files.h"
#include "tests/said.h"

#include <arpa/inet.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>

enum { PEERS = CALLERS_MAX + 4 };

static struct {
	struct loop loop;
	struct callers callers;
	struct addr address;
	struct sockaddr_in there;
	unsigned readies;
	char name[OP_IDENTITY_SIZE];
	const struct psk *key;
	const char *from; /* the address that accept4() returns; NULL: the real one */
	int accept_error;
	bool no_ipv6, no_kernel_tls;
} t;

/* A server. */
static struct peer {
	int fd;
	struct tls tls;
} peer[PEERS];

static struct keys keys, theirs;

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
void __wrap_sandbox_enter_guard(void);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	CHECK(flags & SOCK_CLOEXEC && flags & SOCK_NONBLOCK);
	if (t.accept_error) {
		errno = t.accept_error;
		return -1;
	}
	fd = __real_accept4(fd, address, len, flags);
	if (fd >= 0 && t.from)
		inet_pton(AF_INET, t.from, &((struct sockaddr_in *)(void *)address)->sin_addr);
	return fd;
}

int __wrap_socket(int family, int type, int protocol)
{
	errno = EAFNOSUPPORT;
	return family == AF_INET6 && t.no_ipv6 ? -1 : __real_socket(family, type, protocol);
}

/* A kernel that has tls, but does nothing; or none. */
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (level != SOL_TLS && (level != IPPROTO_TCP || option != TCP_ULP))
		return __real_setsockopt(fd, level, option, value, len);
	errno = ENOENT;
	return t.no_kernel_tls ? -1 : 0;
}

void __wrap_sandbox_enter_guard(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the test ends */
}

static void ready(struct callers *callers, const char *name, const struct psk *key)
{
	CHECK(callers == &t.callers);
	t.readies++;
	str_copy(t.name, sizeof(t.name), name);
	t.key = key;
}

static void pass(void *ctx)
{
	(void)ctx;
	callers_pass(&t.callers);
}

static const struct loop_role role = { pass, NULL, clock_done };

static void add_key(struct keys *to, const char *line)
{
	must(!psk_parse(&to->key[to->count++], line), "parse a key");
}

#define HEX "0123456789abcdef0123456789abcdef"
#define OTHER_HEX "00112233445566778899aabbccddeeff"

static void start(void)
{
	socklen_t len = sizeof(t.there);

	memset(&t, 0, sizeof(t));
	memset(&keys, 0, sizeof(keys));
	memset(&theirs, 0, sizeof(theirs));
	said_forget();
	add_key(&keys, "first:" OTHER_HEX);
	add_key(&keys, "laptop@attic:" HEX);
	add_key(&keys, "odd@:" HEX);
	add_key(&theirs, "laptop@attic:" HEX);
	add_key(&theirs, "odd@:" HEX);
	add_key(&theirs, "first:" HEX); /* another one of that name */
	must(!loop_open(&t.loop, 10000, &role, NULL), "open a loop");
	t.callers.keys = &keys;
	t.callers.dead_after = 15;
	t.callers.ready = ready;
	t.address.len = sizeof(t.address.sa.v4);
	t.address.sa.v4.sin_family = AF_INET;
	t.address.sa.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(!callers_open(&t.callers, &t.loop, &t.address), "listen");
	must(!getsockname(t.callers.listener.fd, (struct sockaddr *)&t.there, &len), "know where");
	run_quiet(&t.loop);
	for (int i = 0; i < PEERS; i++)
		peer[i].fd = -1;
}

static void leave(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void end(void)
{
	for (int i = 0; i < PEERS; i++)
		leave(&peer[i]);
	callers_close(&t.callers);
	callers_close(&t.callers);
	loop_close(&t.loop);
}

static void join(struct peer *p)
{
	p->fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(p->fd >= 0 && !connect(p->fd, (struct sockaddr *)&t.there, sizeof(t.there)), "connect");
	fcntl(p->fd, F_SETFL, O_NONBLOCK);
}

static void say(const struct peer *p, const void *bytes, size_t len)
{
	must(send(p->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

static void call(struct peer *p, const char *identity)
{
	uint8_t bytes[OP_CALL_SIZE];

	join(p);
	CHECK_INT(op_call_encode(bytes, sizeof(bytes), identity), OP_CALL_SIZE);
	say(p, bytes, sizeof(bytes));
	must(!ktls_accept(&p->tls, &theirs, false), "be ready for a hello");
	run_quiet(&t.loop);
}

/* What ktls_step() says in the end. */
static int shake_hands(struct peer *p)
{
	int result = 0;

	for (int i = 0; i < 20 && !result; i++) {
		result = ktls_step(&p->tls, p->fd);
		run_quiet(&t.loop);
	}
	return result;
}

static int come(struct peer *p, const char *identity)
{
	call(p, identity);
	return shake_hands(p);
}

/* Whether the client has closed, whatever it sent before. */
static bool is_over(const struct peer *p)
{
	char bytes[1000];
	ssize_t n;

	while ((n = recv(p->fd, bytes, sizeof(bytes), 0)) > 0)
		;
	return !n || errno != EAGAIN;
}

static unsigned callers_now(void)
{
	unsigned n = 0;

	for (int i = 0; i < CALLERS_MAX; i++)
		n += t.callers.caller[i].state != CALLER_FREE;
	return n;
}

static int take(const char *name, int *encrypted)
{
	*encrypted = -1;
	return callers_take(&t.callers, name, encrypted);
}

static void taken(void)
{
	int fd, encrypted, value = 0;
	socklen_t len = sizeof(value);
	char text[4];

	start();
	CHECK(callers_expect(&t.callers, "attic") && callers_expect(&t.callers, "first"));
	CHECK(!callers_expect(&t.callers, "laptop@attic") && !callers_expect(&t.callers, "pi"));
	CHECK_INT(take("attic", &encrypted), -EAGAIN);
	CHECK_INT(come(&peer[0], "laptop@attic"), KTLS_DONE);
	CHECK_INT(t.readies, 1);
	CHECK_STR(t.name, "attic");
	CHECK(t.key == &keys.key[1]);
	CHECK_INT(take("laptop@attic", &encrypted), -EAGAIN);
	fd = take("attic", &encrypted);
	CHECK(fd >= 0);
	CHECK_INT(encrypted, -1);
	getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len);
	CHECK_INT(value, 1);
	CHECK_INT(take("attic", &encrypted), -EAGAIN);
	CHECK_INT(callers_now(), 0);
	say(&peer[0], "abc", 3);
	run_quiet(&t.loop);
	CHECK_INT(recv(fd, text, sizeof(text), 0), 3); /* nobody else has read it */
	for (size_t i = 0; i < sizeof(t.callers.caller[0].tls.private_key); i++)
		CHECK(!t.callers.caller[0].tls.private_key[i]);
	close(fd);
	CHECK_INT(come(&peer[1], "odd@"), KTLS_DONE);
	CHECK_STR(t.name, "odd@");
	CHECK_INT(log_kept.lines, 0);
	end();
}

/* Nobody waits for it: it stays for as long as it says nothing. */
static void stays_or_leaves(void)
{
	int fd, encrypted;

	start();
	CHECK_INT(come(&peer[0], "laptop@attic"), KTLS_DONE);
	run_after(&t.loop, 3600 * 1000);
	CHECK_INT(callers_now(), 1);
	leave(&peer[0]);
	run_quiet(&t.loop);
	CHECK_INT(callers_now(), 0);
	CHECK_INT(come(&peer[0], "laptop@attic"), KTLS_DONE);
	say(&peer[0], "x", 1);
	run_quiet(&t.loop);
	CHECK_INT(callers_now(), 0);
	CHECK(is_over(&peer[0]));
	/* the latest ones stay, and the latest is taken first */
	for (int i = 1; i < 4; i++) {
		clock_now++;
		CHECK_INT(come(&peer[i], "laptop@attic"), KTLS_DONE);
	}
	CHECK_INT(callers_now(), CALLERS_SPARE);
	CHECK(is_over(&peer[1]));
	CHECK_INT(come(&peer[4], "odd@"), KTLS_DONE);
	CHECK_INT(callers_now(), CALLERS_SPARE + 1);
	fd = take("attic", &encrypted);
	close(fd);
	CHECK(is_over(&peer[3]));
	CHECK(!is_over(&peer[2]));
	/* the keys may be others */
	callers_drop(&t.callers);
	CHECK_INT(callers_now(), 0);
	CHECK(is_over(&peer[2]) && is_over(&peer[4]));
	CHECK_INT(log_kept.lines, 0);
	end();
}

static void without_key(void)
{
	static const uint8_t usual[] = { 1, 0x11, 0x80, 5, 0, 0, 0, 0 };
	uint8_t bytes[OP_CALL_SIZE];

	start();
	t.from = "10.0.0.3";
	call(&peer[0], "nobody");
	CHECK(is_over(&peer[0]));
	CHECK_INT(said("10.0.0.3: connection refused: there is no key nobody"), 1);
	call(&peer[1], "somebody");
	CHECK(is_over(&peer[1]));
	CHECK_INT(log_kept.lines, 1);
	run_after(&t.loop, CALLERS_LOG_MS);
	call(&peer[1], "somebody");
	CHECK_INT(said("there is no key somebody"), 1);
	/* without a terminator */
	join(&peer[2]);
	op_call_encode(bytes, sizeof(bytes), "");
	memset(bytes + OP_COMMON_SIZE, 'a', OP_IDENTITY_SIZE);
	say(&peer[2], bytes, sizeof(bytes));
	run_quiet(&t.loop);
	CHECK(is_over(&peer[2]));
	run_after(&t.loop, CALLERS_LOG_MS);
	CHECK(come(&peer[3], "first") < 0);
	CHECK(is_over(&peer[3]));
	CHECK_INT(said_of("10.0.0.3: connection refused: ", "key"), 3);
	/* what is no call at all */
	join(&peer[4]);
	say(&peer[4], usual, sizeof(usual));
	run_quiet(&t.loop);
	CHECK(is_over(&peer[4]));
	CHECK_INT(said("10.0.0.3: connection refused: not a server that has --to"), 1);
	CHECK_INT(t.readies, 0);
	CHECK_INT(callers_now(), 0);
	end();
}

static void byte_by_byte(void)
{
	uint8_t bytes[OP_CALL_SIZE];

	start();
	join(&peer[0]);
	op_call_encode(bytes, sizeof(bytes), "laptop@attic");
	must(!ktls_accept(&peer[0].tls, &theirs, false), "be ready for a hello");
	for (size_t i = 0; i < sizeof(bytes); i++) {
		say(&peer[0], &bytes[i], 1);
		run_quiet(&t.loop);
	}
	CHECK_INT(shake_hands(&peer[0]), KTLS_DONE);
	CHECK_INT(t.readies, 1);
	end();
}

static void silent(void)
{
	uint8_t bytes[OP_CALL_SIZE];

	start();
	join(&peer[0]);
	run_quiet(&t.loop);
	run_after(&t.loop, CALLER_MS - 1);
	CHECK_INT(callers_now(), 1);
	run_after(&t.loop, 1);
	CHECK(is_over(&peer[0]));
	CHECK_INT(said("127.0.0.1: connection refused: it is silent"), 1);
	/* that of the handshake is its own */
	join(&peer[1]);
	run_quiet(&t.loop);
	run_after(&t.loop, CALLER_MS - 1);
	op_call_encode(bytes, sizeof(bytes), "first");
	say(&peer[1], bytes, sizeof(bytes));
	run_quiet(&t.loop);
	run_after(&t.loop, CALLER_MS - 1);
	CHECK_INT(callers_now(), 1);
	run_after(&t.loop, 1);
	CHECK(is_over(&peer[1]));
	join(&peer[2]);
	say(&peer[2], bytes, 3);
	leave(&peer[2]);
	run_quiet(&t.loop);
	CHECK_INT(callers_now(), 0);
	CHECK_INT(log_kept.lines, 1);
	end();
}

static void crowded(void)
{
	int i;

	start();
	t.from = "10.0.0.5";
	join(&peer[0]); /* the oldest of all, but of an address that has few */
	run_quiet(&t.loop);
	CHECK_INT(come(&peer[1], "laptop@attic"), KTLS_DONE);
	t.from = "10.0.0.6";
	for (i = 2; i < CALLERS_MAX; i++) {
		clock_now++;
		join(&peer[i]);
		run_quiet(&t.loop);
	}
	CHECK_INT(callers_now(), CALLERS_MAX);
	CHECK_INT(log_kept.lines, 0);
	t.from = "10.0.0.7";
	join(&peer[i]);
	run_quiet(&t.loop);
	CHECK_INT(callers_now(), CALLERS_MAX);
	CHECK_INT(said("10.0.0.6: connection refused: too many connections"), 1);
	CHECK(is_over(&peer[2]));
	for (int j = 0; j <= i; j++)
		CHECK(j == 2 || !is_over(&peer[j]));
	/* those that are READY stay */
	for (int j = 0; j < CALLERS_MAX; j++)
		t.callers.caller[j].state = CALLER_READY;
	join(&peer[i + 1]);
	run_quiet(&t.loop);
	CHECK(is_over(&peer[i + 1]));
	CHECK_INT(callers_now(), CALLERS_MAX);
	CHECK_INT(log_kept.lines, 1);
	end();
}

static void in_user_space(void)
{
	int fd, encrypted;
	char text[4];
	unsigned before;

	start();
	before = open_files();
	t.no_kernel_tls = true;
	CHECK_INT(come(&peer[0], "laptop@attic"), KTLS_NONE);
	CHECK_INT(t.readies, 1);
	fd = take("attic", &encrypted);
	CHECK(fd >= 0 && encrypted >= 0);
	close(fd);
	relay_end(&encrypted);
	/* one that is not taken, and that is dropped */
	CHECK_INT(come(&peer[1], "laptop@attic"), KTLS_NONE);
	callers_drop(&t.callers);
	leave(&peer[0]);
	leave(&peer[1]);
	CHECK_INT(open_files(), before);
	CHECK(!recv(peer[1].fd, text, sizeof(text), 0) || errno == EBADF);
	end();
}

static void no_descriptor(void)
{
	start();
	t.accept_error = EMFILE;
	join(&peer[0]);
	run_quiet(&t.loop); /* and so does not spin */
	t.accept_error = 0;
	run_quiet(&t.loop);
	CHECK_INT(callers_now(), 0);
	run_after(&t.loop, 1000);
	CHECK_INT(callers_now(), 1);
	t.accept_error = ECONNABORTED;
	join(&peer[1]);
	clock_until = NULL;
	t.accept_error = 0;
	run_quiet(&t.loop);
	CHECK_INT(callers_now(), 2);
	end();
}

static void opened(void)
{
	static struct callers other;
	struct addr address = t.address;

	start();
	memset(&other, 0, sizeof(other));
	address = t.address;
	address.sa.v4.sin_port = t.there.sin_port;
	CHECK_INT(callers_open(&other, &t.loop, &address), -EADDRINUSE);
	callers_close(&other);
	/* one that is not there yet */
	address.sa.v4.sin_port = 0;
	inet_pton(AF_INET, "192.0.2.77", &address.sa.v4.sin_addr);
	CHECK_INT(callers_open(&other, &t.loop, &address), 0);
	callers_close(&other);
	/* all of both families */
	memset(&address, 0, sizeof(address));
	address.len = sizeof(address.sa.v6);
	address.sa.v6.sin6_family = AF_INET6;
	t.no_ipv6 = true;
	CHECK_INT(callers_open(&other, &t.loop, &address), 0);
	CHECK_INT(address.sa.any.sa_family, AF_INET);
	callers_close(&other);
	memset(&address, 0, sizeof(address));
	address.len = sizeof(address.sa.v6);
	address.sa.v6.sin6_family = AF_INET6;
	address.sa.v6.sin6_addr = in6addr_loopback;
	CHECK_INT(callers_open(&other, &t.loop, &address), -EAFNOSUPPORT);
	/* one that is not open */
	memset(&other, 0, sizeof(other));
	callers_pass(&other);
	callers_drop(&other);
	callers_close(&other);
	end();
}

int main(void)
{
	RUN("t_callers: named, proved, taken", taken);
	RUN("t_callers: who stays, and who leaves", stays_or_leaves);
	RUN("t_callers: who has no key", without_key);
	RUN("t_callers: byte by byte", byte_by_byte);
	RUN("t_callers: silence", silent);
	RUN("t_callers: too many", crowded);
	RUN("t_callers: without the kernel's TLS", in_user_space);
	RUN("t_callers: no descriptor is left", no_descriptor);
	RUN("t_callers: addresses", opened);
	return check_status();
}
