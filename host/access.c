/* SPDX-License-Identifier: MIT */
/* Access control of the server. */
#include "host/access.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"

#include <fcntl.h>
#include <string.h>

enum {
	LOOPBACK_BITS = 104, /* of 127.0.0.0/8 */
	LINK_BITS_MIN = 64, /* a link has no shorter prefix: RFC 4291 2.5.4 */
};

/* A line of /proc/net/if_inet6: "20010db8000000000000000000000007 02 40 00 80     eth0", the third
 * is the length of the prefix. */
static bool link_contains(void *ctx, char *line)
{
	struct cidr link = { 0 };
	const size_t size = sizeof(link.address);
	char *word[4];
	uint32_t bits;

	if (str_words(line, word, 4) < 4 ||
	    str_hex_bytes(word[0], link.address.s6_addr, size) != size ||
	    str_hex(word[2], 127, &bits) || bits < LINK_BITS_MIN)
		return false;
	link.bits = (uint8_t)bits;
	return cidr_contains(&link, ctx);
}

/* Whether it has an IPv6 address of one of this machine's networks, which are global ones where a
 * provider gives them. */
static bool is_on_link(const struct in6_addr *address)
{
	struct in6_addr looked_for = *address;

	return !IN6_IS_ADDR_V4MAPPED(address) &&
	       file_each_line(AT_FDCWD, "/proc/net/if_inet6", link_contains, &looked_for) > 0;
}

bool access_allows_address(const struct access *access, const struct in6_addr *address)
{
	return !access->networks || cidr_list_contains(access->networks, address) ||
	       (!access->named && is_on_link(address));
}

/* Whether the address is in a range of loopback addresses, not only in one that is wider. */
static bool names_loopback(const struct cidr_list *networks, const struct in6_addr *address)
{
	for (unsigned i = 0; i < networks->count; i++) {
		const struct cidr *network = &networks->network[i];

		if (network->bits >= LOOPBACK_BITS && addr_is_loopback(&network->address) &&
		    cidr_contains(network, address))
			return true;
	}
	return false;
}

bool access_allows_peer(const struct access *access, const struct peer_id *peer)
{
	const struct psk *key;

	if (!access->keys)
		return true;
	if (!peer->key)
		return access->named && names_loopback(access->networks, &peer->address);
	key = keys_find(access->keys, peer->key, strlen(peer->key));
	return key && key->print == peer->print;
}

bool access_allows_device(const struct access *access, const struct rule_facts *identity,
			  const struct peer_id *peer)
{
	struct rule_facts facts = *identity;
	struct reason why;

	facts.to = peer;
	return rules_judge(access->rules, &facts, &why) == RULE_ALLOW;
}

static bool may_log(uint64_t logged, uint64_t now)
{
	return !logged || now - logged >= ACCESS_LOG_INTERVAL_MS;
}

static void log_about(const struct in6_addr *address, const char *text)
{
	char name[ADDR_TEXT_SIZE];

	addr_text(address, name);
	log_warning("%s: %s", name, text);
}

void access_log_refusal(struct access *access, enum access_refusal kind, uint64_t now,
			const struct in6_addr *address, const char *format, ...)
{
	char reason[256];
	va_list args;

	if (!may_log(access->logged[kind], now))
		return;
	access->logged[kind] = now;
	va_start(args, format);
	str_vformat(reason, sizeof(reason), format, args);
	va_end(args);
	log_about(address, reason);
}

void access_log_stranger(struct access *access, uint64_t now, const struct in6_addr *address)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < ACCESS_STRANGERS_MAX; i++) {
		if (access->stranger[i].logged &&
		    !memcmp(&access->stranger[i].address, address, sizeof(*address)))
			return;
		if (access->stranger[i].logged < access->stranger[oldest].logged)
			oldest = i;
	}
	if (!may_log(access->stranger[oldest].logged, now))
		return;
	access->stranger[oldest].logged = now;
	access->stranger[oldest].address = *address;
	log_about(address, "connection refused: --allow does not include this address");
}
