/* SPDX-License-Identifier: MIT */
/* Ranges of addresses, for --allow, for rules and for routes. */
#include "lib/cidr.h"

#include "lib/addr.h"
#include "lib/str.h"

#include <string.h>

enum {
	MAPPED_BITS = 96, /* ::ffff:0:0/96 is the range of the IPv4 addresses */
	TEXT_SIZE = 256,
};

bool cidr_parse(struct cidr *network, const char *text)
{
	uint32_t skip = strchr(text, ':') ? 0 : MAPPED_BITS, bits = 128 - skip;
	char address[TEXT_SIZE];
	size_t len = strlen(text);
	char *slash;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len + 1);
	slash = strchr(address, '/');
	if (slash) {
		*slash = '\0';
		if (str_decimal(slash + 1, bits, &bits))
			return false;
	}
	network->bits = (uint8_t)(skip + bits);
	return addr_parse(address, &network->address);
}

bool cidr_contains(const struct cidr *network, const struct in6_addr *address)
{
	for (unsigned i = 0; i < network->bits; i++)
		if ((network->address.s6_addr[i / 8] ^ address->s6_addr[i / 8]) & 0x80 >> i % 8)
			return false;
	return network->bits >= MAPPED_BITS || !addr_is_v4(address);
}

bool cidr_list_add(struct cidr_list *networks, const char *text)
{
	char copy[TEXT_SIZE], *cursor = copy, *word;
	unsigned before = networks->count;

	if (str_format(copy, sizeof(copy), "%s", text) == sizeof(copy) - 1)
		return false;
	while ((word = str_word(&cursor)))
		if (networks->count == CIDR_LIST_MAX ||
		    !cidr_parse(&networks->network[networks->count++], word))
			return false;
	return networks->count > before;
}

bool cidr_list_contains(const struct cidr_list *networks, const struct in6_addr *address)
{
	for (unsigned i = 0; i < networks->count; i++)
		if (cidr_contains(&networks->network[i], address))
			return true;
	return false;
}
