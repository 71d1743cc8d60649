/* SPDX-License-Identifier: MIT */
/* Tests of lib/addr: addresses to text and back. */
#include "lib/addr.h"

#include "tests/check.h"

#include <arpa/inet.h>
#include <net/if.h>

static struct in6_addr parsed(const char *text)
{
	struct in6_addr address;

	memset(&address, 0xa5, sizeof(address));
	if (!addr_parse(text, &address))
		check_fault(__FILE__, __LINE__, "%s is no address", text);
	return address;
}

static void text_is(const char *text, const char *want)
{
	struct in6_addr address = parsed(text), again;
	char *got = block(NULL, ADDR_TEXT_SIZE);

	addr_text(&address, got);
	CHECK_STR(got, want);
	again = parsed(got);
	CHECK_BYTES(&again, &address, sizeof(again));
	block_free(got);
}

static void there_and_back(void)
{
	text_is("1.2.3.4", "1.2.3.4");
	text_is("255.255.255.255", "255.255.255.255");
	text_is("0.0.0.0", "0.0.0.0");
	text_is("::ffff:10.0.0.1", "10.0.0.1"); /* mapped */
	text_is("::", "0:0:0:0:0:0:0:0");
	text_is("::1", "0:0:0:0:0:0:0:1");
	text_is("fe80::12:3", "fe80:0:0:0:0:0:12:3");
	text_is("2001:DB8::a", "2001:db8:0:0:0:0:0:a");
	text_is("102:304:506:708:90a:b0c:d0e:f10", "102:304:506:708:90a:b0c:d0e:f10");
	text_is("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	text_is("::fffe:1.2.3.4", "0:0:0:0:0:fffe:102:304"); /* not mapped */
}

static void none(void)
{
	static const char *const texts[] = {
		"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4 ", " 1.2.3.4", "pi.lan",
		":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "[::1]", "fe80::1%eth0", "::g",
		"12345::", "1.2.3.4/8", "-1.2.3.4",
	};
	struct in6_addr address;

	for (size_t i = 0; i < LENGTH(texts); i++)
		if (addr_parse(texts[i], &address))
			check_fault(__FILE__, __LINE__, "%s is an address", texts[i]);
}

static void split(void)
{
	struct addr from = { .len = sizeof(from.sa.v4) };
	struct in6_addr address, want = parsed("::ffff:1.2.3.4");

	memset(&address, 0xa5, sizeof(address));
	from.sa.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(0x1234) };
	inet_pton(AF_INET, "1.2.3.4", &from.sa.v4.sin_addr);
	CHECK_INT(addr_split(&from, &address), 0x1234);
	CHECK_BYTES(&address, &want, sizeof(want));
	want = parsed("2001:db8::7");
	from.sa.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(0xfedc),
					    .sin6_flowinfo = 0x55555555, .sin6_addr = want };
	CHECK_INT(addr_split(&from, &address), 0xfedc);
	CHECK_BYTES(&address, &want, sizeof(want));
}

static void loopback(void)
{
	static const struct {
		const char *text;
		bool is;
	} row[] = {
		{ "127.0.0.1", true }, { "127.255.255.254", true }, { "::1", true },
		{ "126.0.0.1", false }, { "128.0.0.1", false }, { "0.0.0.0", false },
		{ "::", false }, { "::2", false }, { "fe80::1", false },
		{ "::127.0.0.1", false }, { "7f00::1", false }, { "1.127.0.1", false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct in6_addr address = parsed(row[i].text);

		CHECK_INT(addr_is_loopback(&address), row[i].is);
	}
}

static void same_peer(void)
{
	static const struct {
		const char *a, *b;
		bool same;
	} row[] = {
		{ "10.0.0.1", "10.0.0.1", true }, { "10.0.0.1", "10.0.0.2", false },
		{ "fd00::1", "fd00::1", true }, { "fd00::1", "fd00::ffff:0:0:2", true },
		{ "fd00:0:0:1::1", "fd00::1", false }, { "fe80::1", "fe80::2", true },
		{ "::1", "10.0.0.1", false }, { "10.0.0.1", "::1", false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct in6_addr a = parsed(row[i].a), b = parsed(row[i].b);

		CHECK_INT(addr_is_same_peer(&a, &b), row[i].same);
	}
}

static void scoped(void)
{
	unsigned lo = if_nametoindex("lo");
	const struct {
		const char *text, *address;
		int error;
		unsigned scope;
	} row[] = {
		{ "fe80::1%lo", "fe80::1", 0, lo },
		{ "fe80::1%1", "fe80::1", 0, 1 },
		{ "fe80::1%4294967295", "fe80::1", 0, 4294967295 },
		{ "fe80::1", "fe80::1", 0, 0 },
		{ "2001:db8::7%lo", "2001:db8::7", 0, lo },
		{ "::ffff:10.0.0.7", "::ffff:10.0.0.7", 0, 0 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%1",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0, 1 },
		{ "fe80::1%nowhere", NULL, -ENODEV, 0 },
		{ "fe80::1%", NULL, -ENODEV, 0 },
		{ "fe80::1%0", NULL, -ENODEV, 0 },
		{ "fe80::1%lo%lo", NULL, -ENODEV, 0 },
		{ "fe80::1%lo ", NULL, -ENODEV, 0 },
		{ "fe80::1%4294967296", NULL, -ENODEV, 0 },
		{ "fe80::1%sixteen-letters-", NULL, -ENODEV, 0 }, /* and no more than fit */
		{ "fe80::1%a-name-that-is-longer-than-that-of-any-interface", NULL, -ENODEV, 0 },
		{ "fe80::g%lo", NULL, -EINVAL, 0 },
		{ "%lo", NULL, -EINVAL, 0 },
		{ "", NULL, -EINVAL, 0 },
		{ "10.0.0.7", NULL, -EINVAL, 0 },
		{ "lo", NULL, -EINVAL, 0 },
		/* 46 characters */
		{ "0000:0000:0000:0000:0000:0000:0000:0000:000000", NULL, -EINVAL, 0 },
		{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL, -EINVAL, 0 },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct sockaddr_in6 sa = { .sin6_port = htons(3240), .sin6_scope_id = 77 };
		char *text = block(row[i].text, strlen(row[i].text) + 1);
		int error = addr_parse_scoped(text, &sa);
		struct in6_addr want;

		if (error != row[i].error)
			check_fault(__FILE__, __LINE__, "%s: %d, not %d", text, error,
				    row[i].error);
		CHECK_STR(text, row[i].text);
		block_free(text);
		if (error || !row[i].address)
			continue;
		want = parsed(row[i].address);
		CHECK_BYTES(&sa.sin6_addr, &want, sizeof(want));
		CHECK_INT(sa.sin6_family, AF_INET6);
		CHECK_INT(sa.sin6_port, htons(3240));
		CHECK_INT(sa.sin6_scope_id, row[i].scope);
	}
}

int main(void)
{
	RUN("t_addr: addresses with an interface", scoped);
	RUN("t_addr: addresses there and back", there_and_back);
	RUN("t_addr: what is no address", none);
	RUN("t_addr: address and port", split);
	RUN("t_addr: loopback addresses", loopback);
	RUN("t_addr: addresses of one peer", same_peer);
	return check_status();
}
