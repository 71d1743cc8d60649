/* SPDX-License-Identifier: MIT */
/* Ranges of addresses, for --allow, for rules and for routes. */
#ifndef LIB_CIDR_H
#define LIB_CIDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { CIDR_LIST_MAX = 64 };

struct cidr {
	struct in6_addr address; /* IPv4 as a mapped one: RFC 4291 2.5.5.2 */
	uint8_t bits;		 /* length of the prefix, 96 more for IPv4 */
};

struct cidr_list {
	unsigned count;
	struct cidr network[CIDR_LIST_MAX];
};

/*
 * The ranges that a server answers without --allow: loopback, link-local (RFC 3927, RFC 4291
 * 2.5.6), private (RFC 1918) and unique local (RFC 4193).
 */
#define NETWORKS_NEAR                                                                              \
	"127.0.0.0/8 ::1 169.254.0.0/16 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fe80::/10 fc00::/7"

/* Parses "10.0.7.0/24", "fd00::/8" or one address; false if it is malformed. */
bool cidr_parse(struct cidr *network, const char *text);
/* Whether the range contains the address. A range of IPv6 contains no IPv4 address. */
bool cidr_contains(const struct cidr *network, const struct in6_addr *address);

/* Parses a blank-separated list of ranges and appends them. Returns false if an entry is malformed,
 * the list is full, or text has no entry. */
bool cidr_list_add(struct cidr_list *networks, const char *text);
bool cidr_list_contains(const struct cidr_list *networks, const struct in6_addr *address);

#endif
