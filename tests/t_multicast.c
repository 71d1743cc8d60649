/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/multicast, and of loop/resolve for names in .local: responders that are played
 * here: right ones, liars, floods and silence. t_names.py has a real one.
 * LINK: -Wl,--wrap=sendto,--wrap=recvfrom,--wrap=ioctl,--wrap=getaddrinfo,--wrap=loop_clock
 * LINK: -Wl,--wrap=file_each_line,--wrap=poll,--wrap=setsockopt
 */
#include "loop/multicast.h"

#include "lib/file.h"
#include "tests/check.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <sys/ioctl.h>

enum { ETH = 7, WLAN = 8, DOWN = 9, PLAIN = 10 /* interfaces */, ANSWERS_MAX = 16 };

/* An answer that a socket gets. */
struct answer {
	const char *from;
	uint16_t port;
	unsigned scope;
	size_t len;
	uint8_t bytes[256];
};

static struct {
	struct answer answer[ANSWERS_MAX];
	unsigned answers, next;
	unsigned to_try; /* answers come from this try on */
	unsigned sent[2][16]; /* by family and interface */
	unsigned by; /* what IP_MULTICAST_IF was set to */
	bool flood;  /* the last answer comes again and again */
	unsigned hosts; /* how often /etc/hosts was read */
	const char *hosts_line;
	unsigned asked_libc;
	uint64_t now;
	struct mdns_query query; /* the latest */
} net;

int __wrap_ioctl(int fd, int code, void *arg);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		       struct addrinfo **list);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
uint64_t __wrap_loop_clock(void);
int __wrap_file_each_line(int dir, const char *path, bool (*visit)(void *ctx, char *line),
			  void *ctx);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms);
ssize_t __wrap_sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to,
		      socklen_t size);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from,
			socklen_t *len);

/* eth0 has 10.0.0.1/24, wlan0 no IPv4 address; eth1 is down, and tun0 cannot multicast. */
int __wrap_ioctl(int fd, int code, void *arg)
{
	struct ifreq *request = arg;
	struct sockaddr_in *v4 = (void *)&request->ifr_addr;
	const char *name = request->ifr_name;

	must(fd >= 0, "have a socket");
	if ((unsigned)code == SIOCGIFFLAGS) {
		request->ifr_flags = (short)(IFF_MULTICAST | (strcmp(name, "eth1") ? IFF_UP : 0));
		if (!strcmp(name, "tun0"))
			request->ifr_flags = IFF_UP;
		return strcmp(name, "gone0") ? 0 : -1;
	}
	if ((unsigned)code == SIOCGIFINDEX) {
		request->ifr_ifindex = !strcmp(name, "eth0")  ? ETH :
				       !strcmp(name, "wlan0") ? WLAN :
				       !strcmp(name, "eth1")  ? DOWN :
								PLAIN;
		return 0;
	}
	if (strcmp(name, "eth0") != 0)
		return -1;
	v4->sin_addr.s_addr = htonl((unsigned)code == SIOCGIFADDR ? 0x0a000001 : 0xffffff00);
	return 0;
}

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		       struct addrinfo **list)
{
	(void)host;
	(void)port;
	(void)hints;
	(void)list;
	net.asked_libc++;
	return EAI_NONAME;
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	const struct ip_mreqn *by = value;

	CHECK(fd >= 0 && level == IPPROTO_IP && option == IP_MULTICAST_IF && len == sizeof(*by));
	net.by = (unsigned)by->imr_ifindex;
	return 0;
}

uint64_t __wrap_loop_clock(void)
{
	return net.now;
}

int __wrap_file_each_line(int dir, const char *path, bool (*visit)(void *ctx, char *line),
			  void *ctx)
{
	static const char *const dev[] = {
		"Inter-|   Receive", " face |bytes", "    lo: 1 0", "  eth0: 1 0", " gone0: 1 0",
		"  tun0:123 0", "  eth1: 1 0", " wlan0: 1 0",
	};
	char line[100];

	(void)dir;
	if (!strcmp(path, "/etc/hosts")) {
		net.hosts++;
		snprintf(line, sizeof(line), "%s", net.hosts_line);
		return visit(ctx, line);
	}
	CHECK_STR(path, "/proc/net/dev");
	for (size_t i = 0; i < LENGTH(dev); i++) {
		snprintf(line, sizeof(line), "%s", dev[i]);
		if (strncmp(line, "    lo", 6) != 0 && visit(ctx, line))
			return 1;
	}
	return 0;
}

/* What the next answer came by. */
static bool is_v6(void)
{
	return strchr(net.answer[net.next].from, ':');
}

static bool has_answer(void)
{
	return net.next < net.answers && net.to_try <= net.sent[0][ETH];
}

/* Time passes only here. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms)
{
	CHECK_INT(count, 2);
	CHECK(ms > 0);
	fds[0].revents = fds[1].revents = 0;
	if (!has_answer()) {
		net.now += (uint64_t)ms;
		return 0;
	}
	net.now++;
	fds[is_v6()].revents = POLLIN;
	return 1;
}

ssize_t __wrap_sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to,
		      socklen_t size)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	char text[INET6_ADDRSTRLEN];

	CHECK_INT(flags, 0);
	must(len <= sizeof(net.query.bytes), "send the query");
	memcpy(net.query.bytes, bytes, len);
	net.query.len = len;
	if (to->sa_family == AF_INET) {
		CHECK_INT(size, sizeof(v4));
		memcpy(&v4, to, sizeof(v4));
		CHECK_STR(inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text)), "224.0.0.251");
		CHECK_INT(v4.sin_port, htons(5353));
		net.sent[0][net.by % 16]++;
	} else {
		CHECK_INT(size, sizeof(v6));
		memcpy(&v6, to, sizeof(v6));
		CHECK_STR(inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text)), "ff02::fb");
		CHECK_INT(v6.sin6_port, htons(5353));
		net.sent[1][v6.sin6_scope_id % 16]++;
	}
	(void)fd;
	return (ssize_t)len;
}

ssize_t __wrap_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from,
			socklen_t *len)
{
	const struct answer *answer = &net.answer[net.next];
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_scope_id = answer->scope };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(answer->port) };

	(void)fd;
	(void)flags;
	must(has_answer() && answer->len <= size, "receive");
	memcpy(buf, answer->bytes, answer->len);
	CHECK(*len >= sizeof(v6));
	if (is_v6()) {
		v6.sin6_port = htons(answer->port);
		inet_pton(AF_INET6, answer->from, &v6.sin6_addr);
		memcpy(from, &v6, sizeof(v6));
	} else {
		inet_pton(AF_INET, answer->from, &v4.sin_addr);
		memcpy(from, &v4, sizeof(v4));
	}
	if (!net.flood || net.next + 1 < net.answers)
		net.next++;
	return (ssize_t)answer->len;
}

static void begin(void)
{
	memset(&net, 0, sizeof(net));
	net.hosts_line = "127.0.0.1 localhost pi.local.lan";
	net.now = 1000;
}

/* An answer of one record; its address is the text's. */
static struct answer *answers(const char *from, const char *name, const char *address)
{
	struct answer *answer = &net.answer[net.answers++];
	bool v6 = strchr(address, ':');
	struct mdns_name owner;
	uint8_t *p = answer->bytes;

	must(net.answers <= ANSWERS_MAX && mdns_name_parse(&owner, name), "play an answer");
	memcpy(p, "\0\0\x84\0\0\0\0\1\0\0\0\0", 12);
	memcpy(p + 12, owner.bytes, owner.len);
	p += 12 + owner.len;
	memcpy(p, v6 ? "\0\x1c\x80\1\0\0\0\x78\0\x10" : "\0\1\x80\1\0\0\0\x78\0\4", 10);
	inet_pton(v6 ? AF_INET6 : AF_INET, address, p + 10);
	answer->len = (size_t)(p - answer->bytes) + 10 + (v6 ? 16 : 4);
	answer->from = from;
	answer->port = 5353;
	answer->scope = strchr(from, ':') ? WLAN : 0;
	return answer;
}

/* Answers that do not count. */
static void lies(void)
{
	static const char circle[] = "\0\0\x84\0\0\0\0\1\0\0\0\0"
				     "\xc0\x0c\0\1\0\1\0\0\0\x78\0\4\x0a\0\0\7";
	struct answer *answer;

	answers("10.0.0.7", "pj.local", "10.0.0.66"); /* another name */
	answers("10.0.1.7", "pi.local", "10.0.0.66"); /* from elsewhere */
	answers("255.255.255.254", "pi.local", "10.0.0.66");
	answers("10.0.0.7", "pi.local", "10.0.0.66")->port = 5354;
	answers("2001:db8::7", "pi.local", "10.0.0.66");
	answers("fe80::7", "pi.local", "10.0.0.66")->port = 5354;
	answers("10.0.0.7", "pi.local", "10.0.0.66")->bytes[2] = 0; /* a query */
	answers("10.0.0.7", "pi.local", "10.0.0.66")->len -= 1;
	answers("10.0.0.7", "pi.local", "10.0.0.66")->len = 0;
	answer = answers("10.0.0.7", "pi.local", "2.112.105.0");
	answer->bytes[12 + 10 + 1] = MDNS_PTR; /* "pi" */
	answer = answers("10.0.0.7", "pi.local", "10.0.0.66");
	answer->len = sizeof(circle) - 1;
	memcpy(answer->bytes, circle, answer->len);
}

static struct addresses resolve(const char *host)
{
	struct endpoint endpoint;
	struct addresses addresses = { 0 };

	must(!endpoint_parse(&endpoint, host, "3240"), host);
	resolve_name(&endpoint, &addresses);
	return addresses;
}

static void is_address(const struct addresses *addresses, unsigned i, const char *text,
		       unsigned scope)
{
	struct in6_addr want, got;

	CHECK(i < addresses->count);
	must(addr_parse(text, &want), text);
	CHECK_INT(addr_split(&addresses->address[i], &got), 3240);
	CHECK_BYTES(&got, &want, sizeof(got));
	if (strchr(text, ':'))
		CHECK_INT(addresses->address[i].sa.v6.sin6_scope_id, scope);
	CHECK_INT(addresses->address[i].len, strchr(text, ':') ? sizeof(struct sockaddr_in6) :
								 sizeof(struct sockaddr_in));
}

static void found(void)
{
	static struct mdns_query want;
	struct mdns_name pi;
	struct addresses got;

	begin();
	answers("10.0.0.7", "PI.local", "10.0.0.7");
	answers("10.0.0.7", "pi.local", "10.0.0.7"); /* again */
	answers("10.0.0.7", "pi.local", "fe80::7");
	answers("fe80::7", "pi.local", "fe80::7");
	answers("fe80::7", "pi.local", "fd00::7");
	got = resolve("Pi.local");
	CHECK_INT(got.error, 0);
	CHECK_INT(got.count, 4);
	is_address(&got, 0, "10.0.0.7", 0);
	is_address(&got, 1, "fe80::7", ETH);
	is_address(&got, 2, "fe80::7", WLAN);
	is_address(&got, 3, "fd00::7", 0);
	CHECK_INT(net.asked_libc, 0);
	CHECK_INT(net.hosts, 1);
	CHECK_INT(net.sent[0][ETH], 1);
	CHECK_INT(net.sent[0][WLAN], 1);
	CHECK_INT(net.sent[1][ETH], 1);
	CHECK_INT(net.sent[1][WLAN], 1);
	CHECK_INT(net.sent[1][DOWN] + net.sent[1][PLAIN], 0);
	mdns_name_parse(&pi, "Pi.local");
	mdns_query_begin(&want);
	mdns_query_add(&want, &pi, MDNS_A);
	mdns_query_add(&want, &pi, MDNS_AAAA);
	CHECK_INT(net.query.len, want.len);
	CHECK_BYTES(net.query.bytes, want.bytes, want.len);
	CHECK_INT(net.now, 1000 + 1 + MULTICAST_GATHER_MS); /* from the first answer on */
	begin();
	net.to_try = 3;
	answers("10.0.0.7", "pi.local", "10.0.0.7");
	got = resolve("pi.local.");
	CHECK_INT(got.count, 1);
	CHECK_INT(net.sent[0][ETH], 3);
}

static void nobody(void)
{
	struct addresses got;

	begin();
	lies();
	got = resolve("pi.local");
	CHECK_INT(got.count, 0);
	CHECK_INT(got.error, EAI_NONAME);
	CHECK_INT(net.asked_libc, 1);
	CHECK_INT(net.sent[0][ETH], 3);
	CHECK_INT(net.now, 4000);
	begin();
	lies();
	answers("10.0.0.7", "pi.local", "10.0.0.7");
	got = resolve("pi.local");
	CHECK_INT(got.count, 1);
	is_address(&got, 0, "10.0.0.7", 0);
}

static void floods(void)
{
	struct addresses got;
	char text[16];

	begin();
	net.flood = true;
	answers("10.0.0.66", "pj.local", "10.0.0.66");
	got = resolve("pi.local");
	CHECK_INT(got.count, 0);
	CHECK_INT(net.now, 4000);
	begin();
	net.flood = true;
	for (unsigned i = 0; i < ADDRESSES_MAX + 4; i++) {
		snprintf(text, sizeof(text), "10.0.0.%u", i + 2);
		answers("10.0.0.66", "pi.local", text);
	}
	got = resolve("pi.local");
	CHECK_INT(got.count, ADDRESSES_MAX);
	is_address(&got, ADDRESSES_MAX - 1, "10.0.0.9", 0);
	CHECK_INT(net.now, 1001 + MULTICAST_GATHER_MS);
}

/* Names that libc looks up alone. */
static void others(void)
{
	static const char *const host[] = { "pi", "pi.lan", "local", ".local", "pi.locale",
					    "pilocal", "pi.local.lan", "pi..local", "." };

	for (size_t i = 0; i < LENGTH(host); i++) {
		begin();
		answers("10.0.0.7", "pi.local", "10.0.0.7");
		resolve(host[i]);
		if (net.sent[0][ETH] || net.asked_libc != 1)
			check_fault(__FILE__, __LINE__, "%s is asked for", host[i]);
	}
	begin();
	net.hosts_line = "10.0.0.5\tpi.lan PI.local # mine";
	resolve("pi.local");
	CHECK_INT(net.sent[0][ETH], 0);
	CHECK_INT(net.asked_libc, 1);
	begin();
	net.hosts_line = "10.0.0.5 pi.lan # pi.local";
	resolve("pi.local");
	CHECK_INT(net.sent[0][ETH], 3);
}

int main(void)
{
	RUN("t_multicast: a name in .local", found);
	RUN("t_multicast: silence and lies", nobody);
	RUN("t_multicast: floods", floods);
	RUN("t_multicast: names that are not asked for", others);
	return check_status();
}
