/* SPDX-License-Identifier: MIT */
/*
 * A server as people write it: HOST, HOST:PORT, [IPV6], [IPV6]:PORT, or one of these after
 * ssh://[USER@], where the port is that of ssh.
 */
#ifndef LIB_ENDPOINT_H
#define LIB_ENDPOINT_H

#include <stdbool.h>

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

/*
 * Parses text; a missing port is default_port. Returns NULL, or the reason why it is malformed, a
 * text to be followed by a blank and text.
 */
const char *endpoint_parse(struct endpoint *e, const char *text, const char *default_port);

/* Whether the host is an address, which needs no name resolution. */
bool endpoint_is_address(const struct endpoint *e);

#endif
