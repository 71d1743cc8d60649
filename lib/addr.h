/* SPDX-License-Identifier: MIT */
/* Addresses of sockets, ranges of addresses, and servers as people write them. */
#ifndef LIB_ADDR_H
#define LIB_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* The address of a socket, as bind(2) and accept(2) take it. */
struct addr {
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa;
};

enum { ADDR_TEXT_SIZE = 40 /* an IPv6 address in full */ };

/* Sets the address, and returns the port in host byte order. An IPv4 address becomes a mapped one
 * (RFC 4291 2.5.5.2), as everywhere here. */
uint16_t addr_split(const struct addr *from, struct in6_addr *address);
/* Whether it is an address of this machine alone: 127.0.0.0/8 or ::1. */
bool addr_is_loopback(const struct in6_addr *address);
/* Whether both may be of one host: the same address of IPv4, the same /64 of IPv6, in which a host
 * has as many as it likes (RFC 8981). */
bool addr_is_same_peer(const struct in6_addr *a, const struct in6_addr *b);
/* Writes the address into text, which has ADDR_TEXT_SIZE bytes. IPv6 is not abbreviated. */
void addr_text(const struct in6_addr *address, char *text);
/* The reverse of addr_text(), abbreviated IPv6 too. Returns false if text is no address. */
bool addr_parse(const char *text, struct in6_addr *address);
/* Sets family, address and scope id from "fe80::1" or "fe80::1%eth0", which may also have an
 * interface's number. 0, -EINVAL: no IPv6 address, or -ENODEV: no such interface. Works inside the
 * sandbox. */
int addr_parse_scoped(const char *text, struct sockaddr_in6 *sa);

enum { CIDR_LIST_MAX = 64 };

struct cidr {
	struct in6_addr address;
	uint8_t bits; /* length of the prefix, 96 more for IPv4 */
};

struct cidr_list {
	unsigned count;
	struct cidr network[CIDR_LIST_MAX];
};

/* The ranges that a server answers without --allow: loopback, link-local (RFC 3927, RFC 4291
 * 2.5.6), private (RFC 1918) and unique local (RFC 4193). */
#define NETWORKS_NEAR                                                                              \
	"127.0.0.0/8 ::1 169.254.0.0/16 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fe80::/10 fc00::/7"

/* Parses "10.0.7.0/24", "fd00::/8" or one address; text is as before. False if it is malformed. */
bool cidr_parse(struct cidr *network, char *text);
/* Whether the range contains the address. A range of IPv6 contains no IPv4 address. */
bool cidr_contains(const struct cidr *network, const struct in6_addr *address);

/* Parses a blank-separated list of ranges and appends them. Returns false if an entry is malformed,
 * the list is full, or text has no entry. */
bool cidr_list_add(struct cidr_list *networks, const char *text);
bool cidr_list_contains(const struct cidr_list *networks, const struct in6_addr *address);

/* A server as people write it: HOST, HOST:PORT, [IPV6], [IPV6]:PORT, or one of these after
 * ssh://[USER@], where the port is that of ssh. */
enum {
	ENDPOINT_HOST_SIZE = 256, /* a DNS name has at most 253 characters */
	ENDPOINT_PORT_SIZE = 6,
	ENDPOINT_NAME_SIZE = ENDPOINT_HOST_SIZE + ENDPOINT_PORT_SIZE + 9,
};

#define ENDPOINT_SCHEME "ssh://"
/* Stands for the port of ssh, if none is given: ssh finds it itself. */
#define ENDPOINT_SSH "ssh"

struct endpoint {
	char host[ENDPOINT_HOST_SIZE]; /* without brackets; with ssh it may begin with USER@ */
	char port[ENDPOINT_PORT_SIZE]; /* decimal, 1..65535, no leading zero, or ENDPOINT_SSH */
	char through[ENDPOINT_PORT_SIZE]; /* with ssh: the server's port; else empty */
	char name[ENDPOINT_NAME_SIZE]; /* for messages: HOST:PORT, [IPV6]:PORT, ssh://... */
};

/* Parses text; a missing port is default_port. Returns NULL, or why it is malformed: to be followed
 * by a blank and text. */
const char *endpoint_parse(struct endpoint *e, const char *text, const char *default_port);
/* Whether the host is an address, which needs no name resolution. */
bool endpoint_is_address(const struct endpoint *e);

#endif
