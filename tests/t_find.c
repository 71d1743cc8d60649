/* SPDX-License-Identifier: MIT */
/*
 * Tests of usbiphp find: what is asked in the network, which answers make a server, and the output.
 * t_names.py has a real responder.
 * LINK: -Wl,--wrap=multicast_ask,--wrap=query_confine,--wrap=query_count,--wrap=ioctl
 * LINK: -Wl,--wrap=log_line
 */
#include "client/client.h"
#include "client/request.h"
#include "cmd/cmd.h"
#include "loop/multicast.h"

#include "tests/said.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum { RECORDS_MAX = 200, ETH = 7 };

/* What the network answers to a try. */
struct answer {
	unsigned try;
	struct mdns_record record;
	uint8_t address[16];
};

static struct {
	struct answer answer[RECORDS_MAX];
	unsigned answers;
	unsigned questions[8]; /* in each try; of the child */
	bool dies;
	unsigned confined; /* servers */
	unsigned asked;
} *net;

void __wrap_multicast_ask(const struct multicast *multicast);
void __wrap_query_confine(struct ssh *ssh, const struct psk *key, const struct endpoint *server,
			  unsigned servers);
bool __wrap_query_count(struct query *query, unsigned *devices);
int __wrap_ioctl(int fd, int code, void *arg);

void __wrap_multicast_ask(const struct multicast *multicast)
{
	struct mdns_query query;

	if (net->dies)
		_exit(1);
	for (unsigned try = 0; try < multicast->tries; try++) {
		mdns_query_begin(&query);
		multicast->ask(multicast->ctx, &query);
		net->questions[try] = query.bytes[5];
		for (unsigned i = 0; i < net->answers; i++)
			if (net->answer[i].try == try &&
			    multicast->take(multicast->ctx, &net->answer[i].record, ETH))
				_exit(1);
	}
}

void __wrap_query_confine(struct ssh *ssh, const struct psk *key, const struct endpoint *server,
			  unsigned servers)
{
	(void)ssh;
	(void)key;
	net->confined = servers;
	for (unsigned i = 0; i < servers; i++)
		must(!server[i].through[0], "be no server behind ssh");
}

/* A host with a "7" does not answer. */
bool __wrap_query_count(struct query *query, unsigned *devices)
{
	const struct request_target *target = &query->target;

	must(target->addresses.count, "have an address");
	net->asked++;
	*devices = 3;
	return !strchr(target->endpoint->host, '7');
}

int __wrap_ioctl(int fd, int code, void *arg)
{
	struct ifreq *request = arg;

	must(fd >= 0 && (unsigned)code == SIOCGIFNAME && request->ifr_ifindex == ETH,
	     "ask for its name");
	strcpy(request->ifr_name, "eth0");
	return 0;
}

static void begin(void)
{
	memset(net, 0, sizeof(*net));
}

static struct mdns_record *answer(unsigned try, enum mdns_type type, const char *name)
{
	struct answer *new = &net->answer[net->answers++];

	must(net->answers <= RECORDS_MAX, "play an answer");
	new->try = try;
	new->record.type = type;
	must(mdns_name_parse(&new->record.name, name), name);
	new->record.address = new->address;
	return &new->record;
}

static void answer_ptr(unsigned try, const char *instance)
{
	struct mdns_record *record = answer(try, MDNS_PTR, "_USBIP._tcp.local");

	must(mdns_name_parse(&record->target, instance), instance);
}

static void answer_srv(unsigned try, const char *instance, const char *host, uint16_t port)
{
	struct mdns_record *record = answer(try, MDNS_SRV, instance);

	must(mdns_name_parse(&record->target, host), host);
	record->port = port;
}

static void answer_address(unsigned try, const char *host, const char *address)
{
	bool v6 = strchr(address, ':');
	struct mdns_record *record = answer(try, v6 ? MDNS_AAAA : MDNS_A, host);

	inet_pton(v6 ? AF_INET6 : AF_INET, address, (void *)(uintptr_t)record->address);
}

/* A server that tells all at once. */
static void answer_all(const char *name, const char *host, const char *address)
{
	char instance[200];

	snprintf(instance, sizeof(instance), "%s._usbip._tcp.local", name);
	answer_ptr(0, instance);
	answer_srv(0, instance, host, 3240);
	answer_address(0, host, address);
}

static char printed[8192];

static int find(bool json)
{
	static struct endpoint endpoint[CLIENT_SERVERS_MAX];
	struct daemon_options options = { 0 };
	int out = memfd_create("out", MFD_CLOEXEC), before = dup(STDOUT_FILENO), status;

	must(out >= 0 && before >= 0, "keep the output");
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	said_forget();
	status = cmd_find(&options, endpoint, json);
	dup2(before, STDOUT_FILENO);
	close(before);
	memset(printed, 0, sizeof(printed));
	must(pread(out, printed, sizeof(printed) - 1, 0) >= 0, "read the output");
	close(out);
	return status;
}

#define HEAD "NAME                  HOST                  PORT   DEVICES  ADDRESSES\n"

static void servers(void)
{
	begin();
	answer_all("Pi", "pi.local", "10.0.0.7");
	answer_address(0, "PI.local", "fe80::7");
	answer_all("Pi", "pi.local", "10.0.0.7"); /* again */
	answer_ptr(0, "Other._usbip._tcp.local");
	answer_srv(0, "Pi._usbip._tcp.local", "liar.local", 77); /* the first one counts */
	answer_address(0, "liar.local", "10.0.0.66");
	answer_srv(1, "Other._usbip._tcp.local", "box7.local", 3241);
	answer_address(2, "box7.local", "fd00::8");
	CHECK_INT(find(false), 0);
	CHECK_STR(printed, HEAD
		  "Pi                    pi.local              3240   3        10.0.0.7, "
		  "fe80:0:0:0:0:0:0:7%eth0\n"
		  "Other                 box7.local            3241   -        "
		  "fd00:0:0:0:0:0:0:8\n");
	CHECK_INT(net->confined, 2);
	CHECK_INT(net->questions[0], 1); /* PTR */
	CHECK_INT(net->questions[1], 1); /* SRV */
	CHECK_INT(net->questions[2], 3); /* PTR, A, AAAA */
	CHECK_INT(net->questions[3], 0);
	CHECK_INT(find(true), 0);
	CHECK_STR(printed, "{\"version\":1,\"servers\":["
		  "{\"name\":\"Pi\",\"host\":\"pi.local\",\"port\":3240,\"devices\":3,"
		  "\"addresses\":[\"10.0.0.7\",\"fe80:0:0:0:0:0:0:7%eth0\"]},"
		  "{\"name\":\"Other\",\"host\":\"box7.local\",\"port\":3241,\"devices\":null,"
		  "\"addresses\":[\"fd00:0:0:0:0:0:0:8\"]}]}\n");
}

static void nobody(void)
{
	begin();
	CHECK_INT(find(false), 1);
	CHECK_STR(printed, "");
	CHECK_INT(log_kept.lines, 1);
	CHECK_INT(said("usbiphp list HOST"), 1);
	CHECK_INT(find(true), 1);
	CHECK_STR(printed, "{\"version\":1,\"servers\":[]}\n");
	CHECK_INT(log_kept.lines, 1);
	begin();
	net->dies = true;
	answer_all("Pi", "pi.local", "10.0.0.7");
	CHECK_INT(find(false), 1);
}

/* What is announced, but is no server to connect to. */
static void lies(void)
{
	static const char *const host[] = {
		"ssh://-oProxyCommand=x", "ssh://pi", "pi:77", "[fe80::1]", "-pi", "p i", "p\x1bi",
		"p\xc3\xa9",
	};
	char name[2] = "a";

	begin();
	for (size_t i = 0; i < LENGTH(host); i++, name[0]++)
		answer_all(name, host[i], "10.0.0.66");
	answer_ptr(0, "port._usbip._tcp.local");
	answer_srv(0, "port._usbip._tcp.local", "port.local", 0);
	answer_address(0, "port.local", "10.0.0.66");
	answer_ptr(0, "nowhere._usbip._tcp.local");
	answer_srv(0, "nowhere._usbip._tcp.local", "nowhere.local", 3240);
	answer_ptr(0, "hostless._usbip._tcp.local");
	answer_srv(0, "stranger._usbip._tcp.local", "stranger.local", 3240);
	answer_address(0, "stranger.local", "10.0.0.66");
	mdns_name_parse(&answer(0, MDNS_PTR, "_http._tcp.local")->target, "w._http._tcp.local");
	answer_srv(0, "w._http._tcp.local", "w.local", 80);
	answer_address(0, "w.local", "10.0.0.66");
	CHECK_INT(find(false), 1);
	CHECK_INT(net->asked, 0);
	answer_all("x\x1b[2J\"\n", "pi.local", "10.0.0.7");
	CHECK_INT(find(false), 0);
	CHECK_STR(printed, HEAD
		  "x?[2J\"?               pi.local              3240   3        10.0.0.7\n");
	CHECK_INT(find(true), 0);
	CHECK(strstr(printed, "\"name\":\"x\\u001b[2J\\\"\\u000a\","));
}

static void floods(void)
{
	char name[20], host[20];

	begin();
	for (unsigned i = 0; i < RECORDS_MAX / 3; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		snprintf(host, sizeof(host), "h%u.local", i);
		answer_all(name, host, "10.0.0.9");
	}
	CHECK_INT(find(false), 0);
	CHECK_INT(net->confined, CLIENT_SERVERS_MAX);
}

int main(void)
{
	net = mmap(NULL, sizeof(*net), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(net != MAP_FAILED, "share memory");
	RUN("t_find: servers", servers);
	RUN("t_find: nobody", nobody);
	RUN("t_find: lies", lies);
	RUN("t_find: floods", floods);
	return check_status();
}
