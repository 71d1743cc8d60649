/* SPDX-License-Identifier: MIT */
/*
 * Tests of small_resolve.c, the static binary's getaddrinfo(): literals as libc takes them, files of
 * its own instead of /etc/hosts and /etc/resolv.conf, and name servers on loopback of every kind.
 */
#include "tests/files.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* libc's own, to compare with */
static int libc_pton(int family, const char *text, void *address)
{
	return inet_pton(family, text, address);
}

static char hosts_file[TEMP_SIZE + 16], resolv_file[TEMP_SIZE + 16];
static uint16_t dns_port;

int small_getaddrinfo(const char *restrict name, const char *restrict port,
		      const struct addrinfo *restrict hints, struct addrinfo **restrict list);
int small_inet_pton(int family, const char *restrict text, void *restrict address);
const char *small_gai_strerror(int error);

#define getaddrinfo small_getaddrinfo
#define gai_strerror small_gai_strerror
#define inet_pton small_inet_pton
#define HOSTS_FILE hosts_file
#define RESOLV_FILE resolv_file
#define DNS_PORT dns_port
#include "small_resolve.c" // NOLINT: its static functions are tested, too

enum { ALARM_S = 60 };

static char root[TEMP_SIZE];

static void hosts(const char *text)
{
	put_file(root, "hosts", text);
}

static void resolv(const char *text)
{
	put_file(root, "resolv.conf", text);
}

static struct addrinfo *list;

static int look_up(const char *name)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };

	list = NULL;
	return getaddrinfo(name, "3240", &hints, &list);
}

/* All of them as text, with blanks between them. */
static const char *found(void)
{
	static char text[4096];
	size_t len = 0;

	text[0] = '\0';
	for (struct addrinfo *i = list; i; i = i->ai_next) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(void *)i->ai_addr;
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(void *)i->ai_addr;
		char one[INET6_ADDRSTRLEN];

		CHECK_INT(i->ai_socktype, SOCK_STREAM);
		CHECK_INT(i->ai_family, i->ai_addr->sa_family);
		CHECK_INT(ntohs(v4->sin_port), 3240);
		if (i->ai_family == AF_INET6)
			inet_ntop(AF_INET6, &v6->sin6_addr, one, sizeof(one));
		else
			inet_ntop(AF_INET, &v4->sin_addr, one, sizeof(one));
		CHECK_INT(i->ai_addrlen, i->ai_family == AF_INET6 ? sizeof(*v6) : sizeof(*v4));
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? " " : "",
					one);
		if (i->ai_family == AF_INET6 && v6->sin6_scope_id)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%%%u",
						v6->sin6_scope_id);
	}
	return text;
}

#define FINDS(name, want)                                                                          \
	do {                                                                                       \
		CHECK_INT(look_up(name), 0);                                                       \
		CHECK_STR(found(), want);                                                          \
	} while (0)

static const char *const addresses[] = {
	"1.2.3.4", "0.0.0.0", "255.255.255.255", "256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4",
	"1.2.3.04", "1.2.3.", ".1.2.3", "1..2.3", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4x", "1.2.3.0x4",
	"1.2.3.1000", "1.2.3.-4", "", "1", "::", "::1", "1::", "1::2", ":::", "::1::", "1::2::3",
	"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
	"::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "1:2:3:4:5:6:7:8::", "1:2:3:4:5:6:7:", ":1",
	":1:2:3:4:5:6:7", "1:", ":", "12345::", "abcd:ef01:2345:6789:abcd:ef01:2345:6789", "ABCD::EF",
	"g::", "::g", "::1.2.3.4", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4",
	"1:2:3:4:5:1.2.3.4", "::1.2.3", "::1.2.3.4:5", "1.2.3.4::", "::01.2.3.4", "::255.255.255.255",
	"::256.1.1.1", "::1%lo", "fe80::1%1", "::1 ", " ::1", "::00001", "0001::", "1:2:3:4:5:6:7::8",
	"::1.2.3.4.5", "1::2:3:4:5:6:1.2.3.4", "1:2:3:4:5::6:1.2.3.4", "::-1", "1:::2", "::1:",
};

static void same_as_libc(const char *text)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < LENGTH(families); i++) {
		uint8_t got[16] = { 0 }, want[16] = { 0 };
		char *exact = block_string(text);
		int good = libc_pton(families[i], text, want) == 1;

		if (inet_pton(families[i], exact, got) != good || (good && memcmp(got, want, 16)))
			check_fault(__FILE__, __LINE__, "'%s' is another address", text);
		block_free(exact);
	}
}

static void literals_as_libc(void)
{
	for (size_t i = 0; i < LENGTH(addresses); i++)
		same_as_libc(addresses[i]);
}

/* Texts that are nearly addresses, each time the same. */
static void many_literals(void)
{
	static const char alphabet[] = "::::....0012589afg%";
	uint32_t random = 1;

	for (unsigned i = 0; i < 300000; i++) {
		char text[64];
		size_t len;

		random = random * 1664525 + 1013904223;
		snprintf(text, sizeof(text), "%s", addresses[(random >> 8) % LENGTH(addresses)]);
		len = strlen(text);
		for (unsigned changes = random >> 30; len && changes; changes--) {
			random = random * 1664525 + 1013904223;
			text[(random >> 8) % len] = alphabet[(random >> 20) % (LENGTH(alphabet) - 1)];
		}
		same_as_libc(text);
	}
}

static void literals(void)
{
	char scoped[32];

	FINDS("10.0.0.7", "10.0.0.7");
	FINDS("2001:db8::7", "2001:db8::7");
	FINDS("fe80::1%7", "fe80::1%7");
	snprintf(scoped, sizeof(scoped), "fe80::1%%%u", if_nametoindex("lo"));
	FINDS("fe80::1%lo", scoped);
	/* as inet_aton() has them */
	FINDS("127.1", "127.0.0.1");
	FINDS("1.2.515", "1.2.2.3");
	FINDS("2130706433", "127.0.0.1");
	FINDS("1.16777215", "1.255.255.255");
}

static void no_literals(void)
{
	static const char *const names[] = { "fe80::1%nosuch", "fe80::1%", "1.2.3.256", "1.2.65536",
					     "4294967296", "1.16777216", "256.1", "1.2.3.4.5",
					     "99999999999999999999", "1.", "::1::" };

	resolv("options timeout:1 attempts:1\n");
	dns_port = 9; /* nobody answers */
	for (size_t i = 0; i < LENGTH(names); i++) {
		struct address at;

		if (parse_literal(names[i], &at))
			check_fault(__FILE__, __LINE__, "%s is an address", names[i]);
	}
}

static void from_hosts(void)
{
	hosts("# a comment pi\n127.0.0.1 localhost\n::1\tlocalhost ip6-localhost\n"
	      "10.0.0.1 pi.lan pi # 10.0.0.2 pa\n10.0.0.3 pip pi-pi\n  10.0.0.4   other  pi  \n"
	      "nonsense pi\npi\n10.0.0.5#pi\n10.0.0.9 last");
	FINDS("pi", "10.0.0.1 10.0.0.4");
	FINDS("pi.lan", "10.0.0.1");
	FINDS("last", "10.0.0.9");
	FINDS("pi-pi", "10.0.0.3");
	FINDS("ip6-localhost", "::1");
	CHECK_INT(look_up("localhost"), 0);
	CHECK(strstr(found(), "127.0.0.1") && strstr(found(), "::1"));
}

/* More than it takes, and a line that is too long. */
static void many_hosts(void)
{
	char text[200 * 24 + 5000] = "", *at = text;
	unsigned n = 0;

	for (unsigned i = 0; i < 200; i++)
		at += sprintf(at, "10.1.%u.1 crowd\n", i);
	at += sprintf(at, "10.2.0.1 ");
	memset(at, 'x', 4500);
	strcpy(at + 4500, " behind\n10.2.0.2 after\n");
	hosts(text);
	CHECK_INT(look_up("crowd"), 0);
	for (struct addrinfo *i = list; i; i = i->ai_next)
		n++;
	CHECK_INT(n, 48);
	FINDS("after", "10.2.0.2");
}

/* A name server: what it says to a query, of which it changes the bytes; 0: nothing. */
typedef size_t (*speaker)(uint8_t *message, size_t len, unsigned round);

static pid_t speakers[3];

/* The n-th one, at 127.0.0.n of the same port. */
static void serve(unsigned n, speaker speak)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + n);
	address.sin_port = n == 1 ? 0 : htons(dns_port);
	must(fd >= 0 && !bind(fd, (struct sockaddr *)&address, len) &&
		     !getsockname(fd, (struct sockaddr *)&address, &len),
	     "serve names");
	dns_port = ntohs(address.sin_port);
	speakers[n - 1] = fork();
	must(speakers[n - 1] >= 0, "fork");
	if (speakers[n - 1]) {
		close(fd);
		return;
	}
	alarm(ALARM_S);
	for (unsigned round = 0;; round++) {
		uint8_t message[2000] = { 0 };
		ssize_t got = recvfrom(fd, message, sizeof(message), 0,
				       (struct sockaddr *)&address, &len);
		size_t reply = speak(message, got > 0 ? (size_t)got : 0, round);

		if (reply)
			sendto(fd, message, reply, 0, (struct sockaddr *)&address, len);
	}
}

static void all_silent(void)
{
	for (size_t i = 0; i < LENGTH(speakers); i++) {
		if (!speakers[i])
			continue;
		kill(speakers[i], SIGKILL);
		waitpid(speakers[i], NULL, 0);
		speakers[i] = 0;
	}
}

/* The name that is asked for, with dots. */
static const char *asked(const uint8_t *message)
{
	static char name[256];
	char *to = name;

	for (const uint8_t *p = message + 12; *p; p += *p + 1) {
		memcpy(to, p + 1, *p);
		to += *p;
		*to++ = '.';
	}
	*to = '\0';
	return name;
}

static bool asks_v6(const uint8_t *message, size_t len)
{
	return message[len - 3] == 28;
}

/* Adds a record of the question's name. */
static size_t record(uint8_t *message, size_t len, uint8_t type, const char *address)
{
	static const uint8_t head[] = { 0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 60, 0, 0 };
	size_t size = type == 28 ? 16 : 4;

	memcpy(message + len, head, sizeof(head));
	message[len + 3] = type;
	message[len + 11] = (uint8_t)size;
	libc_pton(type == 28 ? AF_INET6 : AF_INET, address, message + len + 12);
	message[2] |= 0x80;
	message[7]++;
	return len + 12 + size;
}

static size_t good(uint8_t *message, size_t len, unsigned round)
{
	(void)round;
	return asks_v6(message, len) ? record(message, len, 28, "2001:db8::1") :
				       record(message, len, 1, "10.0.0.1");
}

static size_t code(uint8_t *message, size_t len, uint8_t code)
{
	message[2] |= 0x80;
	message[3] = (uint8_t)(0x80 | code);
	return len;
}

static size_t no_such(uint8_t *message, size_t len, unsigned round)
{
	(void)round;
	return code(message, len, 3);
}

static size_t no_data(uint8_t *message, size_t len, unsigned round)
{
	(void)round;
	return code(message, len, 0);
}

static size_t only_v4(uint8_t *message, size_t len, unsigned round)
{
	return asks_v6(message, len) ? code(message, len, 0) : good(message, len, round);
}

/* Not for this one. */
static size_t only_full(uint8_t *message, size_t len, unsigned round)
{
	if (!strcmp(asked(message), "pi.b.lan."))
		return only_v4(message, len, round);
	return code(message, len, 3);
}

static size_t not_with_suffix(uint8_t *message, size_t len, unsigned round)
{
	if (!strcmp(asked(message), "pi.lan.") || !strcmp(asked(message), "pi."))
		return only_v4(message, len, round);
	return code(message, len, 0);
}

static size_t silent(uint8_t *message, size_t len, unsigned round)
{
	(void)message;
	(void)len;
	(void)round;
	return 0;
}

static size_t failing(uint8_t *message, size_t len, unsigned round)
{
	(void)round;
	return code(message, len, 2);
}

static size_t failing_first(uint8_t *message, size_t len, unsigned round)
{
	return round < 2 ? code(message, len, 2) : only_v4(message, len, round);
}

static size_t deaf_first(uint8_t *message, size_t len, unsigned round)
{
	return round < 2 ? 0 : only_v4(message, len, round);
}

static size_t forged_id(uint8_t *message, size_t len, unsigned round)
{
	message[0] ^= 1;
	return good(message, len, round);
}

static size_t forged_name(uint8_t *message, size_t len, unsigned round)
{
	message[13] ^= 1;
	return good(message, len, round);
}

static size_t other_case(uint8_t *message, size_t len, unsigned round)
{
	message[13] ^= 0x20;
	return only_v4(message, len, round);
}

static size_t echo(uint8_t *message, size_t len, unsigned round)
{
	(void)message;
	(void)round;
	return len;
}

/* Cut off in the second address, and it says so. */
static size_t truncated(uint8_t *message, size_t len, unsigned round)
{
	len = only_v4(message, len, round);
	if (message[7]) {
		len = record(message, len, 1, "10.0.0.2") - 2;
		message[2] |= 2;
	}
	return len;
}

/* By another name, whose record comes first and has a name in full. */
static size_t alias(uint8_t *message, size_t len, unsigned round)
{
	static const uint8_t cname[] = { 2, 'p', 'i', 3, 'l', 'a', 'n', 0, 0, 5, 0, 1,
					 0, 0, 0, 1, 0, 5, 2, 'p', 'a', 0xc0, 12 };

	memcpy(message + len, cname, sizeof(cname));
	message[7] = 1;
	return asks_v6(message, len) ? code(message, len + sizeof(cname), 0) :
				       good(message, len + sizeof(cname), round);
}

static size_t crowded(uint8_t *message, size_t len, unsigned round)
{
	char text[24];
	size_t question = len;

	if (asks_v6(message, len))
		return code(message, len, 0);
	(void)round;
	for (unsigned i = 0; i < 80; i++) {
		snprintf(text, sizeof(text), "10.0.0.%u", i);
		question = record(message, question, 1, text);
	}
	return question;
}

static const struct {
	const char *name; /* of the case */
	speaker one, two, three;
	const char *resolv;
	const char *host;
	int error;
	const char *found; /* or how many, with '#' */
} cases[] = {
	{ "one server", only_v4, NULL, NULL, "", "pi.lan", 0, "10.0.0.1" },
	{ "no such name", no_such, NULL, NULL, "", "pi.lan", EAI_NONAME, "" },
	{ "a name without addresses", no_data, NULL, NULL, "", "pi.lan", EAI_NODATA, "" },
	{ "silence", silent, NULL, NULL, "options timeout:1\n", "pi.lan", EAI_AGAIN, "" },
	{ "no server at that port", NULL, NULL, NULL, "options timeout:1\n", "pi.lan", EAI_AGAIN, "" },
	{ "the second server", silent, only_v4, NULL, "", "pi.lan", 0, "10.0.0.1" },
	{ "the third server", failing, silent, only_v4, "", "pi.lan", 0, "10.0.0.1" },
	{ "a fourth server is not asked", silent, silent, silent,
	  "options timeout:1\nnameserver 127.0.0.3\nnameserver 127.0.0.4\n", "pi.lan", EAI_AGAIN,
	  "" },
	{ "all fail", failing, failing, NULL, "options timeout:1\n", "pi.lan", EAI_AGAIN, "" },
	{ "fails first", failing_first, NULL, NULL, "options timeout:1 attempts:4\n", "pi.lan", 0,
	  "10.0.0.1" },
	{ "does not hear the first", deaf_first, NULL, NULL, "options attempts:10 timeout:5\n",
	  "pi.lan", 0, "10.0.0.1" },
	{ "an answer to something else", forged_id, NULL, NULL, "options timeout:1\n", "pi.lan",
	  EAI_AGAIN, "" },
	{ "an answer about another name", forged_name, NULL, NULL, "options timeout:1\n", "pi.lan",
	  EAI_AGAIN, "" },
	{ "a right one beside forged ones", forged_id, forged_name, only_v4, "", "pi.lan", 0,
	  "10.0.0.1" },
	{ "an echo", echo, NULL, NULL, "options timeout:1\n", "pi.lan", EAI_AGAIN, "" },
	{ "capitals", other_case, NULL, NULL, "", "pi.lan", 0, "10.0.0.1" },
	{ "a truncated answer", truncated, NULL, NULL, "", "pi.lan", 0, "10.0.0.1" },
	{ "another name's address", alias, NULL, NULL, "", "pi.lan", 0, "10.0.0.1" },
	{ "more addresses than it takes", crowded, NULL, NULL, "", "pi.lan", 0, "#48" },
	{ "search", only_full, NULL, NULL, "search a.lan b.lan c.lan\n", "pi", 0, "10.0.0.1" },
	{ "search in vain", no_such, NULL, NULL, "search a.lan b.lan\n", "pi", EAI_NONAME, "" },
	{ "search ends where the name is", not_with_suffix, NULL, NULL, "search a.lan lan\n", "pi",
	  EAI_NODATA, "" },
	{ "search is for names without dots", not_with_suffix, NULL, NULL, "search a.lan\n", "pi.lan",
	  0, "10.0.0.1" },
	{ "ndots", only_full, NULL, NULL, "search x lan\noptions ndots:2\n", "pi.b", 0, "10.0.0.1" },
	{ "domain", only_full, NULL, NULL, "domain b.lan\n", "pi", 0, "10.0.0.1" },
	{ "the last of search and domain", only_full, NULL, NULL, "domain b.lan\nsearch a.lan\n", "pi",
	  EAI_NONAME, "" },
	{ "a dot at the end", not_with_suffix, NULL, NULL, "search a.lan\n", "pi.", 0, "10.0.0.1" },
	{ "a suffix with a dot at the end", only_full, NULL, NULL, "search b.lan.\n", "pi", 0,
	  "10.0.0.1" },
	{ "suffixes that are none", only_full, NULL, NULL, "search . .. a..b b.lan\n", "pi", 0,
	  "10.0.0.1" },
	{ "options that are none", only_v4, NULL, NULL,
	  "options ndots: timeout:x attempts:0 timeout:0 rotate ndots:99999999999\nfoo\n\n# x\n",
	  "pi.lan", 0, "10.0.0.1" },
};

static void by_servers(void)
{
	hosts("");
	for (size_t i = 0; i < LENGTH(cases); i++) {
		const speaker speak[] = { cases[i].one, cases[i].two, cases[i].three };
		char text[400] = "";
		int error;

		check_begin("t_resolve: %s", cases[i].name);
		dns_port = 9;
		for (unsigned n = 0; n < 3; n++)
			if (speak[n]) {
				serve(n + 1, speak[n]);
				snprintf(text + strlen(text), 100, "nameserver 127.0.0.%u\n", n + 1);
			}
		strcat(text, cases[i].resolv);
		resolv(text);
		error = look_up(cases[i].host);
		all_silent();
		CHECK_INT(error, cases[i].error);
		if (cases[i].found[0] == '#') {
			int count = 0;

			for (struct addrinfo *one = list; one; one = one->ai_next)
				count++;
			CHECK_INT(count, atoi(cases[i].found + 1));
		} else {
			CHECK_STR(found(), cases[i].found);
		}
		check_end();
	}
}

static void both_families(void)
{
	serve(1, good);
	resolv("nameserver 127.0.0.1\n");
	CHECK_INT(look_up("pi.lan"), 0);
	all_silent();
	CHECK(strstr(found(), "2001:db8::1") && strstr(found(), "10.0.0.1"));
}

/* Without files the server is here. */
static void no_files(void)
{
	serve(1, only_v4);
	take_away(root, "hosts");
	take_away(root, "resolv.conf");
	FINDS("pi.lan", "10.0.0.1");
	all_silent();
}

static void impossible_names(void)
{
	static const char *const names[] = { ".", "..", "a..b", ".a", "" };
	char name[300];

	resolv("");
	for (size_t i = 0; i < LENGTH(names); i++)
		CHECK_INT(look_up(names[i]), EAI_NONAME);
	memset(name, 'a', sizeof(name));
	name[64] = '\0';
	CHECK_INT(look_up(name), EAI_NONAME);
	for (size_t i = 60; i < sizeof(name); i += 60)
		name[i] = '.';
	name[64] = 'a';
	name[254] = '\0';
	CHECK_INT(look_up(name), EAI_NONAME);
	name[253] = '\0'; /* it can be one */
	resolv("options timeout:1 attempts:1\nsearch a.lan\n");
	dns_port = 9;
	CHECK_INT(look_up(name), EAI_AGAIN);
}

/* Every end of an answer, every byte of it changed: nothing is read that is not there. */
static void hostile(void)
{
	static struct lookup lookup;
	struct query query;
	uint8_t message[2000] = { 0 };
	size_t len;

	must(make_query(&query, "pi.lan", TYPE_A, 0x1234), "make a query");
	memcpy(message, query.bytes, query.len);
	len = alias(message, query.len, 0);
	len = record(message, len, 1, "10.0.0.2");
	len = record(message, len, 28, "2001:db8::2");
	for (size_t i = 0; i <= len; i++) {
		uint8_t *exact = block(message, i);

		memset(&lookup, 0, sizeof(lookup));
		lookup.query[0] = query;
		lookup.query[1].answered = true;
		take_answer(&lookup, exact, i);
		CHECK_INT(lookup.query[0].answered, i >= query.len);
		CHECK(lookup.count <= 3 && (i < len || lookup.count == 3));
		block_free(exact);
	}
	for (size_t i = 0; i < len * 256; i++) {
		uint8_t *exact = block(message, len);

		exact[i / 256] = (uint8_t)i;
		memset(&lookup, 0, sizeof(lookup));
		lookup.query[0] = query;
		lookup.query[1].answered = true;
		take_answer(&lookup, exact, len);
		CHECK(lookup.count <= 4);
		block_free(exact);
	}
}

/* RFC 6724 3.1, 2.1 */
static void kinds(void)
{
	static const struct {
		const char *address;
		uint32_t precedence, scope;
	} kind[] = {
		{ "::1", 50, 2 }, { "2001:db8::1", 40, 14 }, { "::ffff:10.0.0.1", 35, 14 },
		{ "::ffff:127.0.0.1", 35, 2 }, { "::ffff:169.254.1.1", 35, 2 },
		{ "::ffff:169.253.1.1", 35, 14 }, { "2002::1", 30, 14 }, { "2001::1", 5, 14 },
		{ "2001:0:1::1", 5, 14 }, { "2001:1::1", 40, 14 }, { "fc00::1", 3, 14 },
		{ "fdff::1", 3, 14 }, { "fe80::1", 40, 2 }, { "fec0::1", 40, 5 }, { "ff02::1", 40, 2 },
		{ "ff0e::1", 40, 14 }, { "fe00::1", 40, 14 }, { "fbff::1", 40, 14 },
	};

	for (size_t i = 0; i < LENGTH(kind); i++) {
		struct in6_addr address;

		must(libc_pton(AF_INET6, kind[i].address, &address) == 1, "make an address");
		if (precedence(&address) != kind[i].precedence || scope(&address) != kind[i].scope)
			check_fault(__FILE__, __LINE__, "%s: %u, %u", kind[i].address,
				    precedence(&address), scope(&address));
	}
}

/* What can be reached comes first, and else the order stays. */
static void order(void)
{
	hosts("240.0.0.1 pi\n127.0.0.1 pi\n127.0.0.2 pi\n");
	CHECK_INT(look_up("pi"), 0);
	CHECK(!strncmp(found(), "127.0.0.1 127.0.0.2", 19));
	/* from the first one here, to which the others are equally near */
	hosts("127.0.0.3 pi\n127.0.0.2 pi\n127.0.0.1 pi\n");
	FINDS("pi", "127.0.0.1 127.0.0.3 127.0.0.2");
}

static void messages(void)
{
	CHECK_STR(gai_strerror(EAI_NONAME), "Name does not resolve");
	CHECK_STR(gai_strerror(EAI_AGAIN), "Try again");
	CHECK_STR(gai_strerror(EAI_FAIL), "Non-recoverable error");
	CHECK_STR(gai_strerror(EAI_NODATA), "Name has no usable address");
}

int main(void)
{
	temp_make(root);
	snprintf(hosts_file, sizeof(hosts_file), "%s/hosts", root);
	snprintf(resolv_file, sizeof(resolv_file), "%s/resolv.conf", root);
	RUN("t_resolve: inet_pton() as libc has it", literals_as_libc);
	RUN("t_resolve: inet_pton() of much that is none", many_literals);
	RUN("t_resolve: literals", literals);
	RUN("t_resolve: what is no literal", no_literals);
	RUN("t_resolve: /etc/hosts", from_hosts);
	RUN("t_resolve: a long /etc/hosts", many_hosts);
	by_servers();
	RUN("t_resolve: both families", both_families);
	RUN("t_resolve: no files", no_files);
	RUN("t_resolve: names that cannot be", impossible_names);
	RUN("t_resolve: hostile answers", hostile);
	RUN("t_resolve: kinds of addresses", kinds);
	RUN("t_resolve: the order", order);
	RUN("t_resolve: messages", messages);
	temp_remove(root);
	return check_status();
}
