/* SPDX-License-Identifier: MIT */
/* Network interfaces that somebody depends on. */
#include "sysfs/use.h"

#include "proto/text.h"

#include <limits.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>

enum {
	ADDRESS = 16, /* bytes: of IPv6, where IPv4 is ::ffff:a.b.c.d */
	V4_BITS = 96, /* so many before those of IPv4 */
	ROUTES_MAX = 256,
	UPPERS_MAX = 8, /* bridges and the like upon each other */
	ESTABLISHED = 1,	  /* include/net/tcp_states.h */
};

struct route {
	uint8_t to[ADDRESS];
	uint32_t bits;
	uint32_t metric;
	char interface[IFNAMSIZ];
};

struct network {
	const struct sysfs *sysfs;
	const char *busid;
	struct use *use;
	unsigned routes;
	struct route route[ROUTES_MAX];
	/* The one that is looked at, and what it is a part of. */
	unsigned names;
	char name[UPPERS_MAX][IFNAMSIZ];
};

/* Words 0 to n - 1 of a line; false when there are not so many. */
static bool split(char *line, const char **word, unsigned n)
{
	unsigned i = 0;

	while (i < n && (word[i] = text_word(&line)))
		i++;
	return i == n;
}

/* Eight hex digits: an IPv4 address as the kernel has it in memory. */
static bool parse_v4(const char *text, uint8_t *address)
{
	uint32_t value;

	if (strlen(text) != 8 || text_hex(text, UINT32_MAX, &value))
		return false;
	memset(address, 0, 10);
	memset(address + 10, 0xff, 2);
	memcpy(address + 12, &value, 4);
	return true;
}

/* Thirty-two hex digits, so many at a time: a word in memory order (8), or byte by byte (2). */
static bool parse_v6(const char *text, unsigned digits, uint8_t *address)
{
	char group[9];
	uint32_t value;

	if (strlen(text) != 32)
		return false;
	for (unsigned at = 0; at < 32; at += digits) {
		text_format(group, digits + 1, "%s", text + at);
		if (text_hex(group, UINT32_MAX, &value))
			return false;
		if (digits == 8)
			memcpy(address + at / 2, &value, 4);
		else
			address[at / 2] = (uint8_t)value;
	}
	return true;
}

static bool matches(const struct route *route, const uint8_t *address)
{
	uint32_t whole = route->bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> route->bits % 8);

	return !memcmp(route->to, address, whole) &&
	       (whole == ADDRESS || !((route->to[whole] ^ address[whole]) & mask));
}

static void add_route(struct network *network, const struct route *route, const char *interface,
		      uint32_t flags)
{
	struct route *place = &network->route[network->routes];

	if (network->routes == ROUTES_MAX || !(flags & RTF_UP) || flags & RTF_REJECT ||
	    !strcmp(interface, "lo"))
		return;
	*place = *route;
	text_format(place->interface, sizeof(place->interface), "%s", interface);
	network->routes++;
}

/* "eth0 00000000 0102A8C0 0003 0 0 100 00000000 ...": interface to via flags - - metric mask */
static bool see_route(void *ctx, char *line)
{
	uint8_t mask[ADDRESS];
	struct route route;
	const char *word[8];
	uint32_t flags;

	if (!split(line, word, 8) || !parse_v4(word[1], route.to) || !parse_v4(word[7], mask) ||
	    text_hex(word[3], UINT32_MAX, &flags) ||
	    text_decimal(word[6], UINT32_MAX, &route.metric))
		return false;
	for (route.bits = V4_BITS; route.bits < 128; route.bits++)
		if (!(mask[route.bits / 8] & 0x80 >> route.bits % 8))
			break;
	add_route(ctx, &route, word[0], flags);
	return false;
}

/* "fe80... 40 0... 00 0... 00000100 00000001 00000000 00000001 eth0":
 * to bits from bits via metric - - flags interface */
static bool see_route6(void *ctx, char *line)
{
	struct route route;
	const char *word[10];
	uint32_t flags;

	if (split(line, word, 10) && parse_v6(word[0], 2, route.to) &&
	    !text_hex(word[1], 128, &route.bits) && !text_hex(word[5], UINT32_MAX, &route.metric) &&
	    !text_hex(word[8], UINT32_MAX, &flags))
		add_route(ctx, &route, word[9], flags);
	return false;
}

static bool is_ours(const struct network *network, const char *interface)
{
	for (unsigned i = 0; i < network->names; i++)
		if (!strcmp(network->name[i], interface))
			return true;
	return false;
}

/* The one that leads to an address; "" is none. */
static const char *way_to(const struct network *network, const uint8_t *address)
{
	const struct route *best = NULL;

	for (unsigned i = 0; i < network->routes; i++) {
		const struct route *route = &network->route[i];

		if (matches(route, address) &&
		    (!best || route->bits > best->bits ||
		     (route->bits == best->bits && route->metric < best->metric)))
			best = route;
	}
	return best ? best->interface : "";
}

/* "0100007F:0CA8" */
static bool parse_end(const char *text, uint8_t *address)
{
	size_t len = strcspn(text, ":");
	char digits[33];

	if (len >= sizeof(digits))
		return false;
	text_format(digits, len + 1, "%s", text);
	return parse_v4(digits, address) || parse_v6(digits, 8, address);
}

/* "0: 0100007F:0CA8 0100007F:9C40 01 ...": - local remote state */
static bool see_connection(void *ctx, char *line)
{
	struct network *network = ctx;
	uint8_t address[ADDRESS];
	const char *word[4];
	uint32_t state;

	if (!split(line, word, 4) || text_hex(word[3], UINT32_MAX, &state) ||
	    state != ESTABLISHED || !parse_end(word[2], address))
		return false;
	/* fe80::/10 is behind every interface: its own address tells which one it is */
	if (address[0] == 0xfe && (address[1] & 0xc0) == 0x80 && !parse_end(word[1], address))
		return false;
	return is_ours(network, way_to(network, address));
}

static bool is_up(const struct network *network, const char *interface)
{
	uint32_t carrier;

	return !sysfs_read_number(network->sysfs, false, 1, &carrier, "class/net/%s/carrier",
				  interface) &&
	       carrier;
}

static bool add_upper(void *ctx, const char *entry)
{
	static const char upper[] = "upper_";
	struct network *network = ctx;
	const char *name = entry + sizeof(upper) - 1;

	if (strncmp(entry, upper, sizeof(upper) - 1) != 0 || strlen(name) >= IFNAMSIZ ||
	    is_ours(network, name))
		return false;
	if (network->names < UPPERS_MAX)
		text_format(network->name[network->names++], IFNAMSIZ, "%s", name);
	return network->names == UPPERS_MAX;
}

/* The interface, and the bridges, bonds and VLANs it is a part of. */
static void collect_names(struct network *network, const char *interface)
{
	char path[32 + IFNAMSIZ];

	network->names = 1;
	text_format(network->name[0], IFNAMSIZ, "%s", interface);
	for (unsigned i = 0; i < network->names; i++) {
		text_format(path, sizeof(path), "class/net/%s", network->name[i]);
		sysfs_entries(network->sysfs->root, path, add_upper, network);
	}
}

/* Whether it is another link to the world: a device that is up, not one of this USB device. */
static bool see_other(void *ctx, const char *name)
{
	struct network *network = ctx;
	char target[PATH_MAX];

	if (name[0] == '.' || strlen(name) >= IFNAMSIZ ||
	    sysfs_link(network->sysfs, target, sizeof(target), "class/net/%s", name) < 0 ||
	    strstr(target, "/virtual/") || use_leads_through(target, network->busid))
		return false;
	return is_up(network, name);
}

static bool see_default(const struct network *network)
{
	for (unsigned i = 0; i < network->routes; i++) {
		const struct route *route = &network->route[i];
		static const uint8_t v4[ADDRESS] = { [10] = 0xff, [11] = 0xff };

		if ((!route->bits || (route->bits == V4_BITS && !memcmp(route->to, v4, 12))) &&
		    is_ours(network, route->interface))
			return true;
	}
	return false;
}

static bool see_interface(void *ctx, const char *name)
{
	struct network *network = ctx;
	const struct sysfs *sysfs = network->sysfs;
	const char *what = NULL;
	char target[PATH_MAX];

	if (name[0] == '.' || strlen(name) >= IFNAMSIZ ||
	    sysfs_link(sysfs, target, sizeof(target), "class/net/%s", name) < 0 ||
	    !use_leads_through(target, network->busid))
		return false;
	collect_names(network, name);
	if (see_default(network))
		what = "has the default route";
	else if (use_each_line(sysfs->proc, "net/tcp", see_connection, network) ||
		 use_each_line(sysfs->proc, "net/tcp6", see_connection, network))
		what = "has a connection";
	else if (is_up(network, name) &&
		 sysfs_entries(sysfs->root, "class/net", see_other, network) <= 0)
		what = "is the only link that is up";
	if (what)
		text_format(network->use->reason, sizeof(network->use->reason),
			    "its network interface %s %s", name, what);
	return what != NULL;
}

bool use_network(const struct sysfs *sysfs, const char *busid, struct use *use)
{
	static struct network network; /* big */

	memset(&network, 0, sizeof(network));
	network.sysfs = sysfs;
	network.busid = busid;
	network.use = use;
	use_each_line(sysfs->proc, "net/route", see_route, &network);
	use_each_line(sysfs->proc, "net/ipv6_route", see_route6, &network);
	return sysfs_entries(sysfs->root, "class/net", see_interface, &network) > 0;
}
