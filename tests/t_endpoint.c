/* SPDX-License-Identifier: MIT */
/* Tests of lib/endpoint: servers as people write them. */
#include "lib/addr.h"
#include "tests/check.h"

static const struct {
	const char *text;
	const char *host; /* NULL: it is malformed */
	const char *port;
	const char *name;
	bool address;
} table[] = {
	{ "pi", "pi", "3240", "pi:3240", false },
	{ "pi.lan:1", "pi.lan", "1", "pi.lan:1", false },
	{ "pi.lan:65535", "pi.lan", "65535", "pi.lan:65535", false },
	{ "pi:00080", "pi", "80", "pi:80", false },
	{ "10.0.0.1", "10.0.0.1", "3240", "10.0.0.1:3240", true },
	{ "10.0.0.1:22", "10.0.0.1", "22", "10.0.0.1:22", true },
	{ "[::1]", "::1", "3240", "[::1]:3240", true },
	{ "[::1]:22", "::1", "22", "[::1]:22", true },
	{ "[fe80::1%eth0]:22", "fe80::1%eth0", "22", "[fe80::1%eth0]:22", true },
	{ "3com", "3com", "3240", "3com:3240", false },
	{ "a-b_c.d", "a-b_c.d", "3240", "a-b_c.d:3240", false },
	{ "", NULL, NULL, NULL, false },
	{ ":", NULL, NULL, NULL, false },
	{ ":22", NULL, NULL, NULL, false },
	{ "pi:", NULL, NULL, NULL, false },
	{ "pi:0", NULL, NULL, NULL, false },
	{ "pi:000", NULL, NULL, NULL, false },
	{ "pi:65536", NULL, NULL, NULL, false },
	{ "pi:99999999999999999999", NULL, NULL, NULL, false },
	{ "pi:-1", NULL, NULL, NULL, false },
	{ "pi:+1", NULL, NULL, NULL, false },
	{ "pi: 1", NULL, NULL, NULL, false },
	{ "pi:1 ", NULL, NULL, NULL, false },
	{ "pi:0x10", NULL, NULL, NULL, false },
	{ "pi:usbip", NULL, NULL, NULL, false },
	{ "::1", NULL, NULL, NULL, false },
	{ "::1:22", NULL, NULL, NULL, false },
	{ "pi:22:22", NULL, NULL, NULL, false },
	{ "[", NULL, NULL, NULL, false },
	{ "[]", NULL, NULL, NULL, false },
	{ "[]:22", NULL, NULL, NULL, false },
	{ "[::1", NULL, NULL, NULL, false },
	{ "[::1]:", NULL, NULL, NULL, false },
	{ "[::1]22", NULL, NULL, NULL, false },
	{ "[::1]:22:", NULL, NULL, NULL, false },
	{ "[::1]]", NULL, NULL, NULL, false },
	{ "my pi", NULL, NULL, NULL, false },
	{ "pi\n", NULL, NULL, NULL, false },
	{ "\tpi", NULL, NULL, NULL, false },
	{ "pi/x", NULL, NULL, NULL, false },
	{ "../pi", NULL, NULL, NULL, false },
	{ "usbip://pi", NULL, NULL, NULL, false },
	{ "p\xc3\xad", NULL, NULL, NULL, false },
	{ "pi\x7f", NULL, NULL, NULL, false },
	{ "-pi", NULL, NULL, NULL, false },
	{ "-oProxyCommand=x", NULL, NULL, NULL, false },
	{ "me@pi", "me@pi", "3240", "me@pi:3240", false },
	{ "me@[::1]", NULL, NULL, NULL, false },
	{ "ssh://pi", "pi", "ssh", "ssh://pi", false },
	{ "ssh://pi.lan:22", "pi.lan", "22", "ssh://pi.lan:22", false },
	{ "ssh://pi:022", "pi", "22", "ssh://pi:22", false },
	{ "ssh://me@pi", "me@pi", "ssh", "ssh://me@pi", false },
	{ "ssh://me@pi:1", "me@pi", "1", "ssh://me@pi:1", false },
	{ "ssh://me@lan@pi:65535", "me@lan@pi", "65535", "ssh://me@lan@pi:65535", false },
	{ "ssh://a:b@pi", "a:b@pi", "ssh", "ssh://a:b@pi", true },
	{ "ssh://a@b:c@pi", "a@b:c@pi", "ssh", "ssh://a@b:c@pi", true },
	{ "ssh://10.0.0.1", "10.0.0.1", "ssh", "ssh://10.0.0.1", true },
	{ "ssh://[::1]", "::1", "ssh", "ssh://[::1]", true },
	{ "ssh://[::1]:22", "::1", "22", "ssh://[::1]:22", true },
	{ "ssh://me@[fe80::1%eth0]", "me@fe80::1%eth0", "ssh", "ssh://me@[fe80::1%eth0]", true },
	{ "ssh://me@[::1]:22", "me@::1", "22", "ssh://me@[::1]:22", true },
	{ "ssh://me@-x", "me@-x", "ssh", "ssh://me@-x", false },
	{ "ssh://-oProxyCommand=x", NULL, NULL, NULL, false },
	{ "ssh://-oProxyCommand=x@pi", NULL, NULL, NULL, false },
	{ "ssh://[-x]", NULL, NULL, NULL, false },
	{ "ssh://[-x]:22", NULL, NULL, NULL, false },
	{ "ssh://", NULL, NULL, NULL, false },
	{ "ssh:///", NULL, NULL, NULL, false },
	{ "ssh://:22", NULL, NULL, NULL, false },
	{ "ssh://@pi", NULL, NULL, NULL, false },
	{ "ssh://me@", NULL, NULL, NULL, false },
	{ "ssh://me@:22", NULL, NULL, NULL, false },
	{ "ssh://me@[]", NULL, NULL, NULL, false },
	{ "ssh://me@[::1", NULL, NULL, NULL, false },
	{ "ssh://[me@::1]", NULL, NULL, NULL, false },
	{ "ssh://pi/", NULL, NULL, NULL, false },
	{ "ssh://pi/x", NULL, NULL, NULL, false },
	{ "ssh://me/x@pi", NULL, NULL, NULL, false },
	{ "ssh://m e@pi", NULL, NULL, NULL, false },
	{ "ssh://pi:", NULL, NULL, NULL, false },
	{ "ssh://pi:0", NULL, NULL, NULL, false },
	{ "ssh://pi:ssh", NULL, NULL, NULL, false },
	{ "ssh://::1", NULL, NULL, NULL, false },
	{ "ssh://ssh://pi", NULL, NULL, NULL, false },
	{ "SSH://pi", NULL, NULL, NULL, false },
	{ "ssh:pi", NULL, NULL, NULL, false },
	{ "ssh:22", "ssh", "22", "ssh:22", false },
};

static void row(size_t i)
{
	struct endpoint *e = block(NULL, sizeof(*e));
	char *s = block_string(table[i].text);
	const char *wrong = endpoint_parse((void *)e, s, "3240");

	if (!table[i].host) {
		CHECK(wrong && *wrong);
	} else {
		CHECK(!wrong);
		CHECK_STR(e->host, table[i].host);
		CHECK_STR(e->port, table[i].port);
		CHECK_STR(e->name, table[i].name);
		CHECK_STR(e->through, strncmp(s, ENDPOINT_SCHEME, 6) ? "" : "3240");
		CHECK_INT(endpoint_is_address(e), table[i].address);
	}
	block_free(s);
	block_free(e);
}

/* Hosts around the greatest length, with and without brackets and a user. */
static void lengths(void)
{
	static const struct {
		const char *before, *behind;
		size_t user;
	} kind[] = { { "", ":65535", 0 },	    { "[", "]:65535", 0 },
		     { "ssh://", "", 0 },	    { "ssh://", ":65535", 0 },
		     { "ssh://me@", ":65535", 3 }, { "ssh://me@[", "]:65535", 3 } };

	for (size_t len = 250; len < 260; len++)
		for (size_t i = 0; i < LENGTH(kind); i++) {
			char text[300], host[300];
			struct endpoint e;
			const char *wrong;

			memset(host, 'a', len);
			host[len] = '\0';
			snprintf(text, sizeof(text), "%s%s%s", kind[i].before,
				 host + kind[i].user, kind[i].behind);
			wrong = endpoint_parse(&e, text, "3240");
			CHECK_INT(!wrong, len < ENDPOINT_HOST_SIZE);
			if (wrong)
				continue;
			CHECK_INT(strlen(e.host), len);
			CHECK_STR(e.name, text);
		}
}

/* Each fault is told from the others. */
static void faults(void)
{
	static const struct {
		const char *text, *word;
	} said[] = {
		{ "[::1", "']'" }, { "[::1]22", "']'" },     { "::1", "brackets" },
		{ "::1:22", "brackets" }, { "pi:22:22", "brackets" }, { ":22", "host name" },
		{ "p i", "host name" },	  { "pi:x", "1 to 65535" },   { "pi:", "1 to 65535" },
		{ "[::1]:", "1 to 65535" },
	};

	for (size_t i = 0; i < LENGTH(said); i++) {
		struct endpoint e;
		const char *wrong = endpoint_parse(&e, said[i].text, "3240");

		if (!wrong || !strstr(wrong, said[i].word))
			check_fault(__FILE__, __LINE__, "%s: %s", said[i].text,
				    wrong ? wrong : "right");
	}
}

static void default_port(void)
{
	struct endpoint e;

	CHECK(!endpoint_parse(&e, "pi", "007"));
	CHECK_STR(e.port, "7");
	CHECK(endpoint_parse(&e, "pi", "0"));
	CHECK(endpoint_parse(&e, "pi", ""));
	CHECK(endpoint_parse(&e, "pi", "x"));
}

int main(void)
{
	for (size_t i = 0; i < LENGTH(table); i++) {
		check_begin("t_endpoint: #%zu \"%.*s\"", i, (int)strcspn(table[i].text, "\n\t"),
			    table[i].text);
		row(i);
		check_end();
	}
	RUN("t_endpoint: lengths of hosts", lengths);
	RUN("t_endpoint: the default port", default_port);
	RUN("t_endpoint: what is wrong", faults);
	return check_status();
}
