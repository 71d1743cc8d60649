/* SPDX-License-Identifier: MIT */
/* Tests of client/query: one list, waited for, from a server in a process of its own. */
#include "client/request.h"

#include "tests/files.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { TIMEOUT_S = 60 };

static struct query it;
static struct endpoint endpoint;
static unsigned devices;

static void count(struct request *request, const struct reply_item *item)
{
	(void)item;
	++*(unsigned *)request->ctx;
}

static int begin(bool listening)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);
	char name[40];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && !bind(fd, (struct sockaddr *)&address, len) &&
		     !getsockname(fd, (struct sockaddr *)&address, &len) &&
		     (!listening || !listen(fd, 4)),
	     "listen");
	snprintf(name, sizeof(name), "127.0.0.1:%u", ntohs(address.sin_port));
	must(!endpoint_parse(&endpoint, name, "1"), "parse");
	memset(&it, 0, sizeof(it));
	it.target.endpoint = &endpoint;
	devices = 0;
	return fd;
}

/* Answers one request with that, and hangs up when the other end does. */
static pid_t serve(int fd, const void *reply, size_t len)
{
	pid_t pid = fork();
	uint8_t request[OP_COMMON_SIZE], more;
	int peer;

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	alarm(TIMEOUT_S);
	peer = accept(fd, NULL, NULL);
	if (recv(peer, request, sizeof(request), MSG_WAITALL) != sizeof(request) ||
	    request[3] != 0x05 || send(peer, reply, len, MSG_NOSIGNAL) != (ssize_t)len)
		_exit(1);
	_exit(recv(peer, &more, 1, 0) > 0);
}

static void served(pid_t pid)
{
	int status = -1;

	must(waitpid(pid, &status, 0) == pid, "wait for the server");
	CHECK_INT(status, 0);
}

/* The fixture's reply, marked or not, with more behind it or not. */
static bool answered(const char *path, bool marked, bool more)
{
	size_t len;
	uint8_t *p = hex_read(path, &len, NULL), *twice = malloc(2 * (len + OP_MARK_SIZE));
	int fd = begin(true);
	pid_t pid;
	bool ok;

	must(twice && len >= OP_COMMON_SIZE, "allocate");
	memcpy(twice, p, len);
	if (marked)
		len = op_devlist_mark(twice, len, 5);
	memset(twice + len, 0xff, len);
	pid = serve(fd, twice, more ? 2 * len : len);
	ok = query_list(&it, count, &devices);
	served(pid);
	close(fd);
	free(twice);
	block_free(p);
	return ok;
}

static void list(void)
{
	CHECK(answered(FIXTURES "packets/rep_devlist_several.hex", false, false));
	CHECK(devices > 1);
	CHECK_INT(it.request.outcome, REQUEST_OK);
	CHECK(!it.loop.stopping);
	CHECK(answered(FIXTURES "packets/rep_devlist_empty.hex", false, false));
	CHECK_INT(devices, 0);
	CHECK(!it.request.reply.marked);
}

/* The list is what was asked for, whatever comes behind; and whether it is marked. */
static void marked(void)
{
	for (unsigned mark = 0; mark < 2; mark++) {
		CHECK(answered(FIXTURES "packets/rep_devlist_several.hex", mark, true));
		CHECK(devices > 1);
		CHECK_INT(it.request.reply.marked, mark);
	}
	CHECK(answered(FIXTURES "packets/rep_devlist_empty.hex", true, false));
	CHECK_INT(devices, 0);
	CHECK(it.request.reply.marked);
}

static void malformed(void)
{
	CHECK(!answered(FIXTURES "hostile/rep_devlist_version.hex", false, false));
	CHECK_INT(it.request.outcome, REQUEST_FAILED);
	CHECK_STR(it.request.reason, op_strerror(-EPROTONOSUPPORT));
}

static void refused(void)
{
	int fd = begin(false);

	CHECK(!query_list(&it, count, &devices));
	CHECK_INT(it.request.outcome, REQUEST_UNREACHABLE);
	CHECK_STR(it.request.reason, strerror(ECONNREFUSED));
	CHECK(!it.loop.stopping);
	close(fd);
}

/* The signal waits until it can be heard. */
static void stopped(void)
{
	int fd = begin(true); /* nobody answers */
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	must(!sigprocmask(SIG_BLOCK, &set, NULL) && !raise(SIGINT), "raise");
	CHECK(!query_list(&it, count, &devices));
	CHECK(it.loop.stopping);
	close(fd);
}

static void no_descriptors(void)
{
	int fd = begin(true);

	spare_files(0);
	CHECK(!query_list(&it, count, &devices));
	spare_files(-1);
	CHECK_INT(it.request.outcome, REQUEST_FAILED);
	CHECK_STR(it.request.reason, strerror(EMFILE));
	close(fd);
}

static void no_leak(void)
{
	unsigned before = open_files();

	list();
	marked();
	malformed();
	refused();
	stopped();
	no_descriptors();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_query: a list", list);
	RUN("t_query: a list with a mark", marked);
	RUN("t_query: a list that is none", malformed);
	RUN("t_query: nobody there", refused);
	RUN("t_query: told to stop", stopped);
	RUN("t_query: no descriptor to be had", no_descriptors);
	RUN("t_query: no descriptor is left open", no_leak);
	return check_status();
}
