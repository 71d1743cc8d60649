/* SPDX-License-Identifier: MIT */
/* A server as people write it. */
#include "lib/addr.h"

#include "lib/str.h"

#include <string.h>

const char *endpoint_parse(struct endpoint *e, const char *text, const char *default_port)
{
	bool ssh = !strncmp(text, ENDPOINT_SCHEME, sizeof(ENDPOINT_SCHEME) - 1);
	const char *user = ssh ? text + sizeof(ENDPOINT_SCHEME) - 1 : text;
	const char *at = ssh ? strrchr(user, '@') : NULL, *host = at ? at + 1 : user;
	bool brackets = *host == '[';
	const char *end = strchr(host += brackets, brackets ? ']' : ':');
	const char *port = ssh ? NULL : default_port;
	size_t before = at ? (size_t)(at + 1 - user) : 0, len;
	uint32_t number;

	if (brackets && (!end || (end[1] && end[1] != ':')))
		return "no ']' behind the address in";
	if (end && end[brackets])
		port = end + brackets + 1;
	if (!brackets && port && strchr(port, ':'))
		return "an IPv6 address needs brackets, not";
	len = end ? (size_t)(end - host) : strlen(host);
	if (!len || before == 1 || before + len >= sizeof(e->host))
		return "not a host name:";
	memcpy(e->host, user, before);
	memcpy(e->host + before, host, len);
	e->host[len += before] = '\0';
	if (*e->host == '-') /* ssh would read it as an option */
		return "not a host name:";
	for (size_t i = 0; i < len; i++)
		if (e->host[i] <= ' ' || e->host[i] > '~' || e->host[i] == '/')
			return "not a host name:";
	str_copy(e->through, sizeof(e->through), ssh ? default_port : "");
	str_format(e->port, sizeof(e->port), ENDPOINT_SSH);
	str_copy(e->name, sizeof(e->name), text);
	if (!port)
		return NULL;
	if (str_decimal(port, 65535, &number) || !number)
		return "the port is no number from 1 to 65535:";
	str_format(e->port, sizeof(e->port), "%u", number);
	len += (size_t)(user - text) + (brackets ? 2 : 0);
	str_format(e->name + len, sizeof(e->name) - len, ":%s", e->port);
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
