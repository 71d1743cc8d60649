/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/dialer: its process connects to a client that the test plays, and what the server is
 * told of it. LINK: -Wl,--wrap=host_server_take,--wrap=log_line,--wrap=backoff_fail
 * LINK: -Wl,--wrap=getaddrinfo,--wrap=sandbox_enter
 */
#include "host/dialer.h"

#include "host/server.h"
#include "lib/backoff.h"
#include "lib/sandbox.h"
#include "lib/str.h"
#include "tests/check.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { DEADLINE_MS = 60000 };

static struct {
	struct loop loop;
	struct access access;
	struct host_server server;
	struct keys keys;
	struct dialer dialer;
	struct endpoint client;
	int listener;
	/* host_server_take() */
	unsigned takes;
	int fd;
	struct in6_addr address;
	bool refuses;
	bool (*until)(void);
} t;

/* With the process. */
static struct shared {
	_Atomic pid_t pid;
	_Atomic unsigned failures; /* backoff_fail() */
	_Atomic unsigned lines;
	char line[16][200];
} *shared;

bool __wrap_host_server_take(struct host_server *server, int fd, const struct in6_addr *address,
			     struct dialer *dialer);
void __wrap_log_line(enum log_level level, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void __wrap_backoff_fail(struct backoff *backoff, uint64_t now, uint32_t limit_ms);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		       struct addrinfo **list);
void __real_sandbox_enter(int sysfs, const char *run_dir, const char *records,
			  const struct endpoint *server, unsigned servers);
void __wrap_sandbox_enter(int sysfs, const char *run_dir, const char *records,
			  const struct endpoint *server, unsigned servers);

void __wrap_sandbox_enter(int sysfs, const char *run_dir, const char *records,
			  const struct endpoint *server, unsigned servers)
{
	CHECK(sysfs < 0 && !*run_dir && !*records && server == &t.client && servers == 1);
	__real_sandbox_enter(sysfs, run_dir, records, server, servers);
	shared->pid = getpid();
}

void __wrap_log_line(enum log_level level, int error, const char *format, ...)
{
	va_list args;

	(void)level;
	(void)error;
	va_start(args, format);
	str_vformat(shared->line[shared->lines % LENGTH(shared->line)], sizeof(shared->line[0]), format,
		    args);
	va_end(args);
	shared->lines++;
}

static unsigned said(const char *what)
{
	unsigned n = 0;

	for (unsigned i = 0; i < shared->lines && i < LENGTH(shared->line); i++)
		n += strstr(shared->line[i], what) != NULL;
	return n;
}

bool __wrap_host_server_take(struct host_server *server, int fd, const struct in6_addr *address,
			     struct dialer *dialer)
{
	CHECK(server == &t.server && dialer == &t.dialer);
	t.takes++;
	t.address = *address;
	if (t.fd >= 0)
		close(t.fd);
	t.fd = fd;
	return !t.refuses;
}

/* In the process: the delay is seen, and short. */
void __wrap_backoff_fail(struct backoff *backoff, uint64_t now, uint32_t limit_ms)
{
	CHECK_INT(now, 0);
	CHECK_INT(limit_ms, RETRY_LIMIT_MS);
	backoff->delay += 10;
	shared->failures++;
}

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		       struct addrinfo **list)
{
	(void)host;
	(void)port;
	(void)hints;
	(void)list;
	return EAI_NONAME;
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static bool done(void *ctx)
{
	(void)ctx;
	return t.until();
}

static const struct loop_role role = { nothing, NULL, done };

static void until(bool (*condition)(void))
{
	t.until = condition;
	if (!condition())
		loop_run(&t.loop); /* UNIT_STOP ends what never comes */
}

static bool one_came(void)
{
	return t.takes == 1;
}

static bool three_came(void)
{
	return t.takes == 3;
}

static bool tried_thrice(void)
{
	return shared->failures >= 3;
}

static bool process_runs(void)
{
	return shared->pid;
}

static bool process_ended(void)
{
	return t.dialer.process.fd < 0;
}

/* port: of a listener of ours, or of nobody. */
static void start(const char *host, bool listens)
{
	struct sockaddr_in there = { .sin_family = AF_INET };
	socklen_t len = sizeof(there);
	char text[100];

	memset(&t, 0, sizeof(t));
	memset(shared, 0, sizeof(*shared));
	t.fd = -1;
	must(!psk_parse(&t.keys.key[t.keys.count++], "first:00112233445566778899aabbccddeeff") &&
		     !psk_parse(&t.keys.key[t.keys.count++],
				"lab@127.0.0.1:00112233445566778899aabbccddeeff"),
	     "parse keys");
	t.access.keys = &t.keys;
	t.server.access = &t.access;
	t.server.loop = &t.loop;
	must(!loop_open(&t.loop, 20, &role, NULL), "open a loop");
	t.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(!bind(t.listener, (struct sockaddr *)&there, len) &&
		     !getsockname(t.listener, (struct sockaddr *)&there, &len) &&
		     (!listens || !listen(t.listener, 8)), "listen");
	snprintf(text, sizeof(text), "%s:%u", host, ntohs(there.sin_port));
	must(!endpoint_parse(&t.client, text, OP_PORT), "parse a client");
	must(!dialer_start(&t.dialer, &t.server, &t.client), "start the process");
}

static void end(void)
{
	dialer_close(&t.dialer);
	dialer_close(&t.dialer);
	while (waitpid(-1, NULL, 0) > 0) /* it ends by itself */
		;
	CHECK_INT(errno, ECHILD);
	if (t.fd >= 0)
		close(t.fd);
	if (t.listener >= 0)
		close(t.listener);
	loop_close(&t.loop);
}

/* The call of the next connection has that name. */
static void called(const char *name)
{
	struct pollfd comes = { t.listener, POLLIN, 0 };
	char identity[OP_IDENTITY_SIZE];
	uint8_t bytes[OP_CALL_SIZE];
	int fd;

	must(poll(&comes, 1, DEADLINE_MS) == 1, "be called");
	fd = accept4(t.listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK_INT(recv(fd, bytes, sizeof(bytes), MSG_WAITALL), OP_CALL_SIZE);
	CHECK_INT(op_call_decode(bytes, sizeof(bytes), identity), OP_CALL_SIZE);
	CHECK_STR(identity, name);
	close(fd);
}

static void connects(void)
{
	char text[ADDR_TEXT_SIZE];

	start("127.0.0.1", true);
	until(one_came);
	called("lab@127.0.0.1");
	addr_text(&t.address, text);
	CHECK_STR(text, "127.0.0.1");
	/* one for each order, and the keys may be others by then */
	memcpy(t.keys.key[1].identity, "lax", 3);
	dialer_order(&t.dialer, false);
	called("lax@127.0.0.1");
	memcpy(t.keys.key[1].identity, "x@no", 5);
	t.refuses = true; /* so that it orders again, once */
	until(one_came);
	t.takes = 1;
	t.refuses = false;
	dialer_lost(&t.dialer, false);
	called("first");
	CHECK_INT(shared->lines, 0);
	end();
}

static void refused_here(void)
{
	start("127.0.0.1", true);
	t.refuses = true;
	until(three_came);
	end();
}

static void not_taken(void)
{
	start("127.0.0.1", true);
	until(one_came);
	called("lab@127.0.0.1");
	dialer_lost(&t.dialer, true);
	called("lab@127.0.0.1");
	CHECK_INT(said("does not take the connection: has it --accept, and this key?"), 1);
	dialer_lost(&t.dialer, true);
	CHECK_INT(shared->lines, 1);
	dialer_order(&t.dialer, false); /* one was taken meanwhile */
	dialer_lost(&t.dialer, true);
	CHECK_INT(shared->lines, 2);
	dialer_close(&t.dialer);
	dialer_lost(&t.dialer, true);
	CHECK_INT(shared->lines, 2);
	end();
}

static void keeps_trying(void)
{
	start("127.0.0.1", false);
	until(tried_thrice);
	CHECK_INT(said("cannot reach 127.0.0.1:"), 1);
	CHECK_INT(said(": Connection refused"), 1);
	CHECK_INT(shared->lines, 1);
	must(!listen(t.listener, 8), "listen");
	until(one_came);
	called("lab@127.0.0.1");
	CHECK_INT(said(": is reached"), 1);
	CHECK_INT(shared->lines, 2);
	end();
}

static void name_without_address(void)
{
	start("nosuch", true);
	until(tried_thrice);
	CHECK_INT(said("cannot reach nosuch:"), 1);
	CHECK_INT(said(gai_strerror(EAI_NONAME)), 1);
	CHECK_INT(shared->lines, 1);
	CHECK_INT(t.takes, 0);
	end(); /* in the middle of a delay */
}

static void process_is_killed(void)
{
	start("127.0.0.1", true);
	until(one_came);
	called("lab@127.0.0.1");
	until(process_runs);
	must(!kill(shared->pid, SIGKILL), "kill it");
	until(process_ended);
	CHECK_INT(said("usbiphp-dialer for 127.0.0.1:"), 1);
	CHECK_INT(said("has ended: restart the server"), 1);
	dialer_order(&t.dialer, false);
	dialer_lost(&t.dialer, true);
	CHECK_INT(shared->lines, 1);
	end();
}

int main(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED, "share memory");
	RUN("t_dialer: one connection for each order", connects);
	RUN("t_dialer: the server has no room", refused_here);
	RUN("t_dialer: the client does not take it", not_taken);
	RUN("t_dialer: a client that is not there", keeps_trying);
	RUN("t_dialer: a client without an address", name_without_address);
	RUN("t_dialer: the process is killed", process_is_killed);
	return check_status();
}
