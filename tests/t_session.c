/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/session: the options a socket has before the kernel gets it, and the end of one
 * whose peer is silent. LINK: -Wl,--wrap=getsockopt,--wrap=shutdown,--wrap=socket_pair_text
 */
#include "loop/session.h"

#include "tests/files.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static struct tcp_info told; /* of the descriptor TOLD */
static int ended;

enum { TOLD = 4711 };

int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *len);

int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	if (fd != TOLD)
		return __real_getsockopt(fd, level, option, value, len);
	must(level == IPPROTO_TCP && option == TCP_INFO && *len >= sizeof(told), "ask for it");
	memcpy(value, &told, sizeof(told));
	return 0;
}

int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);

int __wrap_shutdown(int fd, int how)
{
	CHECK_INT(fd, TOLD);
	CHECK_INT(how, SHUT_RDWR);
	ended++;
	return 0;
}

size_t __wrap_socket_pair_text(int fd, char *text);

size_t __wrap_socket_pair_text(int fd, char *text)
{
	strcpy(text, fd == TOLD ? "10.0.0.1 3240 10.0.0.7 40000" : "");
	return strlen(text);
}

/* The time when it begins, by a clock that nobody sets. */
static void described(void)
{
	char text[SESSION_TEXT_SIZE];
	unsigned long before = (unsigned long)(loop_clock() / 1000), begin;
	int end = 0;

	CHECK(session_describe(TOLD, text));
	CHECK(sscanf(text, "%lu 10.0.0.1 3240 10.0.0.7 40000%n", &begin, &end) == 1 && end);
	CHECK_INT(text[end], '\0');
	CHECK(begin >= before && begin <= loop_clock() / 1000);
	CHECK(!session_describe(0, text));
	CHECK(sscanf(text, "%lu %n", &begin, &end) == 1);
	CHECK_INT(text[end], '\0');
}

/* after: of how many ms it is looked at again, 0: not; end: or it is ended. */
static void silence(uint32_t dead_after, uint32_t unacked, uint32_t ack, uint32_t data,
		    uint64_t after, int end)
{
	struct loop loop = { .now = 5000, .next = UINT64_MAX };
	struct session_watch watch = { .loop = &loop, .socket.fd = TOLD };

	told = (struct tcp_info){ .tcpi_unacked = unacked, .tcpi_last_ack_recv = ack,
				  .tcpi_last_data_recv = data };
	ended = 0;
	session_watch_check(&watch, dead_after);
	CHECK_INT(loop.next, after ? 5000 + after : UINT64_MAX);
	CHECK_INT(ended, end);
}

static void silent(void)
{
	struct loop loop = { .now = 5000, .next = UINT64_MAX };
	struct session_watch none, other = { .loop = &loop, .socket.fd = 0 };

	silence(15, 1, 100, 200, 15900, 0);
	silence(15, 1, 200, 100, 15900, 0);
	silence(15, 9, 15999, 90000, 1, 0);
	silence(15, 1, 16000, 90000, 0, 1);
	silence(15, 1, 90000, 16000, 0, 1);
	silence(15, 1, UINT32_MAX, UINT32_MAX, 0, 1);
	silence(15, 0, 90000, 90000, 16000, 0); /* nothing in flight: the kernel asks */
	silence(1, 1, 13999, 90000, 1, 0);
	silence(1, 1, 14000, 90000, 0, 1);
	silence(12, 1, 14999, 90000, 1, 0);
	silence(30, 1, 30999, 90000, 1, 0);
	silence(0, 1, 90000, 90000, 0, 0); /* never */
	silence(DEAD_AFTER_MAX, 1, 86400999, UINT32_MAX, 1, 0);
	session_watch_init(&none, &loop);
	CHECK(none.socket.fd < 0);
	session_watch_check(&none, 15);
	session_watch_check(&other, 15); /* no TCP socket */
	CHECK_INT(loop.next, UINT64_MAX);
	CHECK_INT(ended, 0);
}

static bool watch_ended(void *ctx)
{
	const struct session_watch *watch = ctx;

	return watch->ended || loop_clock() > watch->loop->next + 5000;
}

static void run_pass(void *ctx)
{
	(void)ctx;
}

/* Either side may close: the descriptor goes, the end is noted, and a pass follows. */
static void closed(bool by_peer, bool with_data)
{
	static const struct loop_role role = { run_pass, run_pass, watch_ended };
	struct session_watch watch;
	struct loop loop;
	char byte;
	int pair[2];

	must(!loop_open(&loop, 60000, &role, &watch), "open the loop");
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "make a pair");
	session_watch_init(&watch, &loop);
	session_watch_start(&watch, dup(pair[0]));
	CHECK(watch.socket.fd >= 0);
	CHECK_INT(watch.ended, 0);
	if (with_data)
		must(send(pair[1], "x", 1, 0) == 1, "send");
	if (by_peer)
		close(pair[1]);
	else
		__real_shutdown(pair[0], SHUT_RDWR);
	loop_run(&loop);
	CHECK(watch.socket.fd < 0);
	CHECK(watch.ended && watch.ended == loop.now);
	CHECK(loop.next <= loop.now);
	CHECK_INT(recv(pair[0], &byte, 1, MSG_DONTWAIT), with_data); /* it is the kernel's */
	session_watch_drop(&watch);
	CHECK_INT(watch.ended, 0);
	close(pair[0]);
	if (!by_peer)
		close(pair[1]);
	loop_close(&loop);
}

static void closed_by_either_side(void)
{
	closed(true, false);
	closed(true, true);
	closed(false, false);
}

/* A new session takes the place of one that was not dropped; a drop closes and tells nothing. */
static void replaced(void)
{
	unsigned before = open_files();
	static const struct loop_role role = { run_pass, run_pass, watch_ended };
	struct session_watch watch;
	struct loop loop;
	int one[2], two[2];

	must(!loop_open(&loop, 60000, &role, &watch), "open the loop");
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, one) &&
		     !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, two), "make pairs");
	session_watch_init(&watch, &loop);
	session_watch_start(&watch, one[0]);
	watch.ended = 7;
	session_watch_start(&watch, two[0]);
	CHECK_INT(watch.socket.fd, two[0]);
	CHECK_INT(watch.ended, 0);
	CHECK_INT(close(one[0]), -1);
	session_watch_drop(&watch);
	CHECK(watch.socket.fd < 0);
	CHECK_INT(close(two[0]), -1);
	session_watch_drop(&watch);
	CHECK_INT(watch.ended, 0);
	close(one[1]);
	close(two[1]);
	loop_close(&loop);
	CHECK_INT(open_files(), before);
}

static int get(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	must(!getsockopt(fd, level, option, &value, &len), "get a socket option");
	return value;
}

static void row(uint32_t dead_after, int seconds)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int idle, every, count;

	must(fd >= 0, "make a socket");
	CHECK_INT(session_set_timeouts(fd, dead_after), 0);
	CHECK_INT(get(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	CHECK_INT(get(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_INT(get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), seconds * 1000);
	idle = get(fd, IPPROTO_TCP, TCP_KEEPIDLE);
	every = get(fd, IPPROTO_TCP, TCP_KEEPINTVL);
	count = get(fd, IPPROTO_TCP, TCP_KEEPCNT);
	if (seconds) {
		/* an idle peer is gone at about the same time as a busy one */
		CHECK(idle + every * count <= seconds);
		CHECK(idle + every * count > seconds - every);
		CHECK(count >= 3);
	} else {
		CHECK(idle > 3600);
	}
	close(fd);
}

int main(void)
{
	static const struct {
		uint32_t dead_after;
		int seconds;
	} table[] = {
		{ 0, 0 },   { 1, 10 },	{ 9, 10 },     { 10, 10 },	 { 11, 11 },
		{ 12, 12 }, { 15, 15 }, { 16, 16 },    { 17, 17 },	 { 30, 30 },
		{ 60, 60 }, { 61, 61 }, { 3599, 3599 }, { DEAD_AFTER_MAX, DEAD_AFTER_MAX },
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		check_begin("t_session: dead after %u s", table[i].dead_after);
		row(table[i].dead_after, table[i].seconds);
		check_end();
	}
	RUN("t_session: its begin, for status files", described);
	RUN("t_session: a peer that is silent", silent);
	RUN("t_session: a connection that is closed", closed_by_either_side);
	RUN("t_session: one session after another", replaced);
	check_begin("t_session: no socket");
	CHECK_INT(session_set_timeouts(-1, 15), -EBADF);
	check_end();
	return check_status();
}
