/* SPDX-License-Identifier: MIT */
/* Tests of lib/cidr: ranges of addresses. */

#include "lib/addr.h"
#include "tests/check.h"

static const struct {
	const char *range; /* NULL: the ranges that a server answers by default */
	const char *in;	   /* an address in it; NULL: it is malformed */
	const char *out;   /* an address outside; NULL: there is none */
} table[] = {
	{ "10.0.7.0/24", "10.0.7.0", "10.0.6.255" },
	{ "10.0.7.0/24", "10.0.7.255", "10.0.8.0" },
	{ "10.0.7.9/24", "10.0.7.1", "::10.0.7.1" },
	{ "10.0.7.9", "10.0.7.9", "10.0.7.8" },
	{ "10.0.7.9/32", "10.0.7.9", "10.0.7.1" },
	{ "10.0.7.8/31", "10.0.7.9", "10.0.7.10" },
	{ "128.0.0.0/1", "255.255.255.255", "127.255.255.255" },
	{ "0.0.0.0/0", "255.1.2.3", "::" },
	{ "0.0.0.0/0", "0.0.0.0", "2001:db8::1" },
	{ "::/0", "2001:db8::1", "10.0.0.1" },
	{ "::/0", "::1", "255.255.255.255" },
	{ "::", "::", "0.0.0.0" },
	{ "fd00::/8", "fdff::1", "fc00::1" },
	{ "fe80::/10", "febf::1", "fec0::1" },
	{ "2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::" },
	{ "2001:db8::7", "2001:db8::7", "2001:db8::6" },
	{ "2001:db8::7/128", "2001:db8::7", "2001:db8::17" },
	{ "2001:db8::6/127", "2001:db8::7", "2001:db8::5" },
	{ "::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.1" },
	{ "::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2" },
	{ NULL, "127.0.0.1", "126.255.255.255" },
	{ NULL, "127.255.255.255", "128.0.0.0" },
	{ NULL, "::1", "::2" },
	{ NULL, "10.0.0.0", "9.255.255.255" },
	{ NULL, "10.255.255.255", "11.0.0.0" },
	{ NULL, "172.16.0.0", "172.15.255.255" },
	{ NULL, "172.31.255.255", "172.32.0.0" },
	{ NULL, "192.168.0.0", "192.167.255.255" },
	{ NULL, "192.168.255.255", "192.169.0.0" },
	{ NULL, "169.254.0.1", "169.253.255.255" },
	{ NULL, "169.254.255.255", "169.255.0.0" },
	{ NULL, "fe80::1", "fec0::1" },
	{ NULL, "fc00::1", "fbff::1" },
	{ NULL, "fdff:ffff::1", "fe00::1" },
	{ NULL, "10.0.0.1", "203.0.113.1" },
	{ NULL, "fd00::1", "2001:db8::1" },
	{ NULL, "fd00::1", "100.64.0.1" },
	{ NULL, "fd00::1", "0.0.0.0" },
	{ NULL, "fd00::1", "::" },
	{ NULL, "fd00::1", "::127.0.0.1" },
	{ "", NULL, NULL },
	{ "/8", NULL, NULL },
	{ "10.0.0.0/", NULL, NULL },
	{ "10.0.0.0/33", NULL, NULL },
	{ "10.0.0.0/-1", NULL, NULL },
	{ "10.0.0.0/+8", NULL, NULL },
	{ "10.0.0.0/8/8", NULL, NULL },
	{ "10.0.0.0/ 8", NULL, NULL },
	{ "10.0.0.0/0x8", NULL, NULL },
	{ "10.0.0.0/255.0.0.0", NULL, NULL },
	{ "10.0.0.0/4294967304", NULL, NULL },
	{ "10.0.0", NULL, NULL },
	{ "10.0.0.256", NULL, NULL },
	{ "10.0.0.1:3240", NULL, NULL },
	{ "::/129", NULL, NULL },
	{ "[::1]", NULL, NULL },
	{ "fe80::1%lo", NULL, NULL },
	{ "pi.lan", NULL, NULL },
	{ "1::2::3", NULL, NULL },
};

static struct in6_addr parsed(const char *text)
{
	struct in6_addr address;

	must(addr_parse(text, &address), text);
	return address;
}

static void row(size_t i)
{
	static struct cidr_list networks;
	char *text = block_string(table[i].range ? table[i].range : NETWORKS_NEAR);
	struct in6_addr in, out;

	networks.count = 0;
	CHECK_INT(cidr_list_add(&networks, text), table[i].in != NULL);
	if (table[i].in) {
		in = parsed(table[i].in);
		out = parsed(table[i].out);
		CHECK(cidr_list_contains(&networks, &in));
		CHECK(!cidr_list_contains(&networks, &out));
		CHECK_INT(networks.count, table[i].range ? 1 : 8);
	}
	block_free(text);
}

/* Lists: blanks alone are no range, and one too many is an error. */
static void many(void)
{
	static struct cidr_list networks;
	struct in6_addr a = parsed("10.0.0.1"), b = parsed("fd00::1"), c = parsed("11.0.0.1");

	CHECK(cidr_list_add(&networks, " 10.0.0.0/8\tfd00::/8 "));
	CHECK_INT(networks.count, 2);
	CHECK(cidr_list_contains(&networks, &a) && cidr_list_contains(&networks, &b));
	CHECK(!cidr_list_contains(&networks, &c));
	CHECK(!cidr_list_add(&networks, " "));
	while (networks.count < CIDR_LIST_MAX)
		CHECK(cidr_list_add(&networks, "192.0.2.1"));
	CHECK(!cidr_list_add(&networks, "11.0.0.0/8"));
	CHECK(!cidr_list_contains(&networks, &c));
}

static void long_word(void)
{
	static struct cidr_list networks;
	char word[400];

	memset(word, '1', sizeof(word));
	word[sizeof(word) - 1] = '\0';
	CHECK(!cidr_list_add(&networks, word));
	memcpy(word, "10.0.0.0/0", 10);
	memset(word + 10, '0', sizeof(word) - 12);
	word[sizeof(word) - 2] = '9'; /* cut off, it would be another one */
	CHECK(!cidr_list_add(&networks, word));
}

int main(void)
{
	for (size_t i = 0; i < LENGTH(table); i++) {
		check_begin("t_cidr: #%zu %s", i, table[i].range ? table[i].range : "default");
		row(i);
		check_end();
	}
	RUN("t_cidr: many ranges", many);
	RUN("t_cidr: a long word", long_word);
	return check_status();
}
