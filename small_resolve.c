/* SPDX-License-Identifier: MIT */
/*
 * For the static binary only: getaddrinfo() as client/resolve.c calls it, and what else libc has of
 * names and addresses, at a quarter of the size. It knows address literals, /etc/hosts, and the
 * name servers of /etc/resolv.conf with search, ndots, timeout and attempts, see resolv.conf(5):
 * all servers are asked at once, for IPv4 and IPv6 (RFC 1035, 3596). Addresses come in the order of
 * RFC 6724. What it returns stays its own until it is called again.
 */
#include "lib/addr.h"
#include "lib/str.h"
#include "loop/loop.h"
#include "sysfs/protect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef HOSTS_FILE /* a test has its own */
#define HOSTS_FILE "/etc/hosts"
#define RESOLV_FILE "/etc/resolv.conf"
#define DNS_PORT 53
#endif

enum {
	FOUND_MAX = 48,
	SERVERS_MAX = 3,
	NAME_LEN_MAX = 253, /* without a dot at the end */
	LABEL_MAX = 63,
	HEADER_SIZE = 12,
	QUERY_SIZE = HEADER_SIZE + NAME_LEN_MAX + 2 + 4,
	ANSWER_SIZE = 1500, /* what is longer is cut off, as if the server had done so */
	CLASS_IN = 1,
	TYPE_A = 1,
	TYPE_AAAA = 28,
	ANSWERED = 0, /* response codes */
	NO_SUCH_NAME = 3,
};

struct query {
	uint8_t bytes[QUERY_SIZE];
	size_t len;
	bool answered;
};

struct found {
	struct addrinfo info;
	struct address at;
	uint32_t rank;
};

enum { NDOTS, TIMEOUT, ATTEMPTS, NUMBERS };

struct lookup {
	const char *name;
	uint16_t port; /* of the network's order */
	unsigned count;
	struct found found[FOUND_MAX];
	unsigned servers;
	struct pollfd server[SERVERS_MAX];
	char search[1024];
	uint32_t number[NUMBERS];
	bool no_such_name;
	struct query query[2];
};

/* Four decimal numbers without leading zeros. */
static bool parse_dotted(const char *s, uint8_t *bytes)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned value = 0, digits = 0;

		for (; digits < 3 && s[digits] >= '0' && s[digits] <= '9'; digits++)
			value = value * 10 + (unsigned)(s[digits] - '0');
		if (!digits || value > 255 || (*s == '0' && digits > 1))
			return false;
		s += digits;
		if (*s++ != (i < 3 ? '.' : '\0'))
			return false;
		bytes[i] = (uint8_t)value;
	}
	return true;
}

static bool hex_digit(char c, unsigned *value)
{
	char one[] = { c, '\0' };
	uint32_t digit;

	if (text_hex(one, 15, &digit))
		return false;
	*value = *value << 4 | digit;
	return true;
}

/* RFC 4291 2.2 */
static bool parse_groups(const char *s, uint8_t *bytes)
{
	enum { SIZE = 16, NONE };
	size_t n = 0, gap = NONE;

	if (s[0] == ':' && *++s != ':')
		return false;
	while (n < SIZE) {
		unsigned value = 0, digits = 0;

		if (*s == ':') {
			if (gap != NONE)
				return false;
			gap = n;
			if (!*++s)
				break;
			continue;
		}
		while (digits < 4 && hex_digit(s[digits], &value))
			digits++;
		if (!digits)
			return false;
		if (s[digits] == '.') {
			if (n > SIZE - 4 || !parse_dotted(s, bytes + n))
				return false;
			n += 4;
			s = "";
			break;
		}
		bytes[n++] = (uint8_t)(value >> 8);
		bytes[n++] = (uint8_t)value;
		s += digits;
		if (!*s)
			break;
		if (*s++ != ':' || !*s)
			return false;
	}
	if (*s || (n == SIZE) != (gap == NONE))
		return false;
	if (gap != NONE) {
		memmove(bytes + SIZE - (n - gap), bytes + gap, n - gap);
		memset(bytes + gap, 0, SIZE - n);
	}
	return true;
}

int inet_pton(int family, const char *restrict text, void *restrict address)
{
	uint8_t bytes[16];

	if (family == AF_INET ? !parse_dotted(text, bytes) : !parse_groups(text, bytes))
		return 0;
	memcpy(address, bytes, family == AF_INET ? 4 : 16);
	return 1;
}

/* As inet_aton(3), but only decimal: the last of fewer than four numbers has the other bytes. */
static bool parse_short(const char *s, uint32_t *address)
{
	uint32_t above = 0, most = UINT32_MAX;

	for (unsigned shift = 24;; shift -= 8, most >>= 8) {
		uint64_t n = 0;

		if (*s < '0' || *s > '9')
			return false;
		for (; *s >= '0' && *s <= '9'; s++)
			if ((n = n * 10 + (uint64_t)(*s - '0')) > most)
				return false;
		if (!*s) {
			*address = htonl(above | (uint32_t)n);
			return true;
		}
		if (*s++ != '.' || n > 255 || !shift)
			return false;
		above |= (uint32_t)n << shift;
	}
}

static bool parse_literal(const char *text, struct address *at)
{
	char host[64]; /* no literal is longer */

	memset(at, 0, sizeof(*at));
	at->len = sizeof(at->sa.v4);
	at->sa.v4.sin_family = AF_INET;
	if (parse_short(text, &at->sa.v4.sin_addr.s_addr))
		return true;
	at->len = sizeof(at->sa.v6);
	text_format(host, sizeof(host), "%s", text);
	return address_parse_scoped(host, &at->sa.v6);
}

static void add(struct lookup *lookup, const struct address *at)
{
	if (lookup->count < FOUND_MAX)
		lookup->found[lookup->count++].at = *at;
}

/* Every line with the name counts. */
static bool see_host(void *ctx, char *line)
{
	struct lookup *lookup = ctx;
	const char *address, *word;
	struct address at;

	*strchrnul(line, '#') = '\0';
	address = text_word(&line);
	while ((word = text_word(&line)))
		if (!strcmp(word, lookup->name) && parse_literal(address, &at)) {
			add(lookup, &at);
			break;
		}
	return false;
}

static void add_server(struct lookup *lookup, const char *word)
{
	struct address at;
	int fd;

	if (!word || lookup->servers == SERVERS_MAX || !parse_literal(word, &at))
		return;
	at.sa.v4.sin_port = htons(DNS_PORT); /* in IPv6 it is in the same place */
	fd = socket(at.sa.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, &at.sa.any, at.len)) {
		close(fd);
		fd = -1;
	}
	/* from now on only that server's answers come, to a port that is hard to guess */
	lookup->server[lookup->servers].fd = fd;
	lookup->server[lookup->servers++].events = POLLIN;
}

static void take_option(struct lookup *lookup, const char *word)
{
	static const struct {
		char name[11];
		uint8_t most;
	} options[NUMBERS] = { { "ndots:", 15 }, { "timeout:", 60 }, { "attempts:", 10 } };

	for (unsigned i = 0; i < NUMBERS; i++) {
		size_t len = strlen(options[i].name);
		uint32_t n = options[i].most;

		if (!strncmp(word, options[i].name, len) &&
		    text_decimal(word + len, n, &n) != -EINVAL)
			lookup->number[i] = n || i == NDOTS ? n : 1;
	}
}

static bool see_setting(void *ctx, char *line)
{
	struct lookup *lookup = ctx;
	const char *word = text_word(&line);

	if (!word)
		return false;
	if (!strcmp(word, "nameserver"))
		add_server(lookup, text_word(&line));
	else if (!strcmp(word, "search") || !strcmp(word, "domain"))
		text_format(lookup->search, sizeof(lookup->search), "%s", line);
	else if (!strcmp(word, "options"))
		while ((word = text_word(&line)))
			take_option(lookup, word);
	return false;
}

/* False when it is no name that DNS can have. */
static bool make_query(struct query *query, const char *name, uint8_t type, uint16_t id)
{
	uint8_t *label = query->bytes + HEADER_SIZE, *p = label + 1;

	memset(query, 0, sizeof(*query));
	memcpy(query->bytes, &id, sizeof(id));
	query->bytes[2] = 1; /* recursion desired */
	query->bytes[5] = 1; /* question */
	if (strlen(name) > NAME_LEN_MAX)
		return false;
	for (;; name++) {
		if (*name && *name != '.') {
			*p++ = (uint8_t)*name;
			continue;
		}
		if (p - label < 2 || p - label > LABEL_MAX + 1)
			return false;
		*label = (uint8_t)(p - label - 1);
		label = p++;
		if (!name[0] || !name[1])
			break;
	}
	p[1] = type;
	p[3] = CLASS_IN;
	query->len = (size_t)(p + 4 - query->bytes);
	return true;
}

/* The addresses among the records, as far as they are whole; *at is behind the question. */
static void take_records(struct lookup *lookup, const uint8_t *answer, size_t n, size_t at)
{
	for (unsigned left = (unsigned)(answer[6] << 8 | answer[7]); left; left--) {
		struct address address = { .len = 0 };
		const uint8_t *record;
		size_t len;

		while (at < n && answer[at] && answer[at] < 0xc0)
			at += answer[at] + 1u;
		at += at < n && answer[at] ? 2 : 1; /* a pointer, or the name's end */
		if (n < at + 10)
			return;
		record = answer + at;
		len = (size_t)(record[8] << 8 | record[9]);
		at += 10 + len;
		if (n < at)
			return;
		if (record[0] || record[2] || record[3] != CLASS_IN)
			continue;
		if (record[1] == TYPE_A && len == sizeof(address.sa.v4.sin_addr)) {
			address.len = sizeof(address.sa.v4);
			address.sa.v4.sin_family = AF_INET;
			memcpy(&address.sa.v4.sin_addr, record + 10, len);
			add(lookup, &address);
		} else if (record[1] == TYPE_AAAA && len == sizeof(address.sa.v6.sin6_addr)) {
			address.len = sizeof(address.sa.v6);
			address.sa.v6.sin6_family = AF_INET6;
			memcpy(&address.sa.v6.sin6_addr, record + 10, len);
			add(lookup, &address);
		}
	}
}

/* The question must come back, but its letters may have another case. */
static bool is_answer_to(const struct query *query, const uint8_t *answer, size_t n)
{
	if (n < query->len || memcmp(answer, query->bytes, 2) != 0 || !(answer[2] & 0x80) ||
	    answer[5] != 1)
		return false;
	for (size_t i = HEADER_SIZE; i < query->len; i++)
		if ((answer[i] ^ query->bytes[i]) & ~0x20)
			return false;
	return true;
}

/* What is neither a "yes" nor a "no" may be another one the next time, or of another server. */
static void take_answer(struct lookup *lookup, const uint8_t *answer, size_t n)
{
	for (unsigned i = 0; i < 2; i++) {
		struct query *query = &lookup->query[i];
		unsigned code;

		if (query->answered || !is_answer_to(query, answer, n))
			continue;
		code = answer[3] & 15;
		query->answered = code == ANSWERED || code == NO_SUCH_NAME;
		if (code == NO_SUCH_NAME)
			lookup->no_such_name = true;
		else if (code == ANSWERED)
			take_records(lookup, answer, n, query->len);
	}
}

static void ask_servers(struct lookup *lookup)
{
	for (unsigned i = 0; i < 2 * lookup->servers; i++) {
		const struct query *query = &lookup->query[i % 2];

		if (!query->answered)
			send(lookup->server[i / 2].fd, query->bytes, query->len, 0);
	}
}

static void hear_servers(struct lookup *lookup, int ms)
{
	uint8_t answer[ANSWER_SIZE];
	ssize_t n;

	poll(lookup->server, lookup->servers, ms);
	for (unsigned i = 0; i < lookup->servers; i++)
		if ((n = recv(lookup->server[i].fd, answer, sizeof(answer), 0)) > 0)
			take_answer(lookup, answer, (size_t)n);
}

/* Of that very name: 0 when it has addresses, else an EAI_*. */
static int ask(struct lookup *lookup, const char *name)
{
	uint64_t now = loop_clock(), end, again = now;
	uint32_t timeout = lookup->number[TIMEOUT] * 1000, id = (uint32_t)now;

	end = now + timeout;
	syscall(SYS_getrandom, &id, sizeof(id), 1 /* or else as it is */);
	lookup->no_such_name = false;
	if (!make_query(&lookup->query[0], name, TYPE_A, (uint16_t)id) ||
	    !make_query(&lookup->query[1], name, TYPE_AAAA, (uint16_t)(id >> 16)))
		return EAI_NONAME;
	for (; now < end && !(lookup->query[0].answered && lookup->query[1].answered);
	     now = loop_clock()) {
		if (now >= again) {
			ask_servers(lookup);
			again += timeout / lookup->number[ATTEMPTS];
		}
		hear_servers(lookup, (int)((again < end ? again : end) - now));
	}
	if (lookup->count)
		return 0;
	if (lookup->no_such_name)
		return EAI_NONAME;
	return now < end ? EAI_NODATA : EAI_AGAIN;
}

static int ask_dns(struct lookup *lookup)
{
	char full[NAME_LEN_MAX + 3], *cursor = lookup->search;
	const char *word, *name = lookup->name;
	uint32_t dots = 0;
	size_t len = strlen(name);
	bool whole = len && name[len - 1] == '.';

	lookup->number[NDOTS] = 1;
	lookup->number[TIMEOUT] = 5;
	lookup->number[ATTEMPTS] = 2;
	use_each_line(AT_FDCWD, RESOLV_FILE, see_setting, lookup);
	if (!lookup->servers)
		add_server(lookup, "127.0.0.1");
	for (const char *c = name; *c; c++)
		dots += *c == '.';
	while (!whole && dots < lookup->number[NDOTS] && (word = text_word(&cursor))) {
		int error;

		if (len + 1 + strlen(word) >= sizeof(full))
			continue;
		text_format(full, sizeof(full), "%s.%s", name, word);
		error = ask(lookup, full);
		if (error != EAI_NONAME)
			return error;
	}
	return ask(lookup, name);
}

/* RFC 6724 2.1; none of these has the label of another. IPv6 addresses of the past are left out. */
static uint32_t precedence(const struct in6_addr *address)
{
	uint32_t first = (uint32_t)address->s6_addr[0] << 24 | (uint32_t)address->s6_addr[1] << 16 |
			 (uint32_t)address->s6_addr[2] << 8 | address->s6_addr[3];

	if (address_is_v4(address))
		return 35;
	if (IN6_IS_ADDR_LOOPBACK(address))
		return 50;
	if (first >> 16 == 0x2002)
		return 30;
	if (first == 0x20010000)
		return 5;
	return first >> 25 == 0xfc >> 1 ? 3 : 40;
}

/* RFC 6724 3.1, 3.2 */
static uint32_t scope(const struct in6_addr *address)
{
	const uint8_t *a = address->s6_addr;
	enum { LINK = 2, SITE = 5, GLOBAL = 14 };

	if (address_is_v4(address))
		return a[12] == 127 || (a[12] == 169 && a[13] == 254) ? LINK : GLOBAL;
	if (a[0] == 0xff)
		return a[1] & 15;
	if (IN6_IS_ADDR_LINKLOCAL(address) || IN6_IS_ADDR_LOOPBACK(address))
		return LINK;
	return IN6_IS_ADDR_SITELOCAL(address) ? SITE : GLOBAL;
}

/* RFC 6724 6, the rules that a program can follow: a greater one comes first. The kernel says from
 * which address it would go there. */
static uint32_t rank(const struct address *at)
{
	struct address from = { .len = sizeof(from.sa) };
	int fd = socket(at->sa.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct in6_addr to, source;
	uint32_t rank, bits = 0;

	address_split(at, &to);
	rank = precedence(&to) << 20 | (15 - scope(&to)) << 16;
	if (!connect(fd, &at->sa.any, at->len) && !getsockname(fd, &from.sa.any, &from.len)) {
		address_split(&from, &source);
		while (bits < 128 && !((to.s6_addr[bits / 8] ^ source.s6_addr[bits / 8]) &
				       128 >> bits % 8))
			bits++;
		rank |= 1u << 30 | (uint32_t)(scope(&source) == scope(&to)) << 29 |
			(uint32_t)(precedence(&source) == precedence(&to)) << 28 | bits << 8;
	}
	close(fd);
	return rank;
}

static struct addrinfo *in_order(struct lookup *lookup, int socktype)
{
	struct addrinfo *first = NULL;

	for (struct found *i = lookup->found; i < lookup->found + lookup->count; i++) {
		struct addrinfo **place = &first;

		i->at.sa.v4.sin_port = lookup->port; /* in IPv6 it is in the same place */
		i->rank = rank(&i->at);
		i->info.ai_family = i->at.sa.any.sa_family;
		i->info.ai_socktype = socktype;
		i->info.ai_addr = &i->at.sa.any;
		i->info.ai_addrlen = i->at.len;
		while (*place && ((struct found *)(void *)*place)->rank >= i->rank)
			place = &(*place)->ai_next;
		i->info.ai_next = *place;
		*place = &i->info;
	}
	return first;
}

int getaddrinfo(const char *restrict name, const char *restrict port,
		const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
	static struct lookup lookup;
	struct address at;
	uint32_t number = 0;
	int error = 0;

	memset(&lookup, 0, sizeof(lookup));
	text_decimal(port, UINT16_MAX, &number);
	lookup.name = name;
	lookup.port = htons((uint16_t)number);
	if (parse_literal(name, &at))
		add(&lookup, &at);
	else
		use_each_line(AT_FDCWD, HOSTS_FILE, see_host, &lookup);
	if (!lookup.count)
		error = ask_dns(&lookup);
	*list = in_order(&lookup, hints->ai_socktype);
	return error;
}

const char *gai_strerror(int error)
{
	switch (error) {
	case EAI_NONAME:
		return "Name does not resolve";
	case EAI_AGAIN:
		return "Try again";
	case EAI_NODATA:
		return "Name has no usable address";
	default:
		return "Non-recoverable error";
	}
}
