/* SPDX-License-Identifier: MIT */
/* Network interfaces that this host depends on. */
#include "sysfs/protect.h"

#include "lib/addr.h"
#include "lib/str.h"
#include "lib/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>

enum {
	WORD_DIGITS = 8, /* of IPv4; IPv6 has four words */
	V4_BITS = 96,	 /* of a mapped address, before those of IPv4 */
	ROUTES_MAX = 256,
	NAMES_MAX = 32,
};

struct net_route {
	struct cidr to;
	uint32_t metric;
	bool ours; /* through an interface of net_search */
};

struct net_search {
	struct protect_query *query;
	unsigned names; /* one interface of the USB device; bridges, bonds and VLANs above it */
	char name[NAMES_MAX][IFNAMSIZ];
	unsigned routes; /* more than ROUTES_MAX: the others are not in the table */
	struct net_route route[ROUTES_MAX];
};

/* Parses one or four words in hex, up to a ':'; IPv4 becomes a mapped address. /proc shows bytes in
 * the order of the network, or (as_numbers) the words as numbers of this machine. */
static bool net_parse_address(const char *text, bool as_numbers, struct in6_addr *address)
{
	static const struct in6_addr v4 = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
	size_t len = (size_t)(strchrnul(text, ':') - text), words = len / WORD_DIGITS;
	char digits[WORD_DIGITS + 1];
	uint32_t word;

	if (len % WORD_DIGITS || (words != 1 && words != 4))
		return false;
	*address = v4;
	for (size_t i = 4 - words; i < 4; i++, text += WORD_DIGITS) {
		str_copy(digits, sizeof(digits), text);
		if (str_hex(digits, UINT32_MAX, &word))
			return false;
		address->s6_addr32[i] = as_numbers ? word : htonl(word);
	}
	return true;
}

static bool net_has_name(const struct net_search *search, const char *interface)
{
	for (unsigned i = 0; i < search->names; i++)
		if (!strcmp(search->name[i], interface))
			return true;
	return false;
}

/*
 * A line of net/route or net/ipv6_route. True if it is the default route, through an interface of
 * ours; else a route that is up goes into the table.
 * IPv4: "eth0 00000000 0102A8C0 0003 0 0 100 00000000 0 0 0":
 *	interface to via flags - - metric mask - - -
 * IPv6: "fe80... 40 0... 00 0... 00000100 00000001 00000000 00000001 eth0":
 *	to bits from bits via metric - - flags interface
 */
static bool net_visit_route(void *ctx, char *line)
{
	enum { TO, MASK, METRIC, FLAGS, INTERFACE };
	static const uint8_t v4_column[] = { 1, 7, 6, 3, 0 }, v6_column[] = { 0, 1, 5, 8, 9 };
	struct net_search *search = ctx;
	struct net_route route = { .metric = 0 };
	const uint8_t *column;
	uint32_t mask, flags;
	char *word[10];
	bool v6;

	if (str_words(line, word, ARRAY_SIZE(word)) < ARRAY_SIZE(word))
		return false;
	v6 = strlen(word[0]) == 4UL * WORD_DIGITS;
	column = v6 ? v6_column : v4_column;
	if (!net_parse_address(word[column[TO]], !v6, &route.to.address) ||
	    str_hex(word[column[MASK]], v6 ? 128 : UINT32_MAX, &mask) ||
	    (v6 ? str_hex : str_decimal)(word[column[METRIC]], UINT32_MAX, &route.metric) ||
	    str_hex(word[column[FLAGS]], UINT32_MAX, &flags) || !(flags & RTF_UP) ||
	    flags & RTF_REJECT)
		return false;
	route.ours = net_has_name(search, word[column[INTERFACE]]);
	if (!mask && route.ours)
		return true;
	route.to.bits = (uint8_t)(v6 ? mask : V4_BITS);
	for (; !v6 && mask; mask &= mask - 1)
		route.to.bits++;
	if (search->routes < ROUTES_MAX)
		search->route[search->routes] = route;
	search->routes += search->routes <= ROUTES_MAX;
	return false;
}

/* Whether the way to an address is through the interface. */
static bool net_leads_to(const struct net_search *search, const struct in6_addr *address)
{
	const struct net_route *best = NULL;

	for (unsigned i = 0; i < search->routes; i++) {
		const struct net_route *route = &search->route[i];

		if (cidr_contains(&route->to, address) &&
		    (!best || route->to.bits > best->to.bits ||
		     (route->to.bits == best->to.bits && route->metric < best->metric)))
			best = route;
	}
	return best && best->ours;
}

/* "0: 0100007F:0CA8 0100007F:9C40 01 ...": - local remote state */
static bool net_visit_connection(void *ctx, char *line)
{
	struct net_search *search = ctx;
	struct in6_addr address;
	char *word[4];

	if (str_words(line, word, 4) < 4 ||
	    strcmp(word[3], "01") != 0 || /* established: include/net/tcp_states.h */
	    !net_parse_address(word[2], true, &address))
		return false;
	/* every interface has a route to fe80::/10: the local address tells which one it is */
	if (IN6_IS_ADDR_LINKLOCAL(&address) && !net_parse_address(word[1], true, &address))
		return false;
	if (search->routes > ROUTES_MAX)
		return protect_because(search->query, PROTECT_UNKNOWN
				       "this host has more than %d routes", ROUTES_MAX);
	return net_leads_to(search, &address);
}

static bool net_visit_upper(void *ctx, const char *entry)
{
	static const char upper[] = "upper_";
	struct net_search *search = ctx;
	const char *name = entry + sizeof(upper) - 1;

	if (strncmp(entry, upper, sizeof(upper) - 1) != 0 || net_has_name(search, name))
		return false;
	if (search->names == NAMES_MAX)
		return protect_because(search->query, PROTECT_UNKNOWN
				       "%s is a part of more than %d interfaces", search->name[0],
				       NAMES_MAX);
	str_copy(search->name[search->names++], IFNAMSIZ, name);
	return false;
}

/* Collects the names: true if not all can be known. */
static bool net_add_uppers(struct net_search *search, const char *interface)
{
	bool unknown = false;

	search->names = 1;
	str_copy(search->name[0], IFNAMSIZ, interface);
	for (unsigned i = 0; i < search->names && !unknown; i++)
		unknown = protect_each_entry(search->query,
					     sysfs_path("class/net/%s", search->name[i]).text,
					     net_visit_upper, search);
	return unknown;
}

/* Reads the place of an interface in sysfs, if it is hardware, into place, of PATH_MAX bytes. */
static ssize_t net_read_place(const struct protect_query *query, const char *name, char *place)
{
	ssize_t n = sysfs_read_link(query->sysfs, place, PATH_MAX,
				    sysfs_path("class/net/%s", name).text);

	/* "." and the like are no links */
	return n == -EINVAL || (n >= 0 && strstr(place, "/virtual/")) ? -ENOENT : n;
}

/* Whether it is a link to the world that is up, and not of the USB device. */
static bool net_visit_other(void *ctx, const char *name)
{
	const struct protect_query *query = ctx;
	struct sysfs_path carrier = sysfs_path("class/net/%s/carrier", name);
	char place[PATH_MAX];

	return net_read_place(query, name, place) >= 0 &&
	       !protect_path_contains(place, query->busid) &&
	       sysfs_read_number(query->sysfs, false, 1, carrier.text) > 0;
}

static bool net_is_only_link(struct protect_query *query, const char *name)
{
	struct sysfs_path carrier = sysfs_path("class/net/%s/carrier", name);
	int up = sysfs_read_number(query->sysfs, false, 1, carrier.text);

	if (up < 0 && up != -EINVAL) /* -EINVAL: the interface is not up */
		return protect_failed(query, "sys", carrier.text, up);
	return up > 0 &&
	       sysfs_each_entry(query->sysfs->root, "class/net", net_visit_other, query) <= 0;
}

static bool net_visit_interface(void *ctx, const char *name)
{
	struct net_search *search = ctx;
	struct protect_query *query = search->query;
	char place[PATH_MAX];
	ssize_t n = net_read_place(query, name, place);

	if (n < 0)
		return protect_failed(query, "sys", sysfs_path("class/net/%s", name).text, n);
	if (!protect_path_contains(place, query->busid))
		return false;
	if (net_add_uppers(search, name))
		return true;
	search->routes = 0;
	if (protect_each_line(query, "net/route", net_visit_route, search) ||
	    protect_each_line(query, "net/ipv6_route", net_visit_route, search))
		return protect_because(query, "its network interface %s has the default route",
				       name);
	if (protect_each_line(query, "net/tcp", net_visit_connection, search) ||
	    protect_each_line(query, "net/tcp6", net_visit_connection, search))
		return protect_because(query, "its network interface %s has a connection", name);
	return net_is_only_link(query, name) &&
	       protect_because(query, "its network interface %s is the only link that is up", name);
}

bool protect_net(struct protect_query *query)
{
	struct net_search search;

	search.query = query;
	return protect_each_entry(query, "class/net", net_visit_interface, &search);
}
