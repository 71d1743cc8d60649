/* SPDX-License-Identifier: MIT */
/* A machine and port as people write them. */
#include "proto/endpoint.h"

#include "proto/text.h"

#include <string.h>

const char *endpoint_parse(struct endpoint *e, const char *text, const char *default_port)
{
	bool brackets = *text == '[';
	const char *p = text + brackets, *port = default_port;
	uint32_t number;
	size_t len = 0;

	for (; *p && *p != (brackets ? ']' : ':'); p++) {
		if (*p <= ' ' || *p > '~' || *p == '/' || len == sizeof(e->host) - 1)
			return "not a host name:";
		e->host[len++] = *p;
	}
	e->host[len] = '\0';
	if (brackets && (*p++ != ']' || (*p && *p != ':')))
		return "no ']' behind the address in";
	if (*p)
		port = p + 1;
	if (!brackets && strchr(port, ':'))
		return "an IPv6 address needs brackets, not";
	if (!len)
		return "not a host name:";
	if (text_decimal(port, 65535, &number) || !number)
		return "the port is no number from 1 to 65535:";
	text_format(e->port, sizeof(e->port), "%u", number);
	text_format(e->name, sizeof(e->name), brackets ? "[%s]:%s" : "%s:%s", e->host, e->port);
	return NULL;
}

bool endpoint_is_address(const struct endpoint *e)
{
	const char *p = e->host;

	while ((*p >= '0' && *p <= '9') || *p == '.')
		p++;
	return !*p || strchr(p, ':');
}
