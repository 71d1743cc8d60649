/* SPDX-License-Identifier: MIT */
/* Addresses of sockets: to text, from text, and apart into address and port. */
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

/* The address, and returns the port in host byte order. An IPv4 address becomes a mapped one. */
uint16_t addr_split(const struct addr *from, struct in6_addr *address);
/* Whether it is an IPv4 address, that is a mapped one: RFC 4291 2.5.5.2. */
bool addr_is_v4(const struct in6_addr *address);
/* Whether it is an address of this machine alone: 127.0.0.0/8 or ::1. */
bool addr_is_loopback(const struct in6_addr *address);
/* Writes the address into text, which has ADDR_TEXT_SIZE bytes. IPv6 is not abbreviated. */
void addr_text(const struct in6_addr *address, char *text);
/* The reverse of addr_text(), abbreviated IPv6 too. Returns false if text is no address. */
bool addr_parse(const char *text, struct in6_addr *address);
/*
 * Sets family, address and scope id from "fe80::1" or "fe80::1%eth0"; behind the '%' is the name or
 * the number of an interface. The port is left alone. Returns 0, -EINVAL if text is no IPv6
 * address, or -ENODEV if this machine has no such interface. Works inside the sandbox.
 */
int addr_parse_scoped(const char *text, struct sockaddr_in6 *sa);

#endif
