/* SPDX-License-Identifier: MIT */
/* Addresses of sockets. */
#include "lib/addr.h"

#include "lib/str.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

uint16_t addr_split(const struct addr *from, struct in6_addr *address)
{
	if (from->sa.any.sa_family == AF_INET6) {
		*address = from->sa.v6.sin6_addr;
	} else {
		memset(address, 0, sizeof(*address));
		memset(address->s6_addr + 10, 0xff, 2);
		memcpy(address->s6_addr + 12, &from->sa.v4.sin_addr, 4);
	}
	return ntohs(from->sa.v4.sin_port); /* in IPv6 it is in the same place */
}

bool addr_is_v4(const struct in6_addr *address)
{
	return IN6_IS_ADDR_V4MAPPED(address);
}

bool addr_is_loopback(const struct in6_addr *address)
{
	if (addr_is_v4(address))
		return address->s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(address);
}

void addr_text(const struct in6_addr *address, char *text)
{
	const uint8_t *a = address->s6_addr;
	size_t len = 0, size = ADDR_TEXT_SIZE;

	if (addr_is_v4(address)) {
		str_format(text, size, "%u.%u.%u.%u", a[12], a[13], a[14], a[15]);
		return;
	}
	for (int i = 0; i < 16; i += 2)
		len += str_format(text + len, size - len, "%s%x", i ? ":" : "",
				   (unsigned)(a[i] << 8 | a[i + 1]));
}

bool addr_parse(const char *text, struct in6_addr *address)
{
	struct addr v4;

	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	v4.sa.any.sa_family = AF_INET;
	if (inet_pton(AF_INET, text, &v4.sa.v4.sin_addr) != 1)
		return false;
	addr_split(&v4, address);
	return true;
}

bool addr_parse_scoped(char *text, struct sockaddr_in6 *sa)
{
	char *scope = strchr(text, '%');

	if (scope) {
		*scope++ = '\0';
		if (str_decimal(scope, UINT32_MAX, &sa->sin6_scope_id))
			sa->sin6_scope_id = if_nametoindex(scope);
	}
	sa->sin6_family = AF_INET6;
	return (!scope || sa->sin6_scope_id) && inet_pton(AF_INET6, text, &sa->sin6_addr) == 1;
}
