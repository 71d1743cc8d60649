/* SPDX-License-Identifier: MIT */
/* A machine and port as people write them. */
#include "proto/endpoint.h"

#include "proto/text.h"

#include <string.h>

const char *endpoint_parse(struct endpoint *e, const char *text, const char *default_port)
{
	static const char scheme[] = "ssh://";
	bool ssh = !strncmp(text, scheme, sizeof(scheme) - 1);
	const char *rest = ssh ? text + sizeof(scheme) - 1 : text;
	bool brackets = *rest == '[';
	const char *host = rest + brackets, *port = ssh ? NULL : default_port;
	const char *end = strchr(host, brackets ? ']' : ':');
	uint32_t number;
	size_t len;

	if (brackets && (!end || (end[1] && end[1] != ':')))
		return "no ']' behind the address in";
	if (end && end[brackets])
		port = end + brackets + 1;
	if (!brackets && port && strchr(port, ':'))
		return "an IPv6 address needs brackets, not";
	len = end ? (size_t)(end - host) : strlen(host);
	if (!len || len >= sizeof(e->host) || *host == '-')
		return "not a host name:";
	for (size_t i = 0; i < len; i++)
		if (host[i] <= ' ' || host[i] > '~' || host[i] == '/')
			return "not a host name:";
	memcpy(e->host, host, len);
	e->host[len] = '\0';
	e->through[0] = '\0';
	if (ssh)
		text_format(e->through, sizeof(e->through), "%s", default_port);
	text_format(e->name, sizeof(e->name), "%s", text);
	text_format(e->port, sizeof(e->port), ENDPOINT_SSH);
	if (!port)
		return NULL;
	if (text_decimal(port, 65535, &number) || !number)
		return "the port is no number from 1 to 65535:";
	text_format(e->port, sizeof(e->port), "%u", number);
	text_format(e->name, sizeof(e->name), brackets ? "%s[%s]:%s" : "%s%s:%s",
		    ssh ? scheme : "", e->host, e->port);
	return NULL;
}

bool endpoint_is_address(const struct endpoint *e)
{
	for (const char *p = e->host; *p; p++) {
		char c = *p;

		if ((c < '0' || c > '9') && c != '.')
			return strchr(p, ':');
	}
	return true;
}
