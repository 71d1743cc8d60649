/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/resolve: hosts that are addresses, also inside the sandbox, and the look-up of a
 * name in a child, whose getaddrinfo() is the test's. t_request has the failures of a look-up.
 * LINK: -Wl,--wrap=getaddrinfo,--wrap=fork
 */
#include "loop/resolve.h"

#include "lib/sandbox.h"
#include "loop/child.h"
#include "tests/files.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/wait.h>
#include <unistd.h>

int __real_fork(void);
int __wrap_fork(void);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		       struct addrinfo **list);

static unsigned forks;

int __wrap_fork(void)
{
	forks++;
	return __real_fork();
}

/* 10.0.0.7 and fe80::7%9, and between them an address that is too long for any family we know. */
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		       struct addrinfo **list)
{
	static struct sockaddr_in v4 = { .sin_family = AF_INET };
	static struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_scope_id = 9 };
	static struct addrinfo info[3] = {
		{ .ai_addr = (struct sockaddr *)&v4, .ai_addrlen = sizeof(v4), .ai_next = &info[1] },
		{ .ai_addr = NULL, .ai_addrlen = sizeof(v6) + 1, .ai_next = &info[2] },
		{ .ai_addr = (struct sockaddr *)&v6, .ai_addrlen = sizeof(v6) },
	};

	must(hints->ai_flags == AI_NUMERICSERV && hints->ai_socktype == SOCK_STREAM, "hints");
	if (!strcmp(host, "too.long")) {
		info[0] = info[1];
		info[0].ai_next = NULL;
	} else if (strcmp(host, "pi.lan") != 0) {
		errno = strcmp(host, "no.errno") ? EMFILE : 0;
		return !strcmp(host, "out.of.files") || !errno ? EAI_SYSTEM : EAI_NONAME;
	}
	v4.sin_port = v6.sin6_port = htons((uint16_t)atoi(port));
	inet_pton(AF_INET, "10.0.0.7", &v4.sin_addr);
	inet_pton(AF_INET6, "fe80::7", &v6.sin6_addr);
	*list = info;
	return 0;
}

static struct endpoint endpoint_of(const char *text)
{
	struct endpoint endpoint;

	must(!endpoint_parse(&endpoint, text, "3240"), text);
	return endpoint;
}

static void addresses_in_text(void)
{
	const struct {
		const char *text, *address; /* NULL: it is a name */
		unsigned scope;
		int errnum;
	} row[] = {
		{ "10.0.0.7", "10.0.0.7", 0, 0 },
		{ "127.0.0.1:77", "127.0.0.1", 0, 0 },
		{ "[fe80::1]", "fe80::1", 0, 0 },
		{ "[2001:db8::7]:77", "2001:db8::7", 0, 0 },
		{ "[fe80::1%lo]:77", "fe80::1", if_nametoindex("lo"), 0 },
		{ "[fe80::1%7]", "fe80::1", 7, 0 },
		{ "[fe80::1%nowhere]", "fe80::1", 0, ENODEV },
		{ "[fe80::x]", "fe80::1", 0, EINVAL },
		{ "pi.lan", NULL, 0, 0 },
		{ "10.0.0.7.lan", NULL, 0, 0 },
		{ "10.0.0.256.lan", NULL, 0, 0 },
		{ "10.1", NULL, 0, 0 }, /* libc knows */
		{ "fe80", NULL, 0, 0 },
		{ "10.0.0.7%lo", NULL, 0, 0 },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct endpoint endpoint = endpoint_of(row[i].text);
		struct addresses got;
		bool is;

		memset(&got, 0xa5, sizeof(got));
		is = resolve_address(&endpoint, &got);
		if (is != (row[i].address != NULL))
			check_fault(__FILE__, __LINE__, "%s: %d", row[i].text, is);
		if (!is || !row[i].address)
			continue;
		CHECK_INT(got.error, row[i].errnum);
		CHECK_INT(got.count, row[i].errnum ? 0 : 1);
		if (row[i].errnum) {
			CHECK_STR(resolve_strerror(got.error), strerror(row[i].errnum));
			continue;
		}
		struct in6_addr want, address;

		must(addr_parse(row[i].address, &want), "parse the address");
		CHECK_INT(addr_split(&got.address[0], &address), atoi(endpoint.port));
		CHECK_BYTES(&address, &want, sizeof(want));
		CHECK_INT(got.address[0].len, strchr(row[i].address, ':') ?
						      sizeof(struct sockaddr_in6) :
						      sizeof(struct sockaddr_in));
		if (strchr(row[i].address, ':'))
			CHECK_INT(got.address[0].sa.v6.sin6_scope_id, row[i].scope);
	}
	CHECK_INT(forks, 0); /* none needed a child */
}

/* In a process of its own: what it gives up it never gets back. Exits with the failed step. */
static int steps_in_sandbox(const char *root)
{
	struct endpoint v4 = endpoint_of("10.0.0.7"), v6 = endpoint_of("[fe80::1%lo]:77");
	struct addresses addresses;
	struct sysfs sysfs;

	if (sysfs_open(&sysfs, root))
		return 1;
	sandbox_enter(sysfs.root, root, root, NULL, 0);
	if (!resolve_address(&v4, &addresses) || addresses.count != 1)
		return 2;
	if (!resolve_address(&v6, &addresses) || addresses.count != 1)
		return 3;
	return addresses.address[0].sa.v6.sin6_scope_id ? 0 : 4;
}

static void addresses_in_sandbox(void)
{
	char root[TEMP_SIZE];
	int status = 0;
	pid_t pid;

	temp_make(root);
	put_file(root, "bus/usb/file", "1");
	put_file(root, "devices/file", "1");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid)
		_exit(steps_in_sandbox(root));
	must(waitpid(pid, &status, 0) == pid, "wait");
	CHECK_INT(status, 0);
	temp_remove(root);
}

static struct {
	struct loop loop;
	struct child child;
	struct addresses addresses;
	unsigned done;
} t;

static void pass(void *ctx)
{
	(void)ctx;
}

static bool done(void *ctx)
{
	(void)ctx;
	return t.done > 0;
}

static void child_done(struct child *child, bool whole)
{
	CHECK(child == &t.child);
	CHECK(whole);
	t.done++;
}

static void look_up(const char *host)
{
	static const struct loop_role role = { pass, pass, done };
	struct child_work work = { .run = resolve_name, .result = &t.addresses,
				   .size = sizeof(t.addresses) };
	struct endpoint endpoint = endpoint_of(host);

	memset(&t, 0, sizeof(t));
	must(!loop_open(&t.loop, 3600 * 1000, &role, NULL), "open the loop");
	work.arg = &endpoint;
	CHECK_INT(child_start(&t.loop, &t.child, &work, child_done), 0);
	CHECK_INT(t.done, 0);
	loop_run(&t.loop);
	CHECK_INT(t.done, 1);
	loop_close(&t.loop);
}

static void names(void)
{
	const struct addresses *got = &t.addresses;

	look_up("pi.lan:77");
	CHECK_INT(got->error, 0);
	CHECK_INT(got->count, 2);
	CHECK_INT(got->address[0].sa.v4.sin_family, AF_INET);
	CHECK_INT(got->address[0].sa.v4.sin_port, htons(77));
	CHECK_INT(got->address[0].sa.v4.sin_addr.s_addr, htonl(0x0a000007));
	CHECK_INT(got->address[1].len, sizeof(struct sockaddr_in6));
	CHECK_INT(got->address[1].sa.v6.sin6_scope_id, 9);
	look_up("too.long");
	CHECK_INT(got->error, EAI_NONAME);
	CHECK_INT(got->count, 0);
	look_up("nobody.invalid");
	CHECK_INT(got->error, EAI_NONAME);
	CHECK_STR(resolve_strerror(got->error), gai_strerror(EAI_NONAME));
	look_up("out.of.files");
	CHECK_INT(got->error, EMFILE);
	CHECK_STR(resolve_strerror(got->error), strerror(EMFILE));
	look_up("no.errno");
	CHECK_INT(got->error, EAI_FAIL); /* 0 would promise addresses */
}

int main(void)
{
	RUN("t_resolve: addresses", addresses_in_text);
	RUN("t_resolve: addresses inside the sandbox", addresses_in_sandbox);
	RUN("t_resolve: names", names);
	return check_status();
}
