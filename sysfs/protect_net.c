/* SPDX-License-Identifier: MIT */
/* Network interfaces that this host depends on. */
#include "sysfs/protect.h"

#include "lib/addr.h"
#include "lib/str.h"
#include "lib/util.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>

enum {
	ADDRESS_SIZE = sizeof(struct in6_addr),
	V4_DIGITS = 8,
	V6_DIGITS = 32,
	V4_BITS = 96, /* of a mapped address, before those of IPv4 */
	ROUTES_MAX = 256,
	NAMES_MAX = 32,
	ESTABLISHED = 1, /* include/net/tcp_states.h */
	/* added to the place of a byte by exclusive or, where /proc shows words as numbers */
	SWAP_WORDS = BYTE_ORDER == LITTLE_ENDIAN ? 3 : 0,
	SWAP_NOTHING = 0,
};

struct net_route {
	struct cidr to;
	bool is_default;
	uint32_t metric;
	char interface[IFNAMSIZ];
};

struct net_search {
	struct protect_query *query;
	/* One interface of the USB device, and the bridges, bonds and VLANs above it. */
	unsigned names;
	char name[NAMES_MAX][IFNAMSIZ];
	unsigned routes; /* more than ROUTES_MAX: the others are not in the table */
	struct net_route route[ROUTES_MAX];
};

/* Parses eight or thirty-two hex digits; IPv4 becomes a mapped address. */
static bool net_parse_address(const char *text, unsigned swap, struct in6_addr *address)
{
	static const struct in6_addr v4 = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
	size_t len = strlen(text);
	char digits[3];
	uint32_t byte;

	if (len != V4_DIGITS && len != V6_DIGITS)
		return false;
	*address = v4;
	for (size_t i = ADDRESS_SIZE - len / 2; i < ADDRESS_SIZE; i++, text += 2) {
		str_format(digits, sizeof(digits), "%s", text);
		if (str_hex(digits, UINT8_MAX, &byte))
			return false;
		address->s6_addr[i ^ swap] = (uint8_t)byte;
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
 * Parses a line of net/route or net/ipv6_route; false if it is no route that is up.
 * IPv4: "eth0 00000000 0102A8C0 0003 0 0 100 00000000 0 0 0":
 *	interface to via flags - - metric mask - - -
 * IPv6: "fe80... 40 0... 00 0... 00000100 00000001 00000000 00000001 eth0":
 *	to bits from bits via metric - - flags interface
 */
static bool net_parse_route(char *line, struct net_route *route)
{
	enum { TO, MASK, METRIC, FLAGS, INTERFACE };
	static const uint8_t v4_column[] = { 1, 7, 6, 3, 0 }, v6_column[] = { 0, 1, 5, 8, 9 };
	const uint8_t *column;
	uint32_t mask, flags;
	char *word[10];
	bool v6;

	if (str_words(line, word, ARRAY_SIZE(word)) < ARRAY_SIZE(word))
		return false;
	v6 = strlen(word[0]) == V6_DIGITS;
	column = v6 ? v6_column : v4_column;
	if (!net_parse_address(word[column[TO]], v6 ? SWAP_NOTHING : SWAP_WORDS,
			       &route->to.address) ||
	    str_hex(word[column[MASK]], v6 ? 8 * ADDRESS_SIZE : UINT32_MAX, &mask) ||
	    (v6 ? str_hex(word[column[METRIC]], UINT32_MAX, &route->metric) :
		  str_decimal(word[column[METRIC]], UINT32_MAX, &route->metric)) ||
	    str_hex(word[column[FLAGS]], UINT32_MAX, &flags) || !(flags & RTF_UP) ||
	    flags & RTF_REJECT)
		return false;
	route->is_default = !mask;
	route->to.bits = (uint8_t)(v6 ? mask : V4_BITS);
	for (; !v6 && mask; mask &= mask - 1)
		route->to.bits++;
	str_format(route->interface, sizeof(route->interface), "%s", word[column[INTERFACE]]);
	return true;
}

/* True if it is the default route, through the interface; else it goes into the table. */
static bool net_visit_route(void *ctx, char *line)
{
	struct net_search *search = ctx;
	struct net_route route;

	if (!net_parse_route(line, &route))
		return false;
	if (route.is_default && net_has_name(search, route.interface))
		return true;
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
	return best && net_has_name(search, best->interface);
}

/* "0100007F:0CA8" */
static bool net_parse_end(char *text, struct in6_addr *address)
{
	text[strcspn(text, ":")] = '\0';
	return net_parse_address(text, SWAP_WORDS, address);
}

/* "0: 0100007F:0CA8 0100007F:9C40 01 ...": - local remote state */
static bool net_visit_connection(void *ctx, char *line)
{
	struct in6_addr address;
	struct net_search *search = ctx;
	uint32_t state;
	char *word[4];

	if (str_words(line, word, 4) < 4 || str_hex(word[3], UINT32_MAX, &state) ||
	    state != ESTABLISHED || !net_parse_end(word[2], &address))
		return false;
	/* every interface has a route to fe80::/10: the local address tells which one it is */
	if (IN6_IS_ADDR_LINKLOCAL(&address) && !net_parse_end(word[1], &address))
		return false;
	if (search->routes > ROUTES_MAX)
		return protect_unknown(search->query, "this host has more than %d routes",
				       ROUTES_MAX);
	return net_leads_to(search, &address);
}

/* Whether the interface has a carrier: 1, 0 or -errno. -EINVAL means that it is not up. */
static int net_is_up(const struct net_search *search, const char *interface)
{
	uint32_t carrier = 0;
	int error = sysfs_read_number(search->query->sysfs, false, 1, &carrier,
				      "class/net/%s/carrier", interface);

	if (error == -EINVAL || protect_is_gone(error))
		return 0;
	return error ? error : (int)carrier;
}

static bool net_visit_upper(void *ctx, const char *entry)
{
	static const char upper[] = "upper_";
	struct net_search *search = ctx;
	const char *name = entry + sizeof(upper) - 1;

	if (strncmp(entry, upper, sizeof(upper) - 1) != 0 || net_has_name(search, name))
		return false;
	if (search->names == NAMES_MAX)
		return protect_unknown(search->query, "%s is a part of more than %d interfaces",
				       search->name[0], NAMES_MAX);
	str_format(search->name[search->names++], IFNAMSIZ, "%s", name);
	return false;
}

/* Collects the names: true if not all can be known. */
static bool net_add_uppers(struct net_search *search, const char *interface)
{
	char path[32 + IFNAMSIZ];
	bool unknown = false;

	search->names = 1;
	str_format(search->name[0], IFNAMSIZ, "%s", interface);
	for (unsigned i = 0; i < search->names && !unknown; i++) {
		str_format(path, sizeof(path), "class/net/%s", search->name[i]);
		unknown = protect_each_entry(search->query, path, net_visit_upper, search);
	}
	return unknown;
}

/* Reads the place of an interface in sysfs, if it is hardware, into target, of PATH_MAX bytes:
 * 1, 0 or -errno. */
static int net_find_hardware(const struct net_search *search, const char *name, char *target)
{
	ssize_t n = sysfs_read_link(search->query->sysfs, target, PATH_MAX, "class/net/%s", name);

	if (n == -EINVAL || protect_is_gone(n)) /* "." and the like are no links */
		return 0;
	return n < 0 ? (int)n : !strstr(target, "/virtual/");
}

/* Whether it is a link to the world that is up, and not of the USB device. */
static bool net_visit_other(void *ctx, const char *name)
{
	struct net_search *search = ctx;
	char target[PATH_MAX];

	return net_find_hardware(search, name, target) > 0 &&
	       !protect_path_contains(target, search->query->busid) && net_is_up(search, name) > 0;
}

static bool net_is_only_link(struct net_search *search, const char *name)
{
	int up = net_is_up(search, name);

	if (up < 0)
		return protect_unknown(search->query, "cannot read /sys/class/net/%s/carrier: %s",
				       name, strerror(-up));
	return up && sysfs_each_entry(search->query->sysfs->root, "class/net", net_visit_other,
				      search) <= 0;
}

static bool net_visit_interface(void *ctx, const char *name)
{
	struct net_search *search = ctx;
	struct protect_query *query = search->query;
	char target[PATH_MAX];
	int found = net_find_hardware(search, name, target);

	if (found < 0)
		return protect_unreadable(query, "/sys/class/net", name, found);
	if (!found || !protect_path_contains(target, query->busid))
		return false;
	if (net_add_uppers(search, name))
		return true;
	search->routes = 0;
	if (protect_each_proc_line(query, "net/route", net_visit_route, search) ||
	    protect_each_proc_line(query, "net/ipv6_route", net_visit_route, search))
		return protect_because(query, "its network interface %s has the default route",
				       name);
	if (protect_each_proc_line(query, "net/tcp", net_visit_connection, search) ||
	    protect_each_proc_line(query, "net/tcp6", net_visit_connection, search))
		return protect_because(query, "its network interface %s has a connection", name);
	return net_is_only_link(search, name) &&
	       protect_because(query, "its network interface %s is the only link that is up", name);
}

bool protect_net(struct protect_query *query)
{
	struct net_search search;

	search.query = query;
	return protect_each_entry(query, "class/net", net_visit_interface, &search);
}
