/* SPDX-License-Identifier: MIT */
/* Ranges of addresses: who may connect, and what a rule says of who asks. */
#ifndef LIB_CIDR_H
#define LIB_CIDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { CIDR_LIST_MAX = 64 };

struct cidr {
	struct in6_addr address; /* IPv4 is a mapped one: RFC 4291 2.5.5.2 */
	uint8_t bits;		 /* of it that count */
};

struct cidr_list {
	unsigned count;
	struct cidr network[CIDR_LIST_MAX];
};

/*
 * Those a server answers where nothing is said: loopback, link-local (RFC 3927, RFC 4291 2.5.6),
 * private (RFC 1918) and unique local (RFC 4193).
 */
#define NETWORKS_NEAR                                                                              \
	"127.0.0.0/8 ::1 169.254.0.0/16 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fe80::/10 fc00::/7"

/* "10.0.7.0/24", "fd00::/8", or one address: false when it is neither. */
bool cidr_parse(struct cidr *network, const char *text);
bool cidr_contains(const struct cidr *network, const struct in6_addr *address);

/* Adds those of text, with blanks between them: false when one is none, or too many, or no one. */
bool cidr_list_add(struct cidr_list *networks, const char *text);
bool cidr_list_contains(const struct cidr_list *networks, const struct in6_addr *address);

#endif
