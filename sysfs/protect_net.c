/* SPDX-License-Identifier: MIT */
/* Network interfaces that somebody depends on. */
#include "sysfs/protect.h"

#include "lib/file.h"
#include "lib/str.h"

#include <endian.h>
#include <limits.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>

enum {
	ADDRESS = 16, /* bytes: of IPv6, where IPv4 is ::ffff:a.b.c.d */
	V4_DIGITS = 8,
	V6_DIGITS = 32,
	V4_BITS = 96, /* so many before those of IPv4 */
	ROUTES_MAX = 256,
	UPPERS_MAX = 8, /* bridges and the like upon each other */
	ESTABLISHED = 1, /* include/net/tcp_states.h */
	/* what changes the place of a byte where words are shown as numbers */
	WORDS = BYTE_ORDER == LITTLE_ENDIAN ? 3 : 0,
	BYTES = 0,
};

struct net_route {
	uint32_t metric;
	uint32_t bits;
	uint8_t to[ADDRESS];
	char interface[IFNAMSIZ];
};

struct net_search {
	const struct sysfs *sysfs;
	const char *busid;
	struct reason *use;
	unsigned routes;
	/* The interface that is looked at, and what it is a part of. */
	unsigned names;
	char name[UPPERS_MAX][IFNAMSIZ];
	struct net_route route[ROUTES_MAX];
};

/* Eight or thirty-two hex digits. */
static bool parse_address(const char *text, unsigned order, uint8_t *address)
{
	static const uint8_t v4[ADDRESS] = { [10] = 0xff, [11] = 0xff };
	size_t len = strlen(text);
	char digits[3];
	uint32_t byte;

	if (len != V4_DIGITS && len != V6_DIGITS)
		return false;
	memcpy(address, v4, ADDRESS);
	for (size_t i = ADDRESS - len / 2; i < ADDRESS; i++, text += 2) {
		str_format(digits, sizeof(digits), "%s", text);
		if (str_hex(digits, UINT8_MAX, &byte))
			return false;
		address[i ^ order] = (uint8_t)byte;
	}
	return true;
}

static bool is_ours(const struct net_search *search, const char *interface)
{
	for (unsigned i = 0; i < search->names; i++)
		if (!strcmp(search->name[i], interface))
			return true;
	return false;
}

/*
 * IPv4: "eth0 00000000 0102A8C0 0003 0 0 100 00000000 0 0 0":
 *	interface to via flags - - metric mask - - -
 * IPv6: "fe80... 40 0... 00 0... 00000100 00000001 00000000 00000001 eth0":
 *	to bits from bits via metric - - flags interface
 * True when it is the default route and ours.
 */
static bool see_route(void *ctx, char *line)
{
	enum { TO, MASK, METRIC, FLAGS, INTERFACE };
	static const uint8_t v4_place[] = { 1, 7, 6, 3, 0 }, v6_place[] = { 0, 1, 5, 8, 9 };
	struct net_search *search = ctx;
	struct net_route route;
	uint32_t mask, flags;
	const uint8_t *place;
	char *word[10];
	bool v6;

	if (search->routes == ROUTES_MAX || str_words(line, word, 10) < 10)
		return false;
	v6 = strlen(word[0]) == V6_DIGITS;
	place = v6 ? v6_place : v4_place;
	if (!parse_address(word[place[TO]], v6 ? BYTES : WORDS, route.to) ||
	    str_hex(word[place[MASK]], v6 ? 8 * ADDRESS : UINT32_MAX, &mask) ||
	    (v6 ? str_hex(word[place[METRIC]], UINT32_MAX, &route.metric) :
		  str_decimal(word[place[METRIC]], UINT32_MAX, &route.metric)) ||
	    str_hex(word[place[FLAGS]], UINT32_MAX, &flags) || !(flags & RTF_UP) ||
	    flags & RTF_REJECT)
		return false;
	if (!mask && is_ours(search, word[place[INTERFACE]]))
		return true;
	route.bits = mask;
	if (!v6)
		for (route.bits = V4_BITS; mask; mask &= mask - 1)
			route.bits++;
	str_format(route.interface, sizeof(route.interface), "%s", word[place[INTERFACE]]);
	search->route[search->routes++] = route;
	return false;
}

static bool matches(const struct net_route *route, const uint8_t *address)
{
	for (unsigned i = 0; i < route->bits; i++)
		if ((route->to[i / 8] ^ address[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

/* Whether what leads to an address is ours. */
static bool is_way_to(const struct net_search *search, const uint8_t *address)
{
	const struct net_route *best = NULL;

	for (unsigned i = 0; i < search->routes; i++) {
		const struct net_route *route = &search->route[i];

		if (matches(route, address) &&
		    (!best || route->bits > best->bits ||
		     (route->bits == best->bits && route->metric < best->metric)))
			best = route;
	}
	return best && is_ours(search, best->interface);
}

/* "0100007F:0CA8" */
static bool parse_end(char *text, uint8_t *address)
{
	text[strcspn(text, ":")] = '\0';
	return parse_address(text, WORDS, address);
}

/* "0: 0100007F:0CA8 0100007F:9C40 01 ...": - local remote state */
static bool see_connection(void *ctx, char *line)
{
	uint8_t address[ADDRESS];
	uint32_t state;
	char *word[4];

	if (str_words(line, word, 4) < 4 || str_hex(word[3], UINT32_MAX, &state) ||
	    state != ESTABLISHED || !parse_end(word[2], address))
		return false;
	/* fe80::/10 is behind every interface: its own address tells which one it is */
	if (address[0] == 0xfe && (address[1] & 0xc0) == 0x80 && !parse_end(word[1], address))
		return false;
	return is_way_to(ctx, address);
}

static bool is_up(const struct net_search *search, const char *interface)
{
	uint32_t carrier = 0;

	sysfs_read_number(search->sysfs, false, 1, &carrier, "class/net/%s/carrier", interface);
	return carrier;
}

static bool add_upper(void *ctx, const char *entry)
{
	struct net_search *search = ctx;

	if (strncmp(entry, "upper_", 6) != 0 || is_ours(search, entry + 6))
		return false;
	str_format(search->name[search->names++], IFNAMSIZ, "%s", entry + 6);
	return search->names == UPPERS_MAX;
}

/* The interface, and the bridges, bonds and VLANs it is a part of. */
static void collect_names(struct net_search *search, const char *interface)
{
	char path[32 + IFNAMSIZ];

	search->names = 1;
	str_format(search->name[0], IFNAMSIZ, "%s", interface);
	for (unsigned i = 0; i < search->names && search->names < UPPERS_MAX; i++) {
		str_format(path, sizeof(path), "class/net/%s", search->name[i]);
		sysfs_each_entry(search->sysfs->root, path, add_upper, search);
	}
}

/* Whether it is a device, and one of this USB device, or not. */
static bool is_of_it(const struct net_search *search, const char *name, bool of_it)
{
	char target[PATH_MAX];

	return sysfs_read_link(search->sysfs, target, sizeof(target), "class/net/%s", name) >= 0 &&
	       !strstr(target, "/virtual/") && protect_path_contains(target, search->busid) == of_it;
}

/* Whether it is another link to the world. */
static bool see_other(void *ctx, const char *name)
{
	return is_of_it(ctx, name, false) && is_up(ctx, name);
}

static bool see_interface(void *ctx, const char *name)
{
	struct net_search *search = ctx;
	const struct sysfs *sysfs = search->sysfs;
	const char *what;

	if (!is_of_it(search, name, true))
		return false;
	collect_names(search, name);
	search->routes = 0;
	if (file_each_line(sysfs->proc, "net/route", see_route, search) ||
	    file_each_line(sysfs->proc, "net/ipv6_route", see_route, search))
		what = "its network interface %s has the default route";
	else if (file_each_line(sysfs->proc, "net/tcp", see_connection, search) ||
		 file_each_line(sysfs->proc, "net/tcp6", see_connection, search))
		what = "its network interface %s has a connection";
	else if (is_up(search, name) &&
		 sysfs_each_entry(sysfs->root, "class/net", see_other, search) <= 0)
		what = "its network interface %s is the only link that is up";
	else
		return false;
	return protect_because(search->use, what, name);
}

bool protect_net(const struct sysfs *sysfs, const char *busid, struct reason *use)
{
	static struct net_search search; /* big */

	search.sysfs = sysfs;
	search.busid = busid;
	search.use = use;
	return sysfs_each_entry(sysfs->root, "class/net", see_interface, &search) > 0;
}
