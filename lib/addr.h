/* SPDX-License-Identifier: MIT */
/* What both roles need of sockets. */
#ifndef LIB_ADDR_H
#define LIB_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Where a socket is, or is to be. */
struct addr {
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa;
};

enum {
	ADDR_TEXT_SIZE = 40, /* an IPv6 address in full */
	SOCKET_PAIR_SIZE = 2 * (ADDR_TEXT_SIZE + 6),
};

/* The address and port (of this machine's order) of a socket address; IPv4 becomes mapped. */
uint16_t addr_split(const struct addr *from, struct in6_addr *address);
/* Whether it is a mapped one: RFC 4291 2.5.5.2. */
bool addr_is_v4(const struct in6_addr *address);
/* The name of an address, of ADDR_TEXT_SIZE bytes; IPv6 without abbreviation. */
void addr_text(const struct in6_addr *address, char *text);
/* The other way round: false when it is none. */
bool addr_parse(const char *text, struct in6_addr *address);
/* Family, address and scope of "fe80::1%eth0": the interface is for addresses that are not unique.
 * Terminates text before it. */
bool addr_parse_scoped(char *text, struct sockaddr_in6 *sa);
/* "ADDRESS PORT ADDRESS PORT" of a connection, its own end first, of SOCKET_PAIR_SIZE bytes; false
 * when it is no TCP connection (any more). */
bool socket_pair_text(int fd, char *text);

/* setsockopt(2) with one number: 0 or -errno. */
int socket_set(int fd, int level, int option, int value);
/* recv(2): how many bytes came, 0 when none has yet, or -errno: -ECONNRESET also at the end. */
int socket_receive(int fd, void *buf, size_t size);

#endif
