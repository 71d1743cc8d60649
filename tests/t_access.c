/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/access: tables of who may connect and use which device; the rate of log lines.
 * LINK: -Wl,--wrap=log_line,--wrap=file_each_line
 */
#include "host/access.h"

#include "lib/addr.h"
#include "lib/log.h"
#include "lib/str.h"
#include "tests/check.h"

static struct rules rules;
static struct keys keys;
static unsigned lines;
static char last_line[200];

void __wrap_log_line(enum log_level level, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void __wrap_log_line(enum log_level level, int error, const char *format, ...)
{
	va_list args;

	CHECK_INT(level, LOG_LEVEL_WARNING);
	CHECK_INT(error, 0);
	va_start(args, format);
	str_vformat(last_line, sizeof(last_line), format, args);
	va_end(args);
	lines++;
}

static struct in6_addr parsed(const char *text)
{
	struct in6_addr address;

	must(addr_parse(text, &address), text);
	return address;
}

static void addresses(void)
{
	static const struct {
		const char *networks, *address; /* networks is NULL: all */
		bool allowed;
	} row[] = {
		{ NULL, "8.8.8.8", true },
		{ NULL, "2001:db8::1", true },
		{ "10.0.0.0/8", "10.1.2.3", true },
		{ "10.0.0.0/8", "11.1.2.3", false },
		{ "10.0.0.0/8", "127.0.0.1", false },
		{ "10.0.0.0/8", "::1", false },
		{ "10.0.0.0/8 fd00::/8", "fd00::1", true },
		{ "10.0.0.0/8 fd00::/8", "fe80::1", false },
		{ "::/0", "10.0.0.1", false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct in6_addr address = parsed(row[i].address);
		struct cidr_list networks = { 0 };
		struct access access = { .networks = row[i].networks ? &networks : NULL };

		must(!row[i].networks || cidr_list_add(&networks, row[i].networks), "allow");
		CHECK_INT(access_allows_address(&access, &address), row[i].allowed);
	}
}

/* The networks that this machine is in. */
static const char *links = "";
static unsigned looks;

int __wrap_file_each_line(int dir, const char *path, bool (*visit)(void *ctx, char *line), void *ctx);

int __wrap_file_each_line(int dir, const char *path, bool (*visit)(void *ctx, char *line), void *ctx)
{
	char text[300], *rest = text, *line;

	(void)dir;
	looks++;
	CHECK_STR(path, "/proc/net/if_inet6");
	snprintf(text, sizeof(text), "%s", links);
	while ((line = strsep(&rest, "\n")))
		if (visit(ctx, line))
			return 1;
	return 0;
}

static void own_networks(void)
{
	static const char two[] = "00000000000000000000000000000001 01 80 10 80       lo\n"
				  "20010db8000000070000000000000001 02 40 00 80     eth0\n"
				  "20010db9000000000000000000000001 03 20 00 80     eth1\n"
				  "20010dba000000000000000000000001 04 70 00 80     eth2\n";
	static const char odd[] = "2001 02 40 00 80 eth0\n20010db8000000070000000000000001 02 40\n\n"
				  "20010db80000000700000000000000zz 02 40 00 80 eth0\n"
				  "20010db8000000070000000000000001 02 81 00 80 eth0\n";
	static const struct {
		const char *links, *address;
		bool named, allowed;
	} row[] = {
		{ two, "2001:db8:0:7::99", false, true },
		{ two, "2001:db8:0:8::99", false, false },
		{ two, "2001:db8:0:7::99", true, false }, /* --allow replaces all */
		{ two, "2001:db9::99", false, false }, /* that is no network */
		{ two, "2001:dba::99", false, true },
		{ two, "2001:dba::1:99", false, false },
		{ two, "8.8.8.8", false, false },
		{ two, "::2", false, false },
		{ odd, "2001:db8:0:7::99", false, false },
		{ odd, "2001::99", false, false },
		{ "", "2001:db8:0:7::99", false, false },
	};
	struct cidr_list networks = { 0 };

	must(cidr_list_add(&networks, NETWORKS_NEAR), "allow");
	for (size_t i = 0; i < LENGTH(row); i++) {
		struct in6_addr address = parsed(row[i].address);
		struct access access = { .networks = &networks, .named = row[i].named };

		links = row[i].links;
		looks = 0;
		if (access_allows_address(&access, &address) != row[i].allowed)
			check_fault(__FILE__, __LINE__, "row %zu", i);
		CHECK_INT(looks, !row[i].named && !strchr(row[i].address, '.'));
	}
	links = "";
}

static void peers(void)
{
	static const char laptop[] = "laptop:00112233445566778899aabbccddeeff";
	static const char other[] = "laptop:ffeeddccbbaa99887766554433221100";
	static const struct {
		bool keys;
		const char *address, *key;
		const char *proved; /* the line of the key that was proved */
		bool allowed;
	} row[] = {
		{ false, "10.0.0.1", NULL, NULL, true },
		{ false, "10.0.0.1", "laptop", laptop, true },
		{ true, "10.0.0.1", NULL, NULL, false },
		{ true, "fd00::1", NULL, NULL, false },
		{ true, "127.0.0.1", NULL, NULL, false },
		{ true, "::1", NULL, NULL, false },
		{ true, "10.0.0.1", "laptop", laptop, true },
		{ true, "10.0.0.1", "laptop", other, false }, /* the key has changed since */
		{ true, "127.0.0.1", "laptop", other, false },
		{ true, "10.0.0.1", "tablet", laptop, false },
		{ true, "127.0.0.1", "tablet", laptop, false },
	};

	keys.count = 1;
	must(!psk_parse(&keys.key[0], laptop), "make the key");
	for (size_t i = 0; i < LENGTH(row); i++) {
		struct access access = { .keys = row[i].keys ? &keys : NULL };
		struct peer_id peer = { parsed(row[i].address), row[i].key, 0 };
		struct psk proved;

		if (row[i].proved) {
			must(!psk_parse(&proved, row[i].proved), "make a key");
			peer.print = proved.print;
		}
		CHECK_INT(access_allows_peer(&access, &peer), row[i].allowed);
	}
}

/* Without a key, and with ranges that are the default or that somebody has asked for. */
static void local_peers(void)
{
	static const struct {
		bool named;
		const char *networks, *address;
		bool allowed;
	} row[] = {
		{ false, NETWORKS_NEAR, "127.0.0.1", false },
		{ false, NETWORKS_NEAR, "::1", false },
		{ true, "127.0.0.0/8 10.0.0.0/8", "127.0.0.1", true },
		{ true, "10.0.0.0/8 127.0.0.1", "127.0.0.1", true },
		{ true, "127.0.0.1", "127.0.0.2", false },
		{ true, "127.0.0.0/8 10.0.0.0/8", "10.0.0.1", false },
		{ true, "127.0.0.0/8", "::1", false },
		{ true, "::1", "::1", true },
		{ true, "::1", "127.0.0.1", false },
		/* these say nothing of this machine */
		{ true, "0.0.0.0/0 ::/0", "127.0.0.1", false },
		{ true, "0.0.0.0/0 ::/0", "::1", false },
		{ true, "127.0.0.1/0", "10.0.0.1", false },
		{ true, "127.0.0.1/0", "127.0.0.1", false },
		{ true, "10.0.0.0/8 fd00::/8", "127.0.0.1", false },
	};

	keys.count = 1;
	for (size_t i = 0; i < LENGTH(row); i++) {
		struct peer_id peer = { parsed(row[i].address), NULL, 0 };
		struct cidr_list networks = { 0 };
		struct access access = { .networks = &networks, .named = row[i].named,
					 .keys = &keys };

		must(cidr_list_add(&networks, row[i].networks), "allow");
		CHECK_INT(access_allows_peer(&access, &peer), row[i].allowed);
	}
}

/* The device is 1-1 (0951:1666), whose class and strings are not known. */
static void devices(void)
{
	static const struct {
		const char *rule[3];
		bool allowed;
		const char *key;
	} row[] = {
		{ { NULL }, true, NULL },
		{ { "allow" }, true, NULL },
		{ { "deny" }, false, NULL },
		{ { "deny id 0951:*" }, false, NULL },
		{ { "deny id 0952:*" }, true, NULL },
		{ { "deny busid 1-1" }, false, NULL },
		{ { "deny serial X" }, false, NULL }, /* not known: fails closed */
		{ { "allow to 10.0.0.0/8", "deny" }, true, NULL },
		{ { "allow to 10.0.0.2", "deny" }, false, NULL },
		{ { "deny to 10.0.0.1" }, false, NULL },
		{ { "deny to 10.0.0.2" }, true, NULL },
		{ { "allow to key laptop", "deny" }, false, NULL },
		{ { "allow to key laptop", "deny" }, true, "laptop" },
		{ { "allow to key laptop", "deny" }, false, "tablet" },
	};
	static const struct rule_facts identity = { .busid = "1-1", .vendor = 0x951,
						    .product = 0x1666 };

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct access access = { .rules = &rules };
		struct rules_source source = { .role = RULE_SERVER };
		struct peer_id peer = { parsed("10.0.0.1"), row[i].key, 0 };

		while (source.options < 3 && row[i].rule[source.options]) {
			source.option[source.options] = row[i].rule[source.options];
			source.options++;
		}
		must(rules_read(&rules, &source), "read the rules");
		CHECK_INT(access_allows_device(&access, &identity, &peer), row[i].allowed);
	}
}

/* One line a minute for each kind, whoever the peers are. */
static void refusals(void)
{
	static struct access access;
	struct in6_addr first = parsed("10.0.0.1"), second = parsed("fd00::2");
	uint64_t now = 1;

	lines = 0;
	access_log_refusal(&access, ACCESS_NO_KEY, now, &first, "refused: %s %u", "reason", 7u);
	CHECK_STR(last_line, "10.0.0.1: refused: reason 7");
	for (int kind = 0; kind < ACCESS_REFUSALS; kind++)
		access_log_refusal(&access, (enum access_refusal)kind, now, &second, "x");
	CHECK_INT(lines, ACCESS_REFUSALS);
	CHECK_STR(last_line, "fd00:0:0:0:0:0:0:2: x");
	for (int kind = 0; kind < ACCESS_REFUSALS; kind++)
		access_log_refusal(&access, (enum access_refusal)kind,
				   now + ACCESS_LOG_INTERVAL_MS - 1, &second, "x");
	CHECK_INT(lines, ACCESS_REFUSALS);
	now += ACCESS_LOG_INTERVAL_MS;
	for (int kind = 0; kind < ACCESS_REFUSALS; kind++)
		access_log_refusal(&access, (enum access_refusal)kind, now, &second, "x");
	CHECK_INT(lines, 2 * ACCESS_REFUSALS);
}

static struct access crowd;

static void stranger(uint64_t now, unsigned number)
{
	struct in6_addr address = parsed("fd00::");

	address.s6_addr[14] = (uint8_t)(number >> 8);
	address.s6_addr[15] = (uint8_t)number;
	access_log_stranger(&crowd, now, &address);
}

/* Each address once; of a crowd a fixed number in a minute, and the oldest are forgotten first. */
static void strangers(void)
{
	uint64_t now = 1;

	lines = 0;
	stranger(now, 1);
	CHECK_STR(last_line, "fd00:0:0:0:0:0:0:1: connection refused: --allow does not include this address");
	stranger(now + 100 * ACCESS_LOG_INTERVAL_MS, 1);
	CHECK_INT(lines, 1);
	for (int i = 0; i < 2; i++) { /* those logged before are known, whatever their places */
		stranger(now + 1, 2);
		stranger(now + 2, 3);
		CHECK_INT(lines, 3);
	}
	for (unsigned i = 1; i < 3 * ACCESS_STRANGERS_MAX; i++)
		stranger(now + i, i);
	CHECK_INT(lines, ACCESS_STRANGERS_MAX);
	now += ACCESS_LOG_INTERVAL_MS;
	stranger(now - 1, 1000);
	CHECK_INT(lines, ACCESS_STRANGERS_MAX);
	stranger(now, 1000); /* in the place of the first */
	CHECK_INT(lines, ACCESS_STRANGERS_MAX + 1);
	stranger(now, 1001); /* that of the second is younger */
	CHECK_INT(lines, ACCESS_STRANGERS_MAX + 1);
	stranger(now, 2);
	CHECK_INT(lines, ACCESS_STRANGERS_MAX + 1);
	stranger(now + ACCESS_LOG_INTERVAL_MS, 1);
	CHECK_INT(lines, ACCESS_STRANGERS_MAX + 2);
}

int main(void)
{
	RUN("t_access: addresses that may connect", addresses);
	RUN("t_access: addresses of its own networks", own_networks);
	RUN("t_access: keys", peers);
	RUN("t_access: peers without a key on this machine", local_peers);
	RUN("t_access: rules", devices);
	RUN("t_access: refusals are logged once in a minute", refusals);
	RUN("t_access: strangers are logged once", strangers);
	return check_status();
}
