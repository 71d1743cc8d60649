/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/relay: the test is the user of the plain text, and the other end of the connection,
 * whose records it makes itself. The process has no sandbox here.
 * LINK: -Wl,--wrap=sandbox_enter_guard,--wrap=fork
 */
#include "loop/relay.h"

#include "lib/socket.h"
#include "loop/child.h"
#include "tests/check.h"
#include "tests/tcp.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { DEADLINE_MS = 60000, MANY = 3 << 20 };

static struct {
	int plain, connection; /* as the caller has them */
	int peer;	       /* the far end */
	int log;
	struct tls_cipher in, out; /* the peer's */
	struct tls tls;
	struct keys keys;
	char argv0[40];
} t;

static bool fork_fails;
static const char sandboxed[] = "sandbox\n";

void __wrap_sandbox_enter_guard(void);
pid_t __real_fork(void);
pid_t __wrap_fork(void);

void __wrap_sandbox_enter_guard(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the test ends */
	if (t.keys.count || strcmp(t.argv0, "@usbiphp-tls") != 0)
		must(write(STDERR_FILENO, "keys\n", 5) == 5, "tell the test");
	must(write(STDERR_FILENO, sandboxed, strlen(sandboxed)) > 0, "tell the test");
}

pid_t __wrap_fork(void)
{
	errno = EAGAIN;
	return fork_fails ? -1 : __real_fork();
}

static struct tls_cipher cipher(uint8_t number)
{
	struct tls_cipher one = { .aead = &chacha20poly1305 };

	memset(one.key, number, sizeof(one.key));
	memset(one.iv, number + 1, sizeof(one.iv));
	return one;
}

static void start(void)
{
	int log[2], saved = dup(STDERR_FILENO);

	memset(&t, 0, sizeof(t));
	strcpy(t.argv0, "/opt/usbip/usbiphp-client");
	t.keys.count = 1;
	child_set_origin(t.argv0, &t.keys);
	tcp_pair(&t.connection, &t.peer);
	fcntl(t.connection, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 4; i++) /* so that it is full some time */
		socket_set(i % 2 ? t.peer : t.connection, SOL_SOCKET,
			   i / 2 ? SO_SNDBUF : SO_RCVBUF, 1 << 16);
	must(!pipe2(log, O_CLOEXEC), "make a pipe");
	t.tls.in = t.out = cipher(1);
	t.tls.out = t.in = cipher(3);
	t.tls.key = t.keys.key;
	fflush(stdout);
	dup2(log[1], STDERR_FILENO);
	t.plain = relay_start(&t.tls, t.connection);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(log[1]);
	t.log = log[0];
	must(t.plain >= 0, "start it");
	fcntl(t.plain, F_SETFL, 0); /* the test may wait */
}

/* The process has ended by itself; returns what it logged behind the first line. */
static const char *ended(void)
{
	static char text[1000];
	size_t len = 0, skip = strlen(sandboxed);
	ssize_t n;
	int status;

	must(wait(&status) > 0, "wait for the process");
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	while (len < sizeof(text) - 1 && (n = read(t.log, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	CHECK(!strncmp(text, sandboxed, skip));
	return text + skip;
}

static void end(void)
{
	close(t.plain);
	close(t.connection);
	close(t.peer);
	close(t.log);
}

static void put(int fd, const void *bytes, size_t len)
{
	must(send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

/* Returns how many came before the end of the stream. */
static size_t take(int fd, void *bytes, size_t len)
{
	size_t at = 0;
	ssize_t n = 1;

	while (at < len && n > 0) {
		must(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, DEADLINE_MS) > 0, "wait");
		n = recv(fd, (uint8_t *)bytes + at, len - at, 0);
		at += n > 0 ? (size_t)n : 0;
	}
	return at;
}

static bool at_end(int fd)
{
	uint8_t byte;

	return !take(fd, &byte, 1);
}

/* A record of the peer; returns its size. */
static size_t seal(uint8_t *record, uint8_t type, const void *text, size_t len)
{
	int size;

	memcpy(record + TLS_HEADER_SIZE, text, len);
	size = record_seal(&t.out, type, record, len);
	must(size > 0, "seal");
	return (size_t)size;
}

static void put_record(uint8_t type, const void *text, size_t len)
{
	uint8_t record[RECORD_MAX];

	put(t.peer, record, seal(record, type, text, len));
}

/* The next record that the peer gets: the length of its text. */
static size_t take_record(uint8_t *text)
{
	uint8_t record[RECORD_MAX], type;
	int size, len;

	must(take(t.peer, record, TLS_HEADER_SIZE) == TLS_HEADER_SIZE, "take a header");
	size = record_size(record, TLS_HEADER_SIZE);
	must(size > TLS_HEADER_SIZE, "a record");
	must(take(t.peer, record + TLS_HEADER_SIZE, (size_t)size - TLS_HEADER_SIZE) ==
		     (size_t)size - TLS_HEADER_SIZE, "take the record");
	len = record_open(&t.in, record, (size_t)size, &type);
	must(len >= 0 && type == TLS_APPLICATION_DATA, "open it");
	memcpy(text, record + TLS_HEADER_SIZE, (size_t)len);
	return (size_t)len;
}

static void fill(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 9) + (i >> 16));
}

/* Both ways, also when they are longer than a record. */
static void sizes(void)
{
	static const size_t size[] = { 1, 48, 512, RECORD_TEXT_MAX - 1, RECORD_TEXT_MAX,
				       RECORD_TEXT_MAX + 1, 4 * RECORD_TEXT_MAX,
				       4 * RECORD_TEXT_MAX + 1 };
	static uint8_t bytes[5 * RECORD_TEXT_MAX], got[6 * RECORD_TEXT_MAX];

	fill(bytes, sizeof(bytes));
	start();
	for (size_t i = 0; i < LENGTH(size); i++) {
		size_t at = 0;

		put(t.plain, bytes, size[i]);
		while (at < size[i])
			at += take_record(got + at);
		CHECK_BYTES(got, bytes, size[i]);
		for (at = 0; at < size[i]; at += RECORD_TEXT_MAX)
			put_record(TLS_APPLICATION_DATA, bytes + at,
				   size[i] - at < RECORD_TEXT_MAX ? size[i] - at : RECORD_TEXT_MAX);
		CHECK_INT(take(t.plain, got, size[i]), size[i]);
		CHECK_BYTES(got, bytes, size[i]);
	}
	CHECK(t.tls.key == t.keys.key);
	t.tls.key = NULL;
	CHECK_BYTES(&t.tls, &(struct tls){ 0 }, sizeof(t.tls));
	CHECK_STR(t.argv0, "/opt/usbip/usbiphp-client");
	CHECK_INT(t.keys.count, 1);
	close(t.plain);
	CHECK(at_end(t.peer));
	CHECK_STR(ended(), "");
	end();
}

/* Records in pieces, several at once, and empty ones. */
static void pieces(void)
{
	static uint8_t records[40 * 64];
	uint8_t text[40], got[40];
	size_t len = 0;

	fill(text, sizeof(text));
	start();
	for (size_t i = 0; i < 40; i++) {
		len += seal(records + len, TLS_APPLICATION_DATA, text + i, 1);
		if (i % 3 == 0)
			len += seal(records + len, TLS_APPLICATION_DATA, "", 0);
	}
	for (size_t at = 0, n = 1; at < len; at += n, n = at + 2 * n < len ? 2 * n : len - at)
		put(t.peer, records + at, n);
	CHECK_INT(take(t.plain, got, sizeof(got)), sizeof(got));
	CHECK_BYTES(got, text, sizeof(got));
	len = seal(records, TLS_APPLICATION_DATA, text, 30);
	for (size_t at = 0; at < len; at++) {
		put(t.peer, records + at, 1);
		sched_yield();
	}
	CHECK_INT(take(t.plain, got, 30), 30);
	CHECK_BYTES(got, text, 30);
	close(t.peer);
	CHECK(at_end(t.plain));
	close(t.plain);
	CHECK_STR(ended(), "");
	end();
}

/* Each side sends all it has before it reads. */
static void nobody_reads(void)
{
	uint8_t *bytes = malloc(MANY), *got = malloc(MANY + RECORD_MAX);
	pid_t sender, peer;
	int status;

	must(bytes && got, "allocate");
	fill(bytes, MANY);
	start();
	sender = __real_fork();
	if (!sender) {
		put(t.plain, bytes, MANY);
		_exit(0);
	}
	peer = __real_fork();
	if (!peer) {
		for (size_t at = 0; at < MANY; at += RECORD_TEXT_MAX)
			put_record(TLS_APPLICATION_DATA, bytes + at, RECORD_TEXT_MAX);
		_exit(0);
	}
	/* until both are stuck */
	while (poll(&(struct pollfd){ t.plain, POLLOUT, 0 }, 1, 0) > 0 ||
	       poll(&(struct pollfd){ t.peer, POLLOUT, 0 }, 1, 0) > 0)
		sched_yield();
	for (size_t at = 0; at < MANY;)
		at += take_record(got + at);
	CHECK(!memcmp(got, bytes, MANY));
	CHECK_INT(take(t.plain, got, MANY), MANY);
	CHECK(!memcmp(got, bytes, MANY));
	must(waitpid(sender, &status, 0) == sender && !status, "all was sent");
	must(waitpid(peer, &status, 0) == peer && !status, "all was sent");
	close(t.plain);
	close(t.connection);
	CHECK_STR(ended(), "");
	end();
	free(bytes);
	free(got);
}

/* When the peer sends no more, both have ended, but for what it has sent. */
static void peer_half_closed(void)
{
	uint8_t *bytes = malloc(MANY), *got = malloc(MANY);
	pid_t peer;
	int status;

	must(bytes && got, "allocate");
	fill(bytes, MANY);
	start();
	peer = __real_fork();
	if (!peer) {
		for (size_t at = 0; at < MANY; at += RECORD_TEXT_MAX)
			put_record(TLS_APPLICATION_DATA, bytes + at, RECORD_TEXT_MAX);
		shutdown(t.peer, SHUT_WR);
		_exit(0);
	}
	while (poll(&(struct pollfd){ t.peer, POLLOUT, 0 }, 1, 0) > 0) /* until it is stuck */
		sched_yield();
	CHECK_INT(take(t.plain, got, MANY), MANY);
	CHECK(!memcmp(got, bytes, MANY));
	must(waitpid(peer, &status, 0) == peer && !status, "all was sent");
	CHECK(at_end(t.plain));
	CHECK(at_end(t.peer));
	CHECK_STR(ended(), "");
	end();
	free(bytes);
	free(got);
}

/* The user can say that it sends no more, and still receives. */
static void user_half_closed(void)
{
	uint8_t got[RECORD_MAX];

	start();
	put(t.plain, "question", 8);
	shutdown(t.plain, SHUT_WR);
	CHECK_INT(take_record(got), 8);
	CHECK(at_end(t.peer));
	put_record(TLS_APPLICATION_DATA, "answer", 6);
	CHECK_INT(take(t.plain, got, 6), 6);
	close(t.peer);
	CHECK(at_end(t.plain));
	CHECK_STR(ended(), "");
	end();
}

/* The peer takes nothing, and then ends: all that the user has to send is taken from it. */
static void user_has_much(void)
{
	uint8_t *bytes = malloc(MANY);
	pid_t sender;
	int status;

	must(bytes, "allocate");
	fill(bytes, MANY);
	start();
	sender = __real_fork();
	if (!sender)
		_exit(send(t.plain, bytes, MANY, MSG_NOSIGNAL) != MANY);
	while (poll(&(struct pollfd){ t.plain, POLLOUT, 0 }, 1, 0) > 0) /* until it is stuck */
		sched_yield();
	shutdown(t.peer, SHUT_RDWR);
	must(waitpid(sender, &status, 0) == sender, "wait for the user");
	CHECK_INT(status, 0);
	CHECK(at_end(t.plain));
	CHECK_STR(ended(), "");
	end();
	free(bytes);
}

/* The alert that stands for the end. */
static void close_notify(void)
{
	uint8_t got[10];

	start();
	put_record(TLS_APPLICATION_DATA, "last", 4);
	put_record(TLS_ALERT, "\1\0", 2);
	put_record(TLS_APPLICATION_DATA, "behind", 6); /* is not read */
	CHECK_INT(take(t.plain, got, sizeof(got)), 4);
	shutdown(t.plain, SHUT_RDWR);
	CHECK_STR(ended(), "");
	end();
}

/* What may not be there ends both. */
static void bad_record(uint8_t type, const char *text, size_t len, int flip, const char *said)
{
	uint8_t record[100], got[100];
	const char *log;
	size_t size;

	start();
	put_record(TLS_APPLICATION_DATA, "good", 4);
	CHECK_INT(take(t.plain, got, 4), 4);
	size = seal(record, type, text, len);
	if (flip >= 0)
		record[flip] ^= 1;
	put(t.peer, record, size);
	CHECK(at_end(t.plain));
	CHECK(at_end(t.peer));
	log = ended();
	CHECK(*said ? strstr(log, said) != NULL : !*log);
	CHECK(!*said || strstr(log, "usbiphp: the connection 127.0.0.1 ") == log);
	end();
}

static void bad_records(void)
{
	bad_record(TLS_APPLICATION_DATA, "evil", 4, TLS_HEADER_SIZE, "a record is forged");
	bad_record(TLS_APPLICATION_DATA, "evil", 4, TLS_HEADER_SIZE + 20, "a record is forged");
	bad_record(TLS_APPLICATION_DATA, "evil", 4, 0, "what came is no record");
	bad_record(TLS_ALERT, "\2\50", 2, -1, "");
	bad_record(TLS_HANDSHAKE, "\30\0\0\1\0", 5, -1, ""); /* a key update */
	bad_record(TLS_CHANGE_CIPHER_SPEC, "\1", 1, -1, "a record is forged");
}

/* The same record again, and one that was left out. */
static void order(void)
{
	uint8_t record[2][100], got[10];
	size_t size[2];

	for (int skip = 0; skip < 2; skip++) {
		start();
		size[0] = seal(record[0], TLS_APPLICATION_DATA, "one", 3);
		size[1] = seal(record[1], TLS_APPLICATION_DATA, "two", 3);
		if (!skip)
			put(t.peer, record[0], size[0]);
		put(t.peer, record[skip], size[skip]);
		CHECK(take(t.plain, got, 4) <= 3);
		CHECK(strstr(ended(), "not in its place"));
		end();
	}
}

/* Nobody reads on one side, and the other side has ended: it does not wait, nor spin. */
static void ends_while_blocked(bool peer_ends)
{
	static uint8_t bytes[RECORD_TEXT_MAX];
	int from;

	start();
	from = peer_ends ? t.peer : t.plain;
	fcntl(from, F_SETFL, O_NONBLOCK);
	for (unsigned tries = 0; tries < 1000;) {
		uint8_t record[RECORD_MAX];
		size_t size = sizeof(bytes);
		struct tls_cipher before = t.out;

		if (peer_ends)
			size = seal(record, TLS_APPLICATION_DATA, bytes, sizeof(bytes));
		/* a part of a record would be the last that is sent */
		if (send(from, peer_ends ? record : bytes, size, MSG_NOSIGNAL) != (ssize_t)size) {
			t.out = before;
			tries++;
		}
		sched_yield();
	}
	if (peer_ends) { /* a reset */
		struct linger now = { 1, 0 };

		setsockopt(t.peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(t.peer);
		shutdown(t.plain, SHUT_RDWR);
	} else {
		close(t.plain);
		shutdown(t.peer, SHUT_RD);
		close(t.peer);
	}
	ended();
	end();
}

static void peer_ends_while_blocked(void)
{
	ends_while_blocked(true);
}

static void user_ends_while_blocked(void)
{
	ends_while_blocked(false);
}

/* The user closes, and its last words still go out. */
static void last_words(void)
{
	static uint8_t bytes[40 * 1024], got[sizeof(bytes) + RECORD_MAX];
	size_t at = 0;

	fill(bytes, sizeof(bytes));
	start();
	put(t.plain, bytes, sizeof(bytes));
	close(t.plain);
	while (at < sizeof(bytes))
		at += take_record(got + at);
	CHECK_BYTES(got, bytes, sizeof(bytes));
	CHECK(at_end(t.peer));
	CHECK_STR(ended(), "");
	end();
}

static pid_t find_child(void)
{
	siginfo_t info = { 0 };
	char path[64], text[256];
	FILE *f;
	pid_t pid;

	must(!waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), "have a child");
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "r");
	must(f && fscanf(f, "%d", &pid) == 1, "find the child");
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "r");
	must(f && fgets(text, sizeof(text), f), "read its name");
	fclose(f);
	CHECK_STR(text, "@usbiphp-tls\n");
	return pid;
}

/* The peer reads nothing, so the process has text that it cannot get rid of. */
static void ended_by_its_caller(void)
{
	static uint8_t bytes[RECORD_TEXT_MAX];
	int connection;

	start();
	connection = dup(t.connection);
	must(connection >= 0, "keep another");
	fcntl(t.plain, F_SETFL, O_NONBLOCK);
	for (unsigned tries = 0; tries < 1000; sched_yield())
		tries += send(t.plain, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0;
	relay_end(&t.connection);
	CHECK_INT(t.connection, -1);
	CHECK_STR(ended(), "");
	relay_end(&t.connection);
	CHECK_INT(t.connection, -1);
	close(connection);
	end();
}

static void has_little(void)
{
	char path[64], name[8];
	uint8_t got[RECORD_MAX];
	struct dirent *entry;
	unsigned others = 0;
	DIR *dir;

	start();
	put(t.plain, "x", 1);
	take_record(got); /* it runs */
	snprintf(path, sizeof(path), "/proc/%d/fd", find_child());
	dir = opendir(path);
	must(dir, "list descriptors");
	while ((entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%.7s", entry->d_name);
		others += *name != '.' && atoi(name) > STDERR_FILENO;
	}
	closedir(dir);
	CHECK_INT(others, 2);
	close(t.plain);
	CHECK_STR(ended(), "");
	end();
}

static void no_process(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct tls tls = { .key = t.keys.key, .in = cipher(1) };

	fork_fails = true;
	CHECK_INT(relay_start(&tls, fd), -EAGAIN);
	fork_fails = false;
	CHECK(tls.key == t.keys.key && !tls.in.aead);
	close(fd);
	CHECK_INT(open("/dev/null", O_RDONLY | O_CLOEXEC), fd); /* nothing is left open */
	close(fd);
}

int main(void)
{
	RUN("t_relay: text of every size", sizes);
	RUN("t_relay: records in pieces, and empty ones", pieces);
	RUN("t_relay: nobody reads for a while", nobody_reads);
	RUN("t_relay: the other end sends no more", peer_half_closed);
	RUN("t_relay: the user sends no more", user_half_closed);
	RUN("t_relay: the other end is gone while the user has much to send", user_has_much);
	RUN("t_relay: an alert that closes", close_notify);
	RUN("t_relay: records that may not be", bad_records);
	RUN("t_relay: a record twice, or left out", order);
	RUN("t_relay: the other end is gone while the user does not read", peer_ends_while_blocked);
	RUN("t_relay: the user is gone while the other end does not read", user_ends_while_blocked);
	RUN("t_relay: last words of the user", last_words);
	RUN("t_relay: its caller ends the connection", ended_by_its_caller);
	RUN("t_relay: what it has", has_little);
	RUN("t_relay: no process", no_process);
	return check_status();
}
