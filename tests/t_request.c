/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/received against servers of every kind, in the same loop, on loopback; names are
 * resolved by the test. Deadlines are reached by setting the loop's clock.
 * LINK: -Wl,--wrap=getaddrinfo,--wrap=setsockopt,--wrap=sandbox_enter_guard
 */
#include "client/request.h"

#include "loop/relay.h"
#include "tests/files.h"

#include <arpa/inet.h>
#include <linux/tls.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* How the server answers. */
enum manner {
	WHOLE,	  /* in one piece, and waits */
	PIECES,	  /* a byte at a time */
	THEN_END, /* and closes */
	END,	  /* closes after the received, without an answer */
	AT_ONCE,  /* closes without reading the received */
	RESET,
	SILENT,
};

static struct {
	struct loop loop;
	struct endpoint endpoint;
	struct request_target target;
	struct request request;
	struct ssh ssh;
	/* the server */
	enum manner manner;
	const uint8_t *reply;
	size_t reply_len, sent;
	struct loop_source listener, peer;
	uint8_t received[64];
	size_t received_len, received_whole;
	unsigned accepted;
	const struct keys *keys; /* that it asks for; NULL: none */
	struct tls tls;
	int encrypted; /* behind a relay */
	bool shaking;
	/* what came of it */
	int ended;
	enum request_outcome outcome;
	char reason[256];
	int fd, connection;
	struct op_device device;
	unsigned records;
	struct op_device record[8];
	struct op_interface interface[8][8];
	bool (*until)(void);
	void (*then)(void); /* in done */
} t;

static void drop_peer(void)
{
	loop_drop(&t.loop, &t.peer);
}

static void reset_peer(void)
{
	struct linger linger = { 1, 0 };

	setsockopt(t.peer.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	drop_peer();
}

static void send_more(void)
{
	size_t n = t.reply_len - t.sent;

	if (t.manner == PIECES && n > 1)
		n = 1;
	n = (size_t)send(t.peer.fd, t.reply + t.sent, n, MSG_NOSIGNAL);
	if (n == (size_t)-1) { /* the other end has enough */
		CHECK(errno == EPIPE || errno == ECONNRESET);
		drop_peer();
		return;
	}
	t.sent += n;
	if (t.sent < t.reply_len)
		return;
	if (t.manner == THEN_END)
		drop_peer();
	else
		loop_watch(&t.loop, &t.peer, 0);
}

static void peer_ready(struct loop_source *source, uint32_t events)
{
	ssize_t n;

	(void)events;
	if (t.shaking) {
		int result = ktls_step(&t.tls, source->fd);

		t.shaking = !result;
		if (result < 0)
			drop_peer();
		if (result == KTLS_NONE) {
			t.encrypted = loop_unwatch(&t.loop, source);
			source->fd = relay_start(&t.tls, t.encrypted);
			must(source->fd >= 0 && !loop_watch(&t.loop, source, EPOLLIN),
			     "start a relay");
		}
		return;
	}
	if (t.received_len < t.received_whole) {
		n = recv(source->fd, t.received + t.received_len, t.received_whole - t.received_len, 0);
		if (n <= 0) {
			drop_peer();
			return;
		}
		t.received_len += (size_t)n;
		if (t.received_len < t.received_whole)
			return;
		if (t.manner == END)
			drop_peer();
		else if (t.manner == RESET)
			reset_peer();
		else
			loop_watch(&t.loop, source, t.manner == SILENT ? 0 : EPOLLOUT);
	} else if (t.sent < t.reply_len) {
		send_more();
	} else {
		drop_peer(); /* a hang-up, which is always heard */
	}
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	int one = 1;

	(void)events;
	t.peer.fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
	must(t.peer.fd >= 0, "accept");
	t.accepted++;
	t.sent = t.received_len = 0;
	setsockopt(t.peer.fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
	if (t.manner == AT_ONCE) {
		close(t.peer.fd);
		t.peer.fd = -1;
		return;
	}
	t.peer.ready = peer_ready;
	t.shaking = t.keys && !ktls_accept(&t.tls, t.keys, false);
	if (t.keys)
		fcntl(t.peer.fd, F_SETFL, O_NONBLOCK);
	must(!loop_watch(&t.loop, &t.peer, EPOLLIN), "watch");
}

int __real_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len);

static int ulp_error;

void __wrap_sandbox_enter_guard(void);

void __wrap_sandbox_enter_guard(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the test ends */
}

/* A kernel that has tls, but does nothing; or none. */
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (level != SOL_TLS && (level != IPPROTO_TCP || option != TCP_ULP))
		return __real_setsockopt(fd, level, option, value, len);
	errno = ulp_error;
	return ulp_error ? -1 : 0;
}

static int listen_on(struct sockaddr_in *address, bool listening)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*address);

	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && !bind(fd, (struct sockaddr *)address, len) &&
		     !getsockname(fd, (struct sockaddr *)address, &len) &&
		     (!listening || !listen(fd, 8)),
	     "listen");
	return fd;
}

/* Names, as the test wants them: no name server is asked. */
static struct sockaddr_in there;
static int (*resolve_as)(const char *host, struct addrinfo **list);

int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		       struct addrinfo **list);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		       struct addrinfo **list);

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		       struct addrinfo **list)
{
	struct addrinfo numeric = *hints;

	if (resolve_as)
		return resolve_as(host, list);
	numeric.ai_flags |= AI_NUMERICHOST;
	return __real_getaddrinfo(host, port, &numeric, list);
}

static void pass(void *ctx)
{
	(void)ctx;
	request_pass(&t.request);
}

static void stop(void *ctx)
{
	(void)ctx;
}

static bool done(void *ctx)
{
	(void)ctx;
	return t.until();
}

static bool has_ended(void)
{
	return t.ended > 0;
}

static bool is_connected(void)
{
	return t.request.state != REQUEST_CONNECTING;
}

static bool has_asked(void)
{
	return t.received_whole && t.received_len == t.received_whole;
}

static void keep_record(struct request *request, const struct reply_item *item)
{
	const struct op_device *device = &item->device;

	CHECK(request == &t.request);
	CHECK(!t.ended);
	if (t.records < LENGTH(t.record)) {
		t.record[t.records] = *device;
		for (unsigned i = 0; i < device->interfaces && i < 8; i++)
			t.interface[t.records][i] = item->interface[i];
	}
	t.records++;
}

static void keep_end(struct request *request)
{
	CHECK(request == &t.request);
	CHECK(request->state == REQUEST_IDLE);
	t.ended++;
	t.outcome = request->outcome;
	snprintf(t.reason, sizeof(t.reason), "%s", request->reason);
	t.fd = request->fd;
	t.connection = request->connection;
	if (t.fd >= 0)
		t.device = request->device;
	if (t.then)
		t.then();
}

static void start(enum manner manner, const void *reply, size_t len)
{
	static const struct loop_role role = { pass, stop, done };
	char text[40];

	memset(&t, 0, sizeof(t));
	resolve_as = NULL;
	t.manner = manner;
	t.reply = reply;
	t.reply_len = len;
	t.received_whole = 8;
	t.until = has_ended;
	t.fd = t.peer.fd = t.encrypted = -1;
	must(!loop_open(&t.loop, 3600 * 1000, &role, NULL), "open the loop");
	t.listener.fd = listen_on(&there, true);
	t.listener.ready = listener_ready;
	must(!loop_watch(&t.loop, &t.listener, EPOLLIN), "watch");
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(there.sin_port));
	must(!endpoint_parse(&t.endpoint, text, "3240"), "parse the address");
	t.request.record = keep_record;
	t.request.done = keep_end;
	t.target.endpoint = &t.endpoint;
	strcpy(t.request.tunnel.text, "ssh's, of another server");
	request_init(&t.request, &t.loop, &t.target, NULL);
}

static void end(void)
{
	CHECK(t.request.state == REQUEST_IDLE);
	drop_peer();
	loop_drop(&t.loop, &t.listener);
	loop_close(&t.loop);
	if (t.fd >= 0)
		close(t.fd);
	if (t.fd >= 0 && t.connection != t.fd)
		close(t.connection);
	if (t.encrypted >= 0)
		close(t.encrypted);
}

/* Asks for the list, or for an import, until the end. */
static void ask(const char *busid)
{
	t.received_whole = busid ? 40 : 8;
	t.received_len = 0;
	t.ended = 0;
	t.records = 0;
	request_start(&t.request, busid ? OP_REQ_IMPORT : OP_REQ_DEVLIST, busid);
	if (!t.until())
		loop_run(&t.loop);
}

/* reason is NULL if any will do. */
static void outcome_is(enum request_outcome outcome, const char *reason)
{
	CHECK_INT(t.ended, 1);
	CHECK_INT(t.outcome, outcome);
	CHECK((outcome == REQUEST_OK) == !t.reason[0]);
	if (reason)
		CHECK_STR(t.reason, reason);
}

static uint32_t raw32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static const char *const lists[] = {
	FIXTURES "packets/rep_devlist_empty.hex",
	FIXTURES "packets/rep_devlist_several.hex",
	FIXTURES "packets/rep_devlist_multi_interface.hex",
	FIXTURES "packets/rep_devlist_unconfigured.hex",
	FIXTURES "packets/made_rep_devlist.hex",
	FIXTURES "packets/made_rep_devlist_most_interfaces.hex",
};

/* The list that came is the one in the file. */
static void list_is(const uint8_t *p)
{
	size_t at = 12;

	outcome_is(REQUEST_OK, NULL);
	CHECK_INT(t.fd, -1);
	CHECK_INT(t.records, raw32(p + 8));
	for (unsigned i = 0; i < t.records && i < LENGTH(t.record); i++) {
		CHECK_STR(t.record[i].path, (const char *)p + at);
		CHECK_STR(t.record[i].busid, (const char *)p + at + 256);
		CHECK_INT(t.record[i].devnum, raw32(p + at + 292));
		at += 312;
		for (unsigned j = 0; j < t.record[i].interfaces; j++, at += 4)
			if (j < 8)
				CHECK_BYTES(&t.interface[i][j], p + at, 3);
	}
}

/* An empty one without a mark is over when the server closes. */
static void every_list(enum manner manner)
{
	static const uint8_t received[] = { 1, 0x11, 0x80, 5, 0, 0, 0, 0 };

	for (size_t i = manner != THEN_END; i < LENGTH(lists); i++) {
		size_t len;
		uint8_t *p = hex_read(lists[i], &len, NULL);

		start(manner, p, len);
		ask(NULL);
		list_is(p);
		CHECK_INT(t.received_len, 8);
		CHECK_BYTES(t.received, received, 8);
		end();
		block_free(p);
	}
}

static void list_whole(void)
{
	every_list(WHOLE);
}

static void list_in_pieces(void)
{
	every_list(PIECES);
}

static void list_then_end(void)
{
	every_list(THEN_END);
}

/* As many devices as are taken: more than fits into any buffer at once. */
static void longest_list(void)
{
	static uint8_t p[12 + OP_DEVLIST_MAX * 312];
	struct op_device device = { .path = "/sys/x", .speed = 3 };
	size_t at = 12;

	CHECK_INT(op_devlist_head_encode(p, 12, OP_REP_DEVLIST, OP_DEVLIST_MAX), 12);
	for (int i = 0; i < OP_DEVLIST_MAX; i++, at += 312) {
		snprintf(device.busid, sizeof(device.busid), "%d-1", i + 1);
		CHECK_INT(op_record_encode(p + at, 312, &device, NULL), 312);
	}
	start(WHOLE, p, sizeof(p));
	ask(NULL);
	outcome_is(REQUEST_OK, NULL);
	CHECK_INT(t.records, OP_DEVLIST_MAX);
	end();
}

/* What is behind a list is of no interest. */
static void list_with_junk(void)
{
	static uint8_t p[12 + 4096] = { 1, 0x11, 0, 5 };

	memset(p + 12, 0xff, sizeof(p) - 12);
	start(WHOLE, p, sizeof(p));
	ask(NULL);
	outcome_is(REQUEST_OK, NULL);
	CHECK_INT(t.records, 0);
	end();
}

/* The hostile fixtures, from a server that closes behind them. */
static void hostile_reply(const char *path, const char *name)
{
	static const struct {
		const char *name;
		enum request_outcome outcome;
		int error;
	} table[] = {
		{ "OK\n", REQUEST_OK, 0 },
		{ "ODD\n", REQUEST_OK, 0 },
		{ "INCOMPLETE\n", REQUEST_CLOSED, 0 },
		{ "EPROTONOSUPPORT\n", REQUEST_FAILED, -EPROTONOSUPPORT },
		{ "EILSEQ\n", REQUEST_FAILED, -EILSEQ },
		{ "EBADMSG\n", REQUEST_FAILED, -EBADMSG },
		{ "EREMOTEIO\n", REQUEST_FAILED, -EREMOTEIO },
		{ "EMSGSIZE\n", REQUEST_FAILED, -EMSGSIZE },
	};
	bool import = !strncmp(name, "rep_import", 10);
	char *comment;
	const char *want;
	size_t len, i = 0;
	uint8_t *p;

	if (strncmp(name, "rep_", 4))
		return;
	p = hex_read(path, &len, &comment);
	check_begin("t_request: hostile/%s", name);
	want = strstr(comment, "# expect: ") + 10;
	while (i < LENGTH(table) && strncmp(want, table[i].name, strlen(table[i].name)))
		i++;
	must(i < LENGTH(table), "find what to expect");
	for (int manner = WHOLE; manner <= THEN_END; manner++) {
		/* nobody closes, so the deadline would have to come */
		if (manner != THEN_END && table[i].outcome == REQUEST_CLOSED)
			continue;
		start((enum manner)manner, p, len);
		ask(import ? "1-1" : NULL);
		if (import && table[i].outcome == REQUEST_OK && raw32(p + 4)) {
			outcome_is(REQUEST_REFUSED, op_status_text(raw32(p + 4)));
		} else {
			outcome_is(table[i].outcome,
				   table[i].error ? op_strerror(table[i].error) : NULL);
		}
		CHECK_INT(t.fd >= 0, import && t.outcome == REQUEST_OK);
		end();
	}
	check_end();
	free(comment);
	block_free(p);
}

static void garbage(void)
{
	static uint8_t p[10000];

	for (size_t i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)(i * 7 + 1);
	for (int import = 0; import < 2; import++) {
		start(WHOLE, p, sizeof(p));
		ask(import ? "1-1" : NULL);
		outcome_is(REQUEST_FAILED, op_strerror(-EPROTONOSUPPORT));
		end();
	}
}

static void hung_up(const char *words)
{
	CHECK(strstr(t.reason, words));
}

/* Every length of reply that is not whole, and then the end. */
static void half_a_reply(void)
{
	size_t len, step;
	uint8_t *list = hex_read(lists[1], &len, NULL);

	for (size_t cut = 0; cut < len; cut += step) {
		step = cut < 12 || cut % 312 > 300 || cut % 312 < 20 ? 1 : 37;
		start(cut ? THEN_END : END, list, cut);
		ask(NULL);
		outcome_is(REQUEST_CLOSED, NULL);
		CHECK(t.records < raw32(list + 8));
		/* who says nothing at all may want a key */
		hung_up(cut ? "in mid-answer" : "--psk given at one end only");
		end();
	}
	block_free(list);
}

static void half_an_import(void)
{
	size_t len;
	uint8_t *p = hex_read(FIXTURES "packets/rep_import_ok.hex", &len, NULL);

	for (size_t cut = 0; cut < len; cut += 13) {
		start(cut ? THEN_END : END, p, cut);
		ask("2-1");
		outcome_is(REQUEST_CLOSED, NULL);
		CHECK_INT(t.fd, -1);
		/* it was not the key: the list came */
		hung_up(cut ? "in mid-answer" : "it hung up without an answer");
		end();
	}
	block_free(p);
}

static void closed_at_once(void)
{
	start(AT_ONCE, NULL, 0);
	t.request.reply.len = 7; /* of the one before */
	ask(NULL);
	outcome_is(REQUEST_CLOSED, NULL);
	hung_up("--psk given at one end only");
	end();
}

static void reset(void)
{
	start(RESET, NULL, 0);
	ask(NULL);
	outcome_is(REQUEST_CLOSED, NULL); /* which of both depends on chance */
	hung_up("--allow");
	end();
}

static void past_deadline(void)
{
	t.loop.now = t.request.deadline;
	request_pass(&t.request);
}

static void silent(void)
{
	for (int import = 0; import < 2; import++) {
		start(SILENT, NULL, 0);
		t.until = has_asked;
		ask(import ? "1-1" : NULL);
		CHECK(t.request.state != REQUEST_IDLE);
		CHECK(t.request.deadline > t.loop.now + (import ? REQUEST_REPLY_MS : 0));
		CHECK(t.request.deadline <=
		      loop_clock() + (import ? REQUEST_IMPORT_MS : REQUEST_REPLY_MS));
		CHECK(t.loop.next <= t.request.deadline); /* a pass will see to it */
		t.loop.now = t.request.deadline - 1;
		request_pass(&t.request);
		CHECK_INT(t.ended, 0);
		past_deadline();
		outcome_is(REQUEST_SILENT, NULL);
		end();
	}
}

static bool some_came(void)
{
	return t.request.reply.len >= 5 && t.sent == t.reply_len;
}

/* One who trickles gains no time. */
static void silent_in_the_middle(void)
{
	static const uint8_t p[] = { 1, 0x11, 0, 5, 0 };
	uint64_t deadline;

	start(PIECES, p, sizeof(p));
	t.until = has_asked;
	ask(NULL);
	deadline = t.request.deadline;
	t.until = some_came;
	loop_run(&t.loop);
	CHECK_INT(t.request.deadline, deadline);
	past_deadline();
	outcome_is(REQUEST_SILENT, NULL);
	end();
}

static void import_captured(enum manner manner)
{
	static const uint8_t received[40] = { 1, 0x11, 0x80, 3, 0, 0, 0, 0, '2', '-', '1' };
	size_t len;
	uint8_t *p = hex_read(FIXTURES "packets/rep_import_ok.hex", &len, NULL);
	unsigned before = open_files();

	start(manner, p, len);
	ask("2-1");
	outcome_is(REQUEST_OK, NULL);
	CHECK(t.fd >= 0);
	CHECK_BYTES(t.received, received, 40);
	CHECK_STR(t.device.busid, "2-1");
	CHECK_INT(t.device.speed, 5);
	CHECK_INT(t.device.vendor, 0x46f4);
	end();
	CHECK_INT(open_files(), before);
	block_free(p);
}

static void import_ok(void)
{
	import_captured(WHOLE);
	import_captured(PIECES);
}

/* The bytes behind the reply belong to the kernel: they must still be in the socket. */
static void import_leaves_the_rest(enum manner manner)
{
	static const uint8_t extra[] = { 0, 0, 0, 3, 0xde, 0xad, 0xbe, 0xef, 0x55 };
	uint8_t reply[320 + sizeof(extra)], got[64];
	size_t len, n = 0;
	uint8_t *p = hex_read(FIXTURES "packets/rep_import_ok.hex", &len, NULL);

	memcpy(reply, p, len);
	memcpy(reply + len, extra, sizeof(extra));
	start(manner, reply, sizeof(reply));
	ask("2-1");
	outcome_is(REQUEST_OK, NULL);
	CHECK(fcntl(t.fd, F_GETFD) & FD_CLOEXEC);
	while (t.sent < t.reply_len)
		send_more();
	fcntl(t.fd, F_SETFL, 0); /* the rest is on its way: wait for it */
	while (n < sizeof(extra)) {
		ssize_t more = recv(t.fd, got + n, sizeof(got) - n, 0);

		must(more > 0, "read what is the kernel's");
		n += (size_t)more;
	}
	CHECK_INT(n, sizeof(extra));
	CHECK_BYTES(got, extra, sizeof(extra));
	end();
	block_free(p);
}

static void import_rest(void)
{
	import_leaves_the_rest(WHOLE);
	import_leaves_the_rest(PIECES);
}

static void import_refused(void)
{
	static const struct {
		const char *path;
		uint32_t status;
	} table[] = {
		{ FIXTURES "packets/rep_import_na.hex", OP_NA },
		{ FIXTURES "packets/rep_import_busy.hex", OP_BUSY },
		{ FIXTURES "packets/rep_import_error.hex", OP_DEV_ERR },
		{ FIXTURES "packets/rep_import_nodev.hex", OP_NODEV },
		{ FIXTURES "packets/made_rep_import_refused.hex", 0xfedcba98 },
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		size_t len;
		uint8_t *p = hex_read(table[i].path, &len, NULL);

		start(i % 2 ? PIECES : THEN_END, p, len);
		ask("2-1");
		outcome_is(REQUEST_REFUSED, op_status_text(table[i].status));
		CHECK_INT(t.fd, -1);
		end();
		block_free(p);
	}
}

static void import_of_another(void)
{
	size_t len;
	uint8_t *p = hex_read(FIXTURES "packets/rep_import_ok.hex", &len, NULL);

	for (int i = 0; i < 2; i++) {
		start(WHOLE, p, len);
		ask(i ? "2-1.1" : "2-2");
		outcome_is(REQUEST_FAILED, op_strerror(-EILSEQ));
		CHECK_INT(t.fd, -1);
		end();
	}
	block_free(p);
}

/* Two addresses: nobody listens at the first, the server at the second. */
static int two_addresses(struct sockaddr_in *first, bool listening)
{
	int fd = listen_on(first, listening);
	struct addresses *a = &t.target.addresses;

	a->count = 2;
	a->address[0].sa.v4 = *first;
	a->address[1].sa.v4 = there;
	a->address[0].len = a->address[1].len = sizeof(*first);
	return fd;
}

static const uint8_t empty_list[28] = { 1, 0x11, 0, 5, [13] = 'u', 's', 'b', 'i', 'p', 'h', 'p' };

static bool head_came(void)
{
	return t.request.state == REQUEST_READING && reply_is_empty_list(&t.request.reply);
}

/* A server that keeps the connection, maybe with a part of a mark, has sent its list after 1 s. */
static void list_without_mark(void)
{
	for (size_t len = 12; len < sizeof(empty_list); len++) {
		for (int closes = 0; closes < 2; closes++) {
			start(closes ? THEN_END : PIECES, empty_list, len);
			t.until = closes ? has_ended : head_came;
			ask(NULL);
			if (!closes) {
				CHECK(t.request.deadline <= loop_clock() + REQUEST_MARK_MS);
				CHECK(t.loop.next <= t.request.deadline);
				past_deadline();
			}
			outcome_is(REQUEST_OK, NULL);
			CHECK_INT(t.records, 0);
			CHECK(!t.request.reply.marked);
			end();
		}
	}
	start(PIECES, empty_list, sizeof(empty_list));
	ask(NULL);
	outcome_is(REQUEST_OK, NULL);
	CHECK(t.request.reply.marked);
	end();
}

static void second_address(void)
{
	struct sockaddr_in first;
	int fd;

	start(WHOLE, empty_list, sizeof(empty_list));
	fd = two_addresses(&first, false);
	ask(NULL);
	outcome_is(REQUEST_OK, NULL);
	/* and is used at once the next time */
	drop_peer();
	close(fd);
	ask(NULL);
	outcome_is(REQUEST_OK, NULL);
	CHECK_INT(t.accepted, 2);
	CHECK_INT(t.request.address, 1);
	end();
}

/* The first does not answer at all: the second after a deadline. */
static void second_address_later(void)
{
	struct sockaddr_in first;
	int fd;

	start(WHOLE, empty_list, sizeof(empty_list));
	fd = two_addresses(&first, true);
	request_start(&t.request, OP_REQ_DEVLIST, NULL);
	CHECK_INT(t.request.state, REQUEST_CONNECTING);
	CHECK(t.request.deadline <= loop_clock() + REQUEST_CONNECT_MS);
	past_deadline();
	CHECK_INT(t.ended, 0);
	CHECK_INT(t.request.address, 1);
	loop_run(&t.loop);
	outcome_is(REQUEST_OK, NULL);
	end();
	close(fd);
}

static void no_address_works(void)
{
	struct sockaddr_in first;
	int fd;

	start(WHOLE, empty_list, sizeof(empty_list));
	fd = two_addresses(&first, false);
	t.target.addresses.address[1].sa.v4 = first;
	ask(NULL);
	outcome_is(REQUEST_UNREACHABLE, strerror(ECONNREFUSED));
	CHECK_STR(t.reason, "Connection refused");
	end();
	start(WHOLE, empty_list, sizeof(empty_list));
	close(fd);
	fd = two_addresses(&first, true);
	t.target.addresses.count = 1;
	request_start(&t.request, OP_REQ_DEVLIST, NULL);
	past_deadline();
	outcome_is(REQUEST_UNREACHABLE, strerror(ETIMEDOUT));
	end();
	close(fd);
}

static int no_such_name(const char *host, struct addrinfo **list)
{
	(void)host;
	(void)list;
	return EAI_NONAME;
}

static int die(const char *host, struct addrinfo **list)
{
	(void)host;
	(void)list;
	raise(SIGKILL);
	return 0;
}

static int think(const char *host, struct addrinfo **list)
{
	(void)host;
	(void)list;
	for (;;)
		pause();
	return 0;
}

/* More addresses than are kept; of them only the last one kept works. */
static int many_addresses(const char *host, struct addrinfo **list)
{
	static struct sockaddr_in address[20];
	static struct addrinfo info[20];

	(void)host;
	for (unsigned i = 0; i < 20; i++) {
		address[i] = there;
		if (i != ADDRESSES_MAX - 1)
			address[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + i);
		info[i].ai_addr = (struct sockaddr *)&address[i];
		info[i].ai_addrlen = sizeof(address[i]);
		info[i].ai_family = AF_INET;
		info[i].ai_next = i < 19 ? &info[i + 1] : NULL;
	}
	*list = info;
	return 0;
}

static void unresolved(void)
{
	start(WHOLE, empty_list, sizeof(empty_list));
	strcpy(t.endpoint.host, "nowhere.invalid");
	resolve_as = no_such_name;
	ask(NULL);
	outcome_is(REQUEST_UNRESOLVED, NULL);
	CHECK_INT(t.target.addresses.error, EAI_NONAME);
	CHECK_INT(t.accepted, 0);
	/* the name is there a moment later */
	resolve_as = many_addresses;
	ask(NULL);
	outcome_is(REQUEST_OK, NULL);
	CHECK_INT(t.target.addresses.count, ADDRESSES_MAX);
	CHECK_INT(t.request.address, ADDRESSES_MAX - 1);
	end();
}

/* An address is tried at once; one of an interface that is not there (yet) fails at once. */
static void address_without_resolver(void)
{
	start(WHOLE, empty_list, sizeof(empty_list));
	resolve_as = die;
	ask(NULL);
	outcome_is(REQUEST_OK, NULL);
	drop_peer();
	t.target.addresses.count = 0;
	strcpy(t.endpoint.host, "fe80::1%nowhere");
	ask(NULL);
	outcome_is(REQUEST_UNRESOLVED, strerror(ENODEV));
	CHECK_INT(t.accepted, 1);
	end();
}

static void resolver_dies(void)
{
	start(WHOLE, empty_list, sizeof(empty_list));
	strcpy(t.endpoint.host, "pi.lan");
	resolve_as = die;
	ask(NULL);
	outcome_is(REQUEST_UNRESOLVED, NULL);
	end();
}

static bool nobody_left(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0;
}

static void resolver_hangs(void)
{
	start(WHOLE, empty_list, sizeof(empty_list));
	strcpy(t.endpoint.host, "pi.lan");
	resolve_as = think;
	request_start(&t.request, OP_REQ_DEVLIST, NULL);
	CHECK_INT(t.request.state, REQUEST_RESOLVING);
	CHECK(t.request.deadline <= loop_clock() + RESOLVE_MS);
	past_deadline();
	outcome_is(REQUEST_UNRESOLVED, NULL);
	CHECK(*t.reason);
	t.until = nobody_left; /* the child is ended, too */
	loop_run(&t.loop);
	end();
}

/*
 * A name whose addresses have stopped to work is asked for again, and so is an address with an
 * interface, which may have another number by then; any other address is not.
 */
static void resolved_again(void)
{
	static const struct {
		const char *host;
		bool again;
	} rows[] = {
		{ "10.0.0.7", false }, { "fe80::1", false },	    { "fe80::1%eth0", true },
		{ "pi.lan", true },    { "10.0.0.7.lan", true }, { "10.0.0.7%lo", true },
		{ "10.1", false }, /* libc knows */
	};
	struct sockaddr_in first;
	int fd;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		start(WHOLE, empty_list, sizeof(empty_list));
		strcpy(t.endpoint.host, rows[i].host);
		fd = two_addresses(&first, false);
		t.target.addresses.count = 1;
		ask(NULL);
		outcome_is(REQUEST_UNREACHABLE, strerror(ECONNREFUSED));
		CHECK_INT(t.target.addresses.count, rows[i].again ? 0 : 1);
		close(fd);
		end();
	}
}

static void cancelled(void)
{
	unsigned before = open_files();

	start(SILENT, NULL, 0);
	request_cancel(&t.request); /* nothing runs: nothing */
	t.until = has_asked;
	ask(NULL);
	request_cancel(&t.request);
	CHECK_INT(t.ended, 0);
	request_pass(&t.request);
	CHECK_INT(t.ended, 0);
	end();
	start(SILENT, NULL, 0);
	strcpy(t.endpoint.host, "pi.lan");
	resolve_as = think;
	request_start(&t.request, OP_REQ_DEVLIST, NULL);
	request_cancel(&t.request);
	t.until = nobody_left;
	loop_run(&t.loop);
	CHECK_INT(t.ended, 0);
	end();
	CHECK_INT(open_files(), before);
}

static void start_next(void)
{
	drop_peer();
	if (t.ended < 4) {
		t.received_len = 0;
		request_start(&t.request, OP_REQ_DEVLIST, NULL);
	}
}

static bool four_ended(void)
{
	return t.ended == 4;
}

static void next_in_done(void)
{
	start(WHOLE, empty_list, sizeof(empty_list));
	t.then = start_next;
	t.until = four_ended;
	ask(NULL);
	CHECK_INT(t.ended, 4);
	CHECK_INT(t.accepted, 4);
	CHECK_INT(t.outcome, REQUEST_OK);
	end();
}

static struct keys keys = { .count = 1 }, other = { .count = 1 };

static void start_with_key(enum manner manner, const void *reply, size_t len)
{
	start(manner, reply, len);
	must(!psk_parse(keys.key, "laptop:00112233445566778899aabbccddeeff") &&
		     !psk_parse(other.key, "laptop:ffeeddccbbaa99887766554433221100"),
	     "make keys");
	t.target.key = keys.key;
	t.keys = &keys;
	ulp_error = 0;
}

static void keyed(void)
{
	size_t len;
	uint8_t *p = hex_read(FIXTURES "packets/rep_devlist_several.hex", &len, NULL);

	start_with_key(WHOLE, p, len);
	ask(NULL);
	list_is(p);
	CHECK_INT(t.received_len, 8);
	end();
	block_free(p);
	p = hex_read(FIXTURES "packets/rep_import_ok.hex", &len, NULL);
	start_with_key(PIECES, p, len);
	ask("2-1");
	outcome_is(REQUEST_OK, NULL);
	CHECK(t.fd >= 0);
	CHECK_INT(t.connection, t.fd);
	end();
	block_free(p);
}

/* It ends so, and nothing was asked. */
static void unsafe(int error, const char *words)
{
	static const struct tls none;

	ask("2-1");
	outcome_is(REQUEST_FAILED, ktls_strerror(error));
	CHECK(strstr(t.reason, words));
	CHECK(!t.received_len || t.received[0] == TLS_FIRST_BYTE);
	CHECK_INT(t.fd, -1);
	CHECK_BYTES(&t.request.tls, &none, sizeof(none));
	end();
}

static void wrong_key(void)
{
	start_with_key(WHOLE, NULL, 0);
	t.keys = &other;
	unsafe(-EACCES, "both ends need the same key");
}

/* Kernels without tls. */
static void keyed_in_user_space(void)
{
	size_t len, before = open_files();
	uint8_t *p = hex_read(FIXTURES "packets/rep_devlist_several.hex", &len, NULL);
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);

	start_with_key(WHOLE, p, len);
	ulp_error = ENOENT;
	ask(NULL);
	list_is(p);
	CHECK(t.encrypted >= 0);
	end();
	block_free(p);
	p = hex_read(FIXTURES "packets/rep_import_ok.hex", &len, NULL);
	start_with_key(PIECES, p, len);
	ulp_error = ENOENT;
	ask("2-1");
	outcome_is(REQUEST_OK, NULL);
	CHECK(!getsockname(t.fd, (struct sockaddr *)&peer, &size));
	CHECK_INT(peer.ss_family, AF_UNIX);
	CHECK(!getsockname(t.connection, (struct sockaddr *)&peer, &size));
	CHECK_INT(peer.ss_family, AF_INET);
	end();
	block_free(p);
	start_with_key(THEN_END, NULL, 0); /* it hangs up after the handshake */
	ulp_error = ENOENT;
	ask("2-1");
	outcome_is(REQUEST_CLOSED, NULL);
	end();
	CHECK_INT(open_files(), before);
	while (wait(NULL) > 0) /* all relays end with it */
		;
}

/* It does not fall back, whatever a server without keys does. */
static void server_without_keys(void)
{
	size_t len;
	uint8_t *p = hex_read(FIXTURES "packets/rep_import_ok.hex", &len, NULL);

	start_with_key(END, NULL, 0);
	t.keys = NULL;
	unsafe(-ECONNRESET, "--psk");
	start_with_key(RESET, NULL, 0);
	t.keys = NULL;
	unsafe(-ECONNRESET, "--psk");
	start_with_key(WHOLE, p, len);
	t.keys = NULL;
	unsafe(-EBADMSG, "TLS");
	start_with_key(SILENT, NULL, 0);
	t.keys = NULL;
	t.until = has_asked;
	ask("2-1");
	CHECK_INT(t.received[0], TLS_FIRST_BYTE);
	CHECK_INT(t.request.state, REQUEST_HANDSHAKE);
	CHECK(t.request.deadline <= loop_clock() + REQUEST_REPLY_MS);
	past_deadline();
	outcome_is(REQUEST_SILENT, NULL);
	CHECK(!t.request.tls.key);
	end();
	block_free(p);
}

/* Another machine has the first address now: it speaks something else, has no key, hangs up or says
 * nothing. The second one is the server, which is remembered. */
static void first_is_another(void)
{
	static const char junk[] = "SSH-2.0-OpenSSH_9.2p1 Debian\r\n";
	struct sockaddr_in first;

	for (int i = 0; i < 6; i++) {
		bool silent = i / 2 == 2, hangs_up = i / 2 == 1;
		int fd, peer;

		if (i % 2)
			start_with_key(WHOLE, empty_list, sizeof(empty_list));
		else
			start(WHOLE, empty_list, sizeof(empty_list));
		fd = two_addresses(&first, true);
		strcpy(t.endpoint.host, "pi.lan");
		request_start(&t.request, OP_REQ_DEVLIST, NULL);
		while ((peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) < 0)
			usleep(1000);
		if (hangs_up)
			close(peer);
		else if (!silent)
			must(send(peer, junk, sizeof(junk), MSG_NOSIGNAL) > 0, "send");
		if (silent) {
			t.until = is_connected;
			loop_run(&t.loop);
			past_deadline();
			t.until = has_ended;
		}
		loop_run(&t.loop);
		outcome_is(REQUEST_OK, NULL);
		CHECK_INT(t.accepted, 1);
		CHECK_INT(t.target.good, 1);
		CHECK_INT(t.target.addresses.count, 2);
		if (!hangs_up)
			close(peer);
		close(fd);
		end();
	}
}

/* If no address is the server's, the name is looked up again. */
static void none_is_the_server(void)
{
	start_with_key(WHOLE, empty_list, sizeof(empty_list));
	t.keys = &other;
	t.target.addresses.count = 2;
	for (unsigned i = 0; i < 2; i++) {
		t.target.addresses.address[i].sa.v4 = there;
		t.target.addresses.address[i].len = sizeof(there);
	}
	strcpy(t.endpoint.host, "pi.lan");
	ask(NULL);
	outcome_is(REQUEST_FAILED, ktls_strerror(-EACCES));
	CHECK_INT(t.accepted, 2);
	CHECK_INT(t.target.addresses.count, 0);
	end();
}

/* A server that has answered is the right one, whatever it does then; and a watch or an import that
 * it does not understand is not sent to others. */
static void answered_is_the_server(void)
{
	static const uint8_t half[] = { 1, 0x11, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1 };

	for (unsigned i = 0; i < 3; i++) {
		start(i ? END : THEN_END, half, sizeof(half));
		t.target.addresses.count = 2;
		for (unsigned j = 0; j < 2; j++) {
			t.target.addresses.address[j].sa.v4 = there;
			t.target.addresses.address[j].len = sizeof(there);
		}
		strcpy(t.endpoint.host, "pi.lan");
		t.received_whole = i == 2 ? 40 : 8;
		request_start(&t.request, !i ? OP_REQ_DEVLIST : i == 1 ? OP_REQ_WATCH :
			      OP_REQ_IMPORT, i == 2 ? "2-1" : NULL);
		loop_run(&t.loop);
		outcome_is(REQUEST_CLOSED, NULL);
		CHECK_INT(t.accepted, 1);
		CHECK_INT(t.target.addresses.count, 2);
		end();
	}
}

/* Asks for a list through an ssh that is this script. */
static void through_ssh(const char *script)
{
	char root[TEMP_SIZE], *path = strdup(getenv("PATH")), text[1024];

	temp_make(root);
	snprintf(text, sizeof(text), "#!/bin/sh\n[ \"$1\" != -V ] || exit\n%s\n", script);
	put_file(root, "ssh", text);
	snprintf(text, sizeof(text), "%s/ssh", root);
	must(!chmod(text, 0755), "make it a program");
	snprintf(text, sizeof(text), "%s:%s", root, path);
	setenv("PATH", text, 1);
	start(WHOLE, NULL, 0);
	must(!endpoint_parse(&t.endpoint, "ssh://user@pi.lan:2222", "3240"), "parse");
	t.target.key = keys.key; /* ssh protects it */
	t.target.ssh = &t.ssh;
	must(!ssh_start(&t.ssh, &t.endpoint, 1), "start the process");
	ask(NULL);
	CHECK_INT(t.accepted, 0);
	close(t.ssh.fd);
	end();
	while (wait(NULL) > 0)
		;
	setenv("PATH", path, 1);
	free(path);
	temp_remove(root);
}

static void ssh(void)
{
	through_ssh("[ \"$(dd bs=1 count=8 2>/dev/null | od -An -tx1)\" = ' 01 11 80 05 00 00 00 00' ] &&"
		    "case \"$*\" in *'-W 127.0.0.1:3240 user@pi.lan -p 2222')"
		    "printf '\\1\\21\\0\\5\\0\\0\\0\\0\\0\\0\\0\\0';; esac; sleep 60");
	outcome_is(REQUEST_OK, NULL);
}

static void ssh_fails(void)
{
	through_ssh("echo a banner >&2; printf 'no route\\r\\n' >&2; exit 255");
	outcome_is(REQUEST_SSH_FAILED, "a banner no route");
	through_ssh("exit 255");
	outcome_is(REQUEST_CLOSED, NULL);
	through_ssh("kill -9 $$");
	outcome_is(REQUEST_CLOSED, NULL);
}

static void no_leak(void)
{
	unsigned before = open_files();

	list_whole();
	reset();
	silent();
	no_address_works();
	unresolved();
	ssh_fails();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_request: lists", list_whole);
	RUN("t_request: lists in pieces of a byte", list_in_pieces);
	RUN("t_request: lists of servers that close behind them", list_then_end);
	RUN("t_request: an empty list without a mark", list_without_mark);
	RUN("t_request: the longest list", longest_list);
	RUN("t_request: a list with something behind it", list_with_junk);
	RUN("t_request: garbage", garbage);
	RUN("t_request: half a list, then the end", half_a_reply);
	RUN("t_request: half an import, then the end", half_an_import);
	RUN("t_request: closed at once", closed_at_once);
	RUN("t_request: reset", reset);
	RUN("t_request: a server that says nothing", silent);
	RUN("t_request: a server that stops in the middle", silent_in_the_middle);
	RUN("t_request: an import", import_ok);
	RUN("t_request: an import leaves what is the kernel's", import_rest);
	RUN("t_request: an import that is refused", import_refused);
	RUN("t_request: an import that brings another device", import_of_another);
	each_file(FIXTURES "hostile", ".hex", hostile_reply);
	RUN("t_request: refused, then the second address", second_address);
	RUN("t_request: silence, then the second address", second_address_later);
	RUN("t_request: no address works", no_address_works);
	RUN("t_request: a name that does not resolve, then does", unresolved);
	RUN("t_request: an address needs no resolver", address_without_resolver);
	RUN("t_request: the resolver dies", resolver_dies);
	RUN("t_request: the resolver hangs", resolver_hangs);
	RUN("t_request: names are resolved again, addresses not", resolved_again);
	RUN("t_request: cancelled", cancelled);
	RUN("t_request: the next one begins where one ends", next_in_done);
	RUN("t_request: with a key", keyed);
	RUN("t_request: the same, and kernels without tls", keyed_in_user_space);
	RUN("t_request: with the wrong one", wrong_key);
	RUN("t_request: with a key, and the server has none", server_without_keys);
	RUN("t_request: another machine has the first address", first_is_another);
	RUN("t_request: no address is the server's", none_is_the_server);
	RUN("t_request: who has answered is the server", answered_is_the_server);
	RUN("t_request: through ssh", ssh);
	RUN("t_request: ssh fails", ssh_fails);
	RUN("t_request: no descriptor is left open", no_leak);
	return check_status();
}
