/* SPDX-License-Identifier: MIT */
/* Addresses of sockets, and ranges of addresses. */
#include "lib/addr.h"

#include "lib/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	MAPPED_SIZE = 12, /* bytes of ::ffff:0:0/96, the range of the IPv4 addresses */
	MAPPED_BITS = MAPPED_SIZE * 8,
	PREFIX_SIZE = 8, /* bytes of a /64 */
};

static const uint8_t mapped[MAPPED_SIZE] = { [10] = 0xff, [11] = 0xff };

static bool is_mapped(const struct in6_addr *address)
{
	return !memcmp(address, mapped, MAPPED_SIZE);
}

uint16_t addr_split(const struct addr *from, struct in6_addr *address)
{
	if (from->sa.any.sa_family == AF_INET6) {
		*address = from->sa.v6.sin6_addr;
	} else {
		memcpy(address, mapped, MAPPED_SIZE);
		memcpy(address->s6_addr + MAPPED_SIZE, &from->sa.v4.sin_addr, 4);
	}
	return ntohs(from->sa.v4.sin_port); /* in IPv6 it is in the same place */
}

bool addr_is_loopback(const struct in6_addr *address)
{
	return !memcmp(address, &in6addr_loopback, sizeof(*address)) ||
	       (is_mapped(address) && address->s6_addr[MAPPED_SIZE] == 127);
}

bool addr_is_same_peer(const struct in6_addr *a, const struct in6_addr *b)
{
	bool whole = is_mapped(a) || is_mapped(b);

	return !memcmp(a, b, whole ? sizeof(*a) : PREFIX_SIZE);
}

void addr_text(const struct in6_addr *address, char *text)
{
	const uint8_t *a = address->s6_addr;
	size_t len = 0, size = ADDR_TEXT_SIZE;

	if (is_mapped(address)) {
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

/* if_nametoindex(3) by SIOCGIFINDEX (netdevice(7)): musl's opens an AF_UNIX socket for it, which a
 * sandbox denies, as it may deny those of datagrams. Returns 0 if there is no such interface. */
static unsigned interface_index(const char *name)
{
	struct ifreq request = { 0 };
	size_t len = strlen(name);
	int fd, error;

	if (!len || len >= sizeof(request.ifr_name))
		return 0;
	memcpy(request.ifr_name, name, len);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) /* a kernel without IPv4 */
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	error = ioctl(fd, SIOCGIFINDEX, &request);
	close(fd);
	return error ? 0 : (unsigned)request.ifr_ifindex;
}

int addr_parse_scoped(const char *text, struct sockaddr_in6 *sa)
{
	const char *zone = strchr(text, '%');
	size_t len = zone ? (size_t)(zone - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET6, address, &sa->sin6_addr) != 1)
		return -EINVAL;
	sa->sin6_family = AF_INET6;
	sa->sin6_scope_id = 0;
	if (zone && str_decimal(zone + 1, UINT32_MAX, &sa->sin6_scope_id))
		sa->sin6_scope_id = interface_index(zone + 1);
	return zone && !sa->sin6_scope_id ? -ENODEV : 0;
}

bool cidr_parse(struct cidr *network, char *text)
{
	uint32_t skip = strchr(text, ':') ? 0 : MAPPED_BITS, bits = 128 - skip;
	char *slash = strchr(text, '/');
	bool good = true;

	if (slash) {
		good = !str_decimal(slash + 1, bits, &bits);
		*slash = '\0';
	}
	good = good && addr_parse(text, &network->address);
	network->bits = (uint8_t)(skip + bits);
	if (slash)
		*slash = '/';
	return good;
}

bool cidr_contains(const struct cidr *network, const struct in6_addr *address)
{
	for (unsigned i = 0; i < network->bits; i++)
		if ((network->address.s6_addr[i / 8] ^ address->s6_addr[i / 8]) & 0x80 >> i % 8)
			return false;
	return network->bits >= MAPPED_BITS || !is_mapped(address);
}

bool cidr_list_add(struct cidr_list *networks, const char *text)
{
	char copy[256], *cursor = copy, *word;
	unsigned before = networks->count;

	if (str_copy(copy, sizeof(copy), text) == sizeof(copy) - 1)
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
