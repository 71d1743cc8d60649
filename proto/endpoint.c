/* SPDX-License-Identifier: MIT */
/* A machine and port as people write them. */
#include "proto/endpoint.h"

#include "proto/text.h"

#include <string.h>

const char *endpoint_parse(struct endpoint *e, const char *text, const char *default_port)
{
	const char *host = text, *end, *port = NULL;
	uint32_t number;
	size_t len;

	if (*text == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return "no ']' behind the address in";
		if (end[1])
			port = end + 2;
	} else {
		end = strchr(host, ':');
		if (end)
			port = end + 1;
		else
			end = host + strlen(host);
		if (port && strchr(port, ':'))
			return "an IPv6 address needs brackets, not";
	}
	len = (size_t)(end - host);
	if (!len || len >= sizeof(e->host))
		return "not a host name:";
	for (size_t i = 0; i < len; i++)
		if (host[i] <= ' ' || host[i] > '~' || host[i] == '/')
			return "not a host name:";
	if (text_decimal(port ? port : default_port, 65535, &number) || !number)
		return "the port is no number from 1 to 65535:";
	memcpy(e->host, host, len);
	e->host[len] = '\0';
	text_format(e->port, sizeof(e->port), "%u", number);
	text_format(e->name, sizeof(e->name), host == text ? "%s:%s" : "[%s]:%s", e->host, e->port);
	return NULL;
}

bool endpoint_is_address(const struct endpoint *e)
{
	return strchr(e->host, ':') || !e->host[strspn(e->host, "0123456789.")];
}
