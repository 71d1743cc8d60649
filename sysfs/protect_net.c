/* SPDX-License-Identifier: MIT */
/* Network interfaces that somebody depends on. */
#include "sysfs/protect.h"

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

struct route {
	uint32_t metric;
	uint32_t bits;
	uint8_t to[ADDRESS];
	char interface[IFNAMSIZ];
};

struct network {
	const struct sysfs *sysfs;
	const char *busid;
	struct use *use;
	unsigned routes;
	/* The interface that is looked at, and what it is a part of. */
	unsigned names;
	char name[UPPERS_MAX][IFNAMSIZ];
	struct route route[ROUTES_MAX];
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
		text_format(digits, sizeof(digits), "%s", text);
		if (text_hex(digits, UINT8_MAX, &byte))
			return false;
		address[i ^ order] = (uint8_t)byte;
	}
	return true;
}

static bool is_ours(const struct network *network, const char *interface)
{
	for (unsigned i = 0; i < network->names; i++)
		if (!strcmp(network->name[i], interface))
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
	struct network *network = ctx;
	struct route route;
	uint32_t mask, flags;
	const uint8_t *place;
	char *word[10];
	bool v6;

	if (network->routes == ROUTES_MAX || text_words(line, word, 10) < 10)
		return false;
	v6 = strlen(word[0]) == V6_DIGITS;
	place = v6 ? v6_place : v4_place;
	if (!parse_address(word[place[TO]], v6 ? BYTES : WORDS, route.to) ||
	    text_hex(word[place[MASK]], v6 ? 8 * ADDRESS : UINT32_MAX, &mask) ||
	    (v6 ? text_hex(word[place[METRIC]], UINT32_MAX, &route.metric) :
		  text_decimal(word[place[METRIC]], UINT32_MAX, &route.metric)) ||
	    text_hex(word[place[FLAGS]], UINT32_MAX, &flags) || !(flags & RTF_UP) ||
	    flags & RTF_REJECT)
		return false;
	if (!mask && is_ours(network, word[place[INTERFACE]]))
		return true;
	route.bits = mask;
	if (!v6)
		for (route.bits = V4_BITS; mask; mask &= mask - 1)
			route.bits++;
	text_format(route.interface, sizeof(route.interface), "%s", word[place[INTERFACE]]);
	network->route[network->routes++] = route;
	return false;
}

static bool matches(const struct route *route, const uint8_t *address)
{
	for (unsigned i = 0; i < route->bits; i++)
		if ((route->to[i / 8] ^ address[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

/* Whether what leads to an address is ours. */
static bool is_way_to(const struct network *network, const uint8_t *address)
{
	const struct route *best = NULL;

	for (unsigned i = 0; i < network->routes; i++) {
		const struct route *route = &network->route[i];

		if (matches(route, address) &&
		    (!best || route->bits > best->bits ||
		     (route->bits == best->bits && route->metric < best->metric)))
			best = route;
	}
	return best && is_ours(network, best->interface);
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

	if (text_words(line, word, 4) < 4 || text_hex(word[3], UINT32_MAX, &state) ||
	    state != ESTABLISHED || !parse_end(word[2], address))
		return false;
	/* fe80::/10 is behind every interface: its own address tells which one it is */
	if (address[0] == 0xfe && (address[1] & 0xc0) == 0x80 && !parse_end(word[1], address))
		return false;
	return is_way_to(ctx, address);
}

static bool is_up(const struct network *network, const char *interface)
{
	uint32_t carrier = 0;

	sysfs_read_number(network->sysfs, false, 1, &carrier, "class/net/%s/carrier", interface);
	return carrier;
}

static bool add_upper(void *ctx, const char *entry)
{
	struct network *network = ctx;

	if (strncmp(entry, "upper_", 6) != 0 || is_ours(network, entry + 6))
		return false;
	text_format(network->name[network->names++], IFNAMSIZ, "%s", entry + 6);
	return network->names == UPPERS_MAX;
}

/* The interface, and the bridges, bonds and VLANs it is a part of. */
static void collect_names(struct network *network, const char *interface)
{
	char path[32 + IFNAMSIZ];

	network->names = 1;
	text_format(network->name[0], IFNAMSIZ, "%s", interface);
	for (unsigned i = 0; i < network->names && network->names < UPPERS_MAX; i++) {
		text_format(path, sizeof(path), "class/net/%s", network->name[i]);
		sysfs_entries(network->sysfs->root, path, add_upper, network);
	}
}

/* Whether it is a device, and one of this USB device, or not. */
static bool is_of_it(const struct network *network, const char *name, bool of_it)
{
	char target[PATH_MAX];

	return sysfs_link(network->sysfs, target, sizeof(target), "class/net/%s", name) >= 0 &&
	       !strstr(target, "/virtual/") && use_leads_through(target, network->busid) == of_it;
}

/* Whether it is another link to the world. */
static bool see_other(void *ctx, const char *name)
{
	return is_of_it(ctx, name, false) && is_up(ctx, name);
}

static bool see_interface(void *ctx, const char *name)
{
	struct network *network = ctx;
	const struct sysfs *sysfs = network->sysfs;
	const char *what;

	if (!is_of_it(network, name, true))
		return false;
	collect_names(network, name);
	network->routes = 0;
	if (use_each_line(sysfs->proc, "net/route", see_route, network) ||
	    use_each_line(sysfs->proc, "net/ipv6_route", see_route, network))
		what = "its network interface %s has the default route";
	else if (use_each_line(sysfs->proc, "net/tcp", see_connection, network) ||
		 use_each_line(sysfs->proc, "net/tcp6", see_connection, network))
		what = "its network interface %s has a connection";
	else if (is_up(network, name) &&
		 sysfs_entries(sysfs->root, "class/net", see_other, network) <= 0)
		what = "its network interface %s is the only link that is up";
	else
		return false;
	return use_because(network->use, what, name);
}

bool use_network(const struct sysfs *sysfs, const char *busid, struct use *use)
{
	static struct network network; /* big */

	network.sysfs = sysfs;
	network.busid = busid;
	network.use = use;
	return sysfs_entries(sysfs->root, "class/net", see_interface, &network) > 0;
}
