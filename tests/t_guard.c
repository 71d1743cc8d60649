/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/guard: a real process between two pairs of sockets. What goes on both ways, also
 * when nobody reads for a while; what ends it; what it logs; and what it has. It says when it enters
 * its sandbox, and does not, as the sanitizers need more calls than that allows.
 * LINK: -Wl,--wrap=sandbox_enter_guard
 */
#include "client/guard.h"

#include "client/flow.h"
#include "lib/sandbox.h"
#include "lib/str.h"
#include "tests/files.h"
#include "tls/keys.h"
#include "loop/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { PORT = 3, DEADLINE_MS = 60000 };

static struct {
	char run[TEMP_SIZE], argv0[40];
	int kernel, server; /* the far ends */
	int connection;	    /* as the client keeps it, to watch it */
	int log;
	uint32_t patience; /* 0: without an end */
	pid_t pid;
	struct keys keys;
} t;

void __wrap_sandbox_enter_guard(void);

void __wrap_sandbox_enter_guard(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the test ends */
	must(write(STDERR_FILENO, "sandbox\n", 8) == 8, "tell the test");
}

static pid_t find_child(void)
{
	char path[64], text[256];
	FILE *f;
	pid_t pid = 0, parent;
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	must(dir, "list processes");
	while (!pid && (entry = readdir(dir))) {
		if (*entry->d_name < '0' || *entry->d_name > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/stat", entry->d_name);
		f = fopen(path, "r");
		if (f && fgets(text, sizeof(text), f) && strstr(text, "(@usbiphp-guard)") &&
		    sscanf(strrchr(text, ')'), ") %*c %d", &parent) == 1 && parent == getpid())
			pid = atoi(entry->d_name);
		if (f)
			fclose(f);
	}
	closedir(dir);
	return pid;
}

static void start_again(void)
{
	int kernel[2], server[2], log[2], saved = dup(STDERR_FILENO);

	strcpy(t.argv0, "/opt/usbip/usbiphp-client");
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, kernel) &&
	     !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, server) &&
	     !pipe2(log, O_CLOEXEC), "make the sockets");
	child_set_origin(t.argv0, &t.keys);
	fflush(stdout);
	dup2(log[1], STDERR_FILENO);
	CHECK_INT(guard_start(t.run, PORT, server[0], kernel[0], "1-1 (0951:1666) at pi",
			      t.patience), 0);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(log[1]);
	close(kernel[0]);
	t.connection = server[0];
	t.kernel = kernel[1];
	t.server = server[1];
	t.log = log[0];
	CHECK_STR(t.argv0, "/opt/usbip/usbiphp-client");
}

static void start(void)
{
	temp_make(t.run);
	start_again();
}

/* The process has ended by itself; returns what it logged. */
static const char *ended(void)
{
	static char text[1000];
	size_t len = 0;
	ssize_t n;
	int status;

	must(wait(&status) > 0, "wait for the guard");
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	while (len < sizeof(text) - 1 && (n = read(t.log, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

static void close_all(void)
{
	close(t.kernel);
	close(t.server);
	close(t.connection);
	close(t.log);
}

static void end(void)
{
	close_all();
	guard_forget(t.run, PORT);
	CHECK(!rmdir(t.run));
}

static void expect(int fd, const uint8_t *bytes, size_t len)
{
	uint8_t *got = malloc(len);
	size_t at = 0;
	ssize_t n;

	must(got, "allocate");
	while (at < len) {
		must(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, DEADLINE_MS) > 0, "wait for bytes");
		n = recv(fd, got + at, len - at, 0);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	CHECK_INT(at, len);
	CHECK(!memcmp(got, bytes, at));
	free(got);
}

static bool at_end(int fd)
{
	uint8_t byte;

	must(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, DEADLINE_MS) > 0, "wait for the end");
	return recv(fd, &byte, 1, 0) <= 0;
}

static size_t submit(uint8_t *bytes, uint32_t seqnum, bool in, uint32_t length)
{
	const struct urb_command command = { .code = URB_CMD_SUBMIT, .seqnum = seqnum, .in = in,
					     .endpoint = 2, .length = length };

	urb_command_encode(bytes, &command);
	for (uint32_t i = 0; !in && i < length; i++)
		bytes[URB_SIZE + i] = (uint8_t)(i * 7 + (i >> 9));
	return URB_SIZE + (in ? 0 : length);
}

static size_t answer(uint8_t *bytes, uint32_t seqnum, bool in, uint32_t length)
{
	const struct urb_reply reply = { .code = URB_RET_SUBMIT, .seqnum = seqnum,
					 .length = length };

	urb_reply_encode(bytes, &reply);
	for (uint32_t i = 0; in && i < length; i++)
		bytes[URB_SIZE + i] = (uint8_t)(i * 5 + (i >> 10));
	return URB_SIZE + (in ? length : 0);
}

static void put(int fd, const uint8_t *bytes, size_t len)
{
	must(send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

static void goes_on(void)
{
	static uint8_t bytes[URB_SIZE + 512];
	struct guard_page page;
	size_t len;

	start();
	len = submit(bytes, 1, false, 512);
	put(t.kernel, bytes, len);
	expect(t.server, bytes, len);
	len = answer(bytes, 1, false, 512);
	put(t.server, bytes, len);
	expect(t.kernel, bytes, len);
	len = submit(bytes, 2, true, 512);
	put(t.kernel, bytes, len);
	expect(t.server, bytes, len);
	CHECK(guard_read(t.run, PORT, &page));
	CHECK_INT(page.counters.urbs, 1);
	CHECK_INT(page.counters.bytes_out, 512);
	CHECK_INT(page.counters.in_flight, 1);
	CHECK(!guard_read(t.run, PORT + 1, &page));
	shutdown(t.server, SHUT_RDWR);
	CHECK(at_end(t.kernel));
	CHECK_STR(ended(), "sandbox\n");
	CHECK(!guard_read(t.run, PORT, &page));
	end();
}

/* The kernel waits for the answer, and the server has none. */
static void unlink_of_before(void)
{
	const struct urb_command unlink = { .code = URB_CMD_UNLINK, .seqnum = 8, .victim = 7 };
	const struct urb_reply reply = { .code = URB_RET_UNLINK, .seqnum = 8 };
	uint8_t bytes[URB_SIZE];

	start();
	urb_command_encode(bytes, &unlink);
	put(t.kernel, bytes, URB_SIZE);
	urb_reply_encode(bytes, &reply);
	expect(t.kernel, bytes, URB_SIZE);
	put(t.kernel, bytes, submit(bytes, 9, true, 18));
	expect(t.server, bytes, URB_SIZE);
	shutdown(t.server, SHUT_RDWR);
	CHECK(at_end(t.kernel));
	CHECK_STR(ended(), "sandbox\n");
	end();
}

/* A part of an answer is kept until the rest has come. */
static void whole_answers(void)
{
	uint8_t bytes[URB_SIZE + 100], request[URB_SIZE];
	size_t len;

	start();
	put(t.kernel, request, submit(request, 1, true, 100));
	expect(t.server, request, submit(request, 1, true, 100));
	len = answer(bytes, 1, true, 100);
	put(t.server, bytes, URB_SIZE + 50);
	/* it has come to the guard before the second of these is passed on */
	for (uint32_t i = 2; i <= 3; i++) {
		put(t.kernel, request, submit(request, i, true, 100));
		expect(t.server, request, submit(request, i, true, 100));
	}
	CHECK_INT(recv(t.kernel, request, 1, MSG_DONTWAIT), -1);
	put(t.server, bytes + URB_SIZE + 50, 50);
	expect(t.kernel, bytes, len);
	shutdown(t.server, SHUT_RDWR);
	CHECK(at_end(t.kernel));
	CHECK_STR(ended(), "sandbox\n");
	end();
}

/* What a child sends, while nobody reads, and then all of it is read. */
static void flood(int from, int to, size_t (*make)(uint8_t *, uint32_t, bool, uint32_t), bool in)
{
	enum { LENGTH_EACH = 1 << 20, NUMBER = 8 };
	uint8_t *bytes = malloc(URB_SIZE + LENGTH_EACH);
	struct pollfd blocked = { from, POLLOUT, 0 };
	pid_t pid = fork();
	size_t len;
	int status;

	must(bytes && pid >= 0, "fork");
	if (!pid) {
		for (uint32_t i = 1; i <= NUMBER; i++) {
			len = make(bytes, i, in, LENGTH_EACH);
			for (size_t at = 0; at < len;) {
				ssize_t n = send(from, bytes + at, len - at, MSG_NOSIGNAL);

				if (n <= 0)
					_exit(1);
				at += (size_t)n;
			}
		}
		_exit(0);
	}
	while (poll(&blocked, 1, 0) > 0) /* until it is */
		;
	for (uint32_t i = 1; i <= NUMBER; i++) {
		len = make(bytes, i, in, LENGTH_EACH);
		expect(to, bytes, len);
	}
	must(waitpid(pid, &status, 0) == pid && !status, "send it all");
	free(bytes);
}

static void nobody_reads(void)
{
	uint8_t bytes[URB_SIZE];

	start();
	flood(t.kernel, t.server, submit, false);
	for (uint32_t i = 1; i <= 8; i++)
		put(t.server, bytes, answer(bytes, i, false, 5));
	for (uint32_t i = 1; i <= 8; i++)
		expect(t.kernel, bytes, answer(bytes, i, false, 5));
	for (uint32_t i = 1; i <= 8; i++)
		put(t.kernel, bytes, submit(bytes, i, true, 1 << 20));
	for (uint32_t i = 1; i <= 8; i++)
		expect(t.server, bytes, submit(bytes, i, true, 1 << 20));
	flood(t.server, t.kernel, answer, true);
	shutdown(t.kernel, SHUT_RDWR); /* as vhci-hcd does at a detach */
	CHECK(at_end(t.server));
	CHECK_STR(ended(), "sandbox\n");
	end();
}

/* Nobody reads on one side, and the other side has ended: it does not wait, nor spin. */
static void ends_while_blocked(bool server_ends)
{
	static uint8_t bytes[URB_SIZE + (1 << 20)];
	int from = server_ends ? t.server : t.kernel;
	size_t len;

	start();
	from = server_ends ? t.server : t.kernel;
	put(t.kernel, bytes, submit(bytes, 1, true, 1 << 20));
	expect(t.server, bytes, submit(bytes, 1, true, 1 << 20));
	len = server_ends ? answer(bytes, 1, true, 1 << 20) : submit(bytes, 2, false, 1 << 20);
	fcntl(from, F_SETFL, O_NONBLOCK);
	/* until the guard is blocked: most probably, as it has had the processor */
	for (size_t at = 0, tries = 0; at < len && tries < 1000;) {
		ssize_t n = send(from, bytes + at, len - at, MSG_NOSIGNAL);

		tries += n < 0;
		at += n > 0 ? (size_t)n : 0;
		sched_yield();
	}
	shutdown(from, SHUT_RDWR);
	CHECK_STR(ended(), "sandbox\n");
	end();
}

/* The server takes nothing, and then ends: the kernel gets rid of all that it has to send. */
static void kernel_has_much(void)
{
	enum { LENGTH_EACH = 8 << 20 };
	uint8_t *bytes = malloc(URB_SIZE + LENGTH_EACH);
	struct pollfd blocked = { 0, POLLOUT, 0 };
	size_t len;
	pid_t pid;
	int status;

	start();
	must(bytes, "allocate");
	len = submit(bytes, 1, false, LENGTH_EACH);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid)
		_exit(send(t.kernel, bytes, len, MSG_NOSIGNAL) != (ssize_t)len);
	blocked.fd = t.kernel;
	while (poll(&blocked, 1, 0) > 0) /* until it is */
		;
	shutdown(t.server, SHUT_RDWR);
	must(waitpid(pid, &status, 0) == pid, "wait for the kernel");
	CHECK_INT(status, 0);
	CHECK(at_end(t.kernel));
	CHECK_STR(ended(), "sandbox\n");
	free(bytes);
	end();
}

static void server_ends_while_blocked(void)
{
	ends_while_blocked(true);
}

static void kernel_ends_while_blocked(void)
{
	ends_while_blocked(false);
}

static void refuses(void)
{
	uint8_t bytes[2 * URB_SIZE];
	struct urb_reply reply = { .code = URB_RET_SUBMIT, .seqnum = 1, .status = 7 };

	start();
	put(t.kernel, bytes, submit(bytes, 1, true, 0));
	expect(t.server, bytes, submit(bytes, 1, true, 0));
	put(t.kernel, bytes, submit(bytes, 2, true, 0));
	expect(t.server, bytes, submit(bytes, 2, true, 0));
	answer(bytes, 2, true, 0);
	urb_reply_encode(bytes + URB_SIZE, &reply);
	put(t.server, bytes, sizeof(bytes));
	expect(t.kernel, bytes, URB_SIZE); /* the good one */
	CHECK(at_end(t.kernel));
	CHECK(at_end(t.server));
	CHECK_STR(ended(), "sandbox\n"
			   "usbiphp: 1-1 (0951:1666) at pi: the guard ends the session: an answer "
			   "of the server has a wrong status\n");
	end();
}

/* The server answers that much, or is asked to unlink, and then is silent. */
static void is_silent(size_t much)
{
	const struct urb_command unlink = { .code = URB_CMD_UNLINK, .seqnum = 2, .victim = 1 };
	uint8_t bytes[URB_SIZE + 100];

	t.patience = 100;
	start();
	t.patience = 0;
	put(t.kernel, bytes, submit(bytes, 1, true, 100));
	expect(t.server, bytes, submit(bytes, 1, true, 100));
	answer(bytes, 1, true, 100);
	if (much) {
		put(t.server, bytes, much);
	} else {
		urb_command_encode(bytes, &unlink);
		put(t.kernel, bytes, URB_SIZE);
	}
	CHECK_STR(ended(), "sandbox\n"
			   "usbiphp: 1-1 (0951:1666) at pi: the guard ends the session: the server "
			   "began an answer, has to unlink, or has all requests that fit, and is silent\n");
	end();
}

static void silent(void)
{
	is_silent(1);
	is_silent(URB_SIZE);
	is_silent(URB_SIZE + 99);
	is_silent(0);
}

/* The other end of the connection is the caller's as well, which keeps it to watch it. */
static void tells_the_caller(void)
{
	start();
	shutdown(t.kernel, SHUT_RDWR);
	CHECK(at_end(t.connection));
	CHECK_STR(ended(), "sandbox\n");
	end();
}

/* Another guard had the port, and has left its file. */
static void file_of_another(void)
{
	struct guard_page page;

	start();
	shutdown(t.kernel, SHUT_RDWR);
	ended();
	close_all();
	start_again();
	while (!guard_read(t.run, PORT, &page)) /* it sets the version when it runs */
		sched_yield();
	shutdown(t.kernel, SHUT_RDWR);
	ended();
	end();
}

/* Without a file it works, and is not shown. */
static void no_file(void)
{
	uint8_t bytes[URB_SIZE];
	struct guard_page page;
	char run[TEMP_SIZE];

	temp_make(t.run);
	memcpy(run, t.run, sizeof(run));
	strcpy(t.run, "/nonexistent");
	start_again();
	put(t.kernel, bytes, submit(bytes, 1, true, 0));
	expect(t.server, bytes, submit(bytes, 1, true, 0));
	put(t.server, bytes, answer(bytes, 1, true, 0));
	expect(t.kernel, bytes, answer(bytes, 1, true, 0));
	CHECK(!guard_read(t.run, PORT, &page));
	shutdown(t.kernel, SHUT_RDWR);
	ended();
	memcpy(t.run, run, sizeof(run));
	end();
}

static unsigned descriptors(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	must(dir, "list descriptors");
	for (struct dirent *entry; (entry = readdir(dir));)
		n += *entry->d_name != '.' && atoi(entry->d_name) > STDERR_FILENO;
	closedir(dir);
	return n;
}

/* The name is seen by whoever ends processes by theirs. */
static void has_little(void)
{
	uint8_t bytes[URB_SIZE];
	pid_t pid;

	start();
	put(t.kernel, bytes, submit(bytes, 1, true, 0));
	expect(t.server, bytes, submit(bytes, 1, true, 0)); /* it is in its sandbox */
	pid = find_child();
	CHECK(pid > 0);
	CHECK_INT(descriptors(pid), 3); /* two sockets, the file */
	shutdown(t.kernel, SHUT_RDWR);
	ended();
	end();
}

int main(void)
{
	RUN("t_guard: what fits goes on", goes_on);
	RUN("t_guard: an unlink of the session before", unlink_of_before);
	RUN("t_guard: an answer in two parts", whole_answers);
	RUN("t_guard: nobody reads for a while", nobody_reads);
	RUN("t_guard: the server ends while vhci-hcd does not read", server_ends_while_blocked);
	RUN("t_guard: the server ends while vhci-hcd has much to send", kernel_has_much);
	RUN("t_guard: vhci-hcd ends while the server does not read", kernel_ends_while_blocked);
	RUN("t_guard: what does not fit ends it", refuses);
	RUN("t_guard: a server that is silent amid an answer", silent);
	RUN("t_guard: the client sees the end", tells_the_caller);
	RUN("t_guard: the file of another one", file_of_another);
	RUN("t_guard: no file", no_file);
	RUN("t_guard: what it has", has_little);
	return check_status();
}
