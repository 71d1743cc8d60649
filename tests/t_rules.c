/* SPDX-License-Identifier: MIT */
/* Tests of policy/rules: the language, what it matches, and files that are none. */
#include "policy/rules.h"

#include "tests/files.h"

#include <arpa/inet.h>
#include <sys/mman.h>

static struct rules rules; /* in force */
static char dir[TEMP_SIZE], file[TEMP_SIZE + 20], said[2000];

static void begin(void)
{
	temp_make(dir);
	snprintf(file, sizeof(file), "%s/rules", dir);
}

static void end(void)
{
	temp_remove(dir);
}

/* rules_read(), and what it said without the newline. */
static bool read_rules(const struct rules_source *source)
{
	int log = memfd_create("log", MFD_CLOEXEC), err = dup(STDERR_FILENO);
	ssize_t n;
	bool good;

	must(log >= 0 && err >= 0 && dup2(log, STDERR_FILENO) >= 0, "take the log");
	good = rules_read(&rules, source);
	must(dup2(err, STDERR_FILENO) >= 0, "give the log back");
	close(err);
	n = pread(log, said, sizeof(said) - 1, 0);
	must(n >= 0, "read the log");
	said[n] = '\0';
	close(log);
	if (good) {
		CHECK_STR(said, "");
	} else { /* one line, printable */
		CHECK(n > 0 && strchr(said, '\n') == said + n - 1);
		said[strcspn(said, "\n")] = '\0';
		for (const char *c = said; *c; c++)
			CHECK(*c >= ' ' && *c <= '~');
	}
	return good;
}

static bool read_option(enum rule_role role, const char *option)
{
	struct rules_source source = { .role = role, .options = 1, .option = { option } };

	return read_rules(&source);
}

static bool read_bytes(enum rule_role role, const char *bytes, size_t len)
{
	struct rules_source source = { .role = role, .file = file };

	put_bytes(dir, "rules", bytes, len);
	return read_rules(&source);
}

static bool read_text(const char *text)
{
	return read_bytes(RULE_CLIENT, text, strlen(text));
}

/* A stick, as everything about it is known. */
static struct rule_facts stick(void)
{
	struct rule_facts facts = {
		.busid = "1-1.4", .vendor = 0x0951, .product = 0x1666, .described = true,
		.serial = "60A44C4138D2", .product_name = "DataTraveler 3.0", .from = "pi.lan",
		.server = "pi.lan:3240",
	};

	rule_facts_add_class(&facts, 0x00);
	rule_facts_add_class(&facts, 0x08);
	return facts;
}

static enum rule_verdict judge(const struct rule_facts *facts)
{
	struct reason why = { "" };
	enum rule_verdict verdict = rules_judge(&rules, facts, &why);

	CHECK_INT(!strncmp(why.text, "denied by ", 10), verdict == RULE_DENY);
	return verdict;
}

static void globs(void)
{
	static const char *const row[][3] = {
		{ "", "", "1" }, { "", "a", "" }, { "*", "", "1" }, { "*", "abc", "1" },
		{ "**", "", "1" }, { "?", "", "" }, { "?", "a", "1" }, { "?", "ab", "" },
		{ "a", "a", "1" }, { "a", "A", "1" }, { "Z", "z", "1" }, { "@", "`", "" },
		{ "[", "{", "" }, { "\xe4", "\xc4", "" }, { "\xe4", "\xe4", "1" }, { "a", "", "" },
		{ "a*", "a", "1" }, { "a*", "abc", "1" }, { "a*", "ba", "" }, { "*a", "ba", "1" },
		{ "*a", "ab", "" }, { "*a*", "xay", "1" }, { "*a*", "xy", "" },
		{ "a*b", "ab", "1" }, { "a*b", "axxb", "1" }, { "a*b", "abx", "" },
		{ "a*b", "axbxb", "1" }, { "*ab", "aab", "1" }, { "*aab", "aaaab", "1" },
		{ "a?c", "abc", "1" }, { "a?c", "ac", "" }, { "a?*", "a", "" },
		{ "a?*", "ab", "1" },
		{ "*?", "", "" }, { "*?", "x", "1" }, { "a*b*c", "a1b2c", "1" },
		{ "a*b*c", "acb", "" }, { "a*", "*a", "" }, { "\\*", "*", "" }, { "[a]", "a", "" },
		{ "*", "*", "1" }, { "a", "ab", "" }, { "ab", "a", "" },
		{ "*.lan:*", "pi.LAN:1", "1" },
		{ "?", "\xc3\xbc", "" }, { "??", "\xc3\xbc", "1" }, { "a*a", "a", "" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		char *glob = block_string(row[i][0]), *text = block_string(row[i][1]);

		if (rule_glob(glob, text) != (*row[i][2] == '1'))
			check_fault(__FILE__, __LINE__, "'%s' and '%s'", glob, text);
		block_free(glob);
		block_free(text);
	}
}

/* What would take for ever, if each * were tried with each. */
static void no_explosion(void)
{
	static char glob[4001], text[30001];

	for (size_t i = 0; i < 4000; i += 2)
		memcpy(glob + i, "*a", 2);
	glob[3999] = 'b';
	memset(text, 'a', 30000);
	CHECK(!rule_glob(glob, text));
	text[29999] = 'b';
	CHECK(rule_glob(glob, text));
}

/* Each condition alone: rules that match the stick and rules that do not. */
static void conditions(void)
{
	static const struct {
		const char *rule;
		bool matches;
	} row[] = {
		{ "deny", true },
		{ "deny busid 1-1.4", true },
		{ "deny busid 1-1", false },
		{ "deny busid 1-*", true },
		{ "deny busid 2-*", false },
		{ "deny busid ?-1.4", true },
		{ "deny id 0951:1666", true },
		{ "deny id 951:1666", true },
		{ "deny id 0951:*", true },
		{ "deny id *:1666", true },
		{ "deny id *:*", true },
		{ "deny id 0951:1667", false },
		{ "deny id 0952:1666", false },
		{ "deny id 0952:*", false },
		{ "deny id *:0666", false },
		{ "deny id 0:0", false },
		{ "deny serial 60a44c4138d2", true },
		{ "deny serial 60*", true },
		{ "deny serial *d2", true },
		{ "deny serial \"\"", false },
		{ "deny serial 60", false },
		{ "deny product \"DataTraveler 3.0\"", true },
		{ "deny product *traveler*", true },
		{ "deny product DataTraveler", false },
		{ "deny class storage", true },
		{ "deny class 08", true },
		{ "deny class 8", true },
		{ "deny class 00", true },
		{ "deny class hid", false },
		{ "deny class 03", false },
		{ "deny class ff", false },
		{ "deny class FF", false },
		{ "deny serial \"60A44C4138D2\" class storage", true },
		{ "deny serial \"60A44C4138D2\" class hid", false },
		{ "deny serial \"60A44C4138D2\"\tclass hid", false },
		{ "deny from pi.lan", true },
		{ "deny from pi.lan:3240", true },
		{ "deny from pi.lan:*", true },
		{ "deny from pi.lan:3241", false },
		{ "deny from pi.lan:", false },
		{ "deny from pi", false },
		{ "deny from *:3240", true },
		{ "deny from PI.*", true },
		{ "deny from [::1]:3240", false },
		{ "deny busid 1-1.4 id 0951:1666 serial 60* product *3.0 class 8 from pi*", true },
		{ "deny from pi* class 8 product *3.0 serial 60* id 0951:1666 busid 1-1.4", true },
		{ "deny busid 2-1 id 0951:1666 serial 60* product *3.0 class 8 from pi*", false },
		{ "deny busid 1-1.4 id 0951:1 serial 60* product *3.0 class 8 from pi*", false },
		{ "deny busid 1-1.4 id 0951:1666 serial 6 product *3.0 class 8 from pi*", false },
		{ "deny busid 1-1.4 id 0951:1666 serial 60* product 3 class 8 from pi*", false },
		{ "deny busid 1-1.4 id 0951:1666 serial 60* product *3.0 class 9 from pi*", false },
		{ "deny busid 1-1.4 id 0951:1666 serial 60* product *3.0 class 8 from po*", false },
	};
	struct rule_facts facts = stick();

	for (size_t i = 0; i < LENGTH(row); i++) {
		CHECK(read_option(RULE_CLIENT, row[i].rule));
		if (judge(&facts) != (row[i].matches ? RULE_DENY : RULE_ALLOW))
			check_fault(__FILE__, __LINE__, "%s", row[i].rule);
	}
}

static void no_strings(void)
{
	struct rule_facts facts = stick();

	facts.serial = facts.product_name = "";
	CHECK(read_option(RULE_SERVER, "deny serial \"\""));
	CHECK_INT(judge(&facts), RULE_DENY);
	CHECK(read_option(RULE_SERVER, "deny serial * product *"));
	CHECK_INT(judge(&facts), RULE_DENY);
	CHECK(read_option(RULE_SERVER, "deny serial ?*"));
	CHECK_INT(judge(&facts), RULE_ALLOW);
	CHECK(read_option(RULE_SERVER, "deny product \"\""));
	CHECK_INT(judge(&facts), RULE_DENY);
}

static void class_words(void)
{
	static const struct {
		const char *word;
		uint8_t class;
	} row[] = {
		{ "audio", 0x01 }, { "comm", 0x02 }, { "hid", 0x03 }, { "printer", 0x07 },
		{ "storage", 0x08 }, { "hub", 0x09 }, { "video", 0x0e }, { "wireless", 0xe0 },
		{ "vendor", 0xff }, { "ff", 0xff }, { "Fe", 0xfe }, { "0", 0x00 }, { "7", 0x07 },
	};
	char rule[40];

	for (size_t i = 0; i < LENGTH(row); i++) {
		snprintf(rule, sizeof(rule), "deny class %s", row[i].word);
		CHECK(read_option(RULE_SERVER, rule));
		for (unsigned class = 0; class < 256; class++) {
			struct rule_facts facts = { .busid = "1-1", .described = true };

			rule_facts_add_class(&facts, (uint8_t)class);
			CHECK_INT(judge(&facts),
				  class == row[i].class ? RULE_DENY : RULE_ALLOW);
		}
	}
}

/* A device of several is of each. */
static void several_classes(void)
{
	struct rule_facts facts = { .busid = "1-1", .described = true };

	rule_facts_add_class(&facts, 0x02);
	rule_facts_add_class(&facts, 0x03);
	rule_facts_add_class(&facts, 0xff);
	CHECK(read_option(RULE_SERVER, "deny class comm"));
	CHECK_INT(judge(&facts), RULE_DENY);
	CHECK(read_option(RULE_SERVER, "deny class hid"));
	CHECK_INT(judge(&facts), RULE_DENY);
	CHECK(read_option(RULE_SERVER, "deny class vendor"));
	CHECK_INT(judge(&facts), RULE_DENY);
	CHECK(read_option(RULE_SERVER, "deny class audio"));
	CHECK_INT(judge(&facts), RULE_ALLOW);
}

/* What is not known yet. */
static void unknown(void)
{
	enum { NO_STRINGS = 1, NO_CLASS = 2, SOME_CLASS = 4 };
	static const struct {
		const char *rule;
		unsigned without;
		enum rule_verdict verdict;
	} row[] = {
		{ "deny", NO_STRINGS | NO_CLASS, RULE_DENY },
		{ "deny id 0951:*", NO_STRINGS | NO_CLASS, RULE_DENY },
		{ "deny serial 60*", NO_STRINGS, RULE_UNKNOWN },
		{ "allow serial 60*", NO_STRINGS, RULE_UNKNOWN },
		{ "deny product *", NO_STRINGS, RULE_UNKNOWN },
		{ "deny serial 60*", NO_CLASS, RULE_DENY },
		{ "deny serial 60* busid 2-1", NO_STRINGS, RULE_ALLOW },
		{ "deny serial 60* id 0952:*", NO_STRINGS, RULE_ALLOW },
		{ "deny serial 60* class hid", NO_STRINGS, RULE_ALLOW },
		{ "deny serial 60* from po*", NO_STRINGS, RULE_ALLOW },
		{ "deny serial 60* class storage", NO_STRINGS, RULE_UNKNOWN },
		{ "deny serial 60* class storage", NO_STRINGS | NO_CLASS, RULE_UNKNOWN },
		{ "deny class storage", NO_CLASS, RULE_UNKNOWN },
		{ "deny class hid", NO_CLASS, RULE_UNKNOWN },
		{ "deny class storage", NO_STRINGS, RULE_DENY },
		{ "deny class storage", SOME_CLASS, RULE_DENY },
		{ "deny class hid", SOME_CLASS, RULE_UNKNOWN },
		{ "deny class hid serial 61*", NO_CLASS, RULE_ALLOW },
		{ "deny class hid product 61*", NO_CLASS, RULE_ALLOW },
		{ "deny class hid serial 60*", NO_CLASS, RULE_UNKNOWN },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct rule_facts facts = stick();

		if (row[i].without & NO_STRINGS)
			facts.serial = NULL; /* and name is what was there before */
		if (row[i].without & (NO_CLASS | SOME_CLASS))
			facts.described = false;
		if (row[i].without & NO_CLASS)
			memset(facts.class, 0, sizeof(facts.class));
		CHECK(read_option(RULE_CLIENT, row[i].rule));
		if (judge(&facts) != row[i].verdict)
			check_fault(__FILE__, __LINE__, "%s, without %u: %d", row[i].rule,
				    row[i].without, (int)judge(&facts));
	}
}

/* The first that matches, or that could. */
static void first(void)
{
	struct rule_facts facts = stick();
	struct reason why;

	begin();
	CHECK(read_text("deny class hid\n\nallow id 0951:*\n# x\ndeny\n"));
	CHECK_INT(rules.count, 3);
	CHECK_INT(judge(&facts), RULE_ALLOW);
	facts.vendor = 1;
	CHECK_INT(rules_judge(&rules, &facts, &why), RULE_DENY);
	CHECK(!strncmp(why.text + 10, dir, strlen(dir)));
	CHECK_STR(why.text + 10 + strlen(dir), "/rules:5");
	CHECK_INT(rules.rule[2].line, 5);
	CHECK(read_text("deny id 0951:* serial x\nallow\n"));
	facts = stick();
	facts.serial = NULL;
	CHECK_INT(judge(&facts), RULE_UNKNOWN);
	facts.vendor = 1;
	CHECK_INT(judge(&facts), RULE_ALLOW);
	CHECK(read_text("allow id 0951:*\ndeny serial x\n"));
	facts.vendor = 0x0951;
	CHECK_INT(judge(&facts), RULE_ALLOW);
	CHECK(read_text("deny busid 9-9\n"));
	CHECK_INT(judge(&facts), RULE_ALLOW);
	CHECK(read_text(""));
	CHECK_INT(rules.count, 0);
	CHECK_INT(judge(&facts), RULE_ALLOW);
	CHECK(read_option(RULE_CLIENT, "deny"));
	CHECK_INT(rules_judge(&rules, &facts, &why), RULE_DENY);
	CHECK_STR(why.text, "denied by --rule 1");
	end();
}

static struct in6_addr address(const char *text)
{
	struct in6_addr a = IN6ADDR_ANY_INIT;

	if (inet_pton(AF_INET6, text, &a) == 1)
		return a;
	a.s6_addr[10] = a.s6_addr[11] = 0xff;
	must(inet_pton(AF_INET, text, &a.s6_addr[12]) == 1, text);
	return a;
}

static void to(void)
{
	static const struct {
		const char *to, *asks;
		bool matches;
	} row[] = {
		{ "10.1.2.3", "10.1.2.3", true },
		{ "10.1.2.3", "10.1.2.2", false },
		{ "10.1.2.3/32", "10.1.2.3", true },
		{ "10.1.2.3/31", "10.1.2.2", true },
		{ "10.1.2.3/31", "10.1.2.1", false },
		{ "10.1.2.3/8", "10.255.0.1", true }, /* bits beyond are ignored */
		{ "10.0.0.0/8", "11.0.0.1", false },
		{ "10.0.0.0/9", "10.127.255.255", true },
		{ "10.0.0.0/9", "10.128.0.0", false },
		{ "0.0.0.0/0", "10.1.2.3", true },
		{ "0.0.0.0/0", "fd00::1", false },
		{ "0.0.0.0/0", "::1", false },
		{ "128.0.0.0/1", "200.1.1.1", true },
		{ "128.0.0.0/1", "100.1.1.1", false },
		{ "::/0", "fd00::1", true },
		{ "::/0", "::1", true },
		{ "::/0", "::fffe:1.2.3.4", true },
		{ "::/0", "::1:ffff:1.2.3.4", true },
		{ "::/0", "1::ffff:1.2.3.4", true },
		{ "::/0", "0:0:0:0:0:00ff:1.2.3.4", true },
		{ "::/0", "0:0:0:0:0:ff00:1.2.3.4", true },
		{ "::/0", "0:0:1::ffff:1.2.3.4", true },
		{ "::/0", "10.1.2.3", false },
		{ "::/80", "10.1.2.3", false },
		{ "::/95", "::1", true },
		{ "::ffff:10.0.0.0/104", "10.1.2.3", true },
		{ "::ffff:10.0.0.0/104", "11.1.2.3", false },
		{ "::ffff:0:0/96", "11.1.2.3", true },
		{ "fd00::/8", "fd12::1", true },
		{ "fd00::/8", "fc12::1", false },
		{ "fd00::1", "fd00::1", true },
		{ "fd00::1/128", "fd00::1", true },
		{ "fd00::1", "fd00::2", false },
		{ "fd00::1/127", "fd00::", true },
		{ "fe80::/10", "febf::1", true },
		{ "fe80::/10", "fec0::1", false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct peer_id asks = { .address = address(row[i].asks) };
		struct rule_facts facts = stick();
		char rule[80];

		facts.from = NULL;
		facts.to = &asks;
		snprintf(rule, sizeof(rule), "deny to %s", row[i].to);
		CHECK(read_option(RULE_SERVER, rule));
		if (judge(&facts) != (row[i].matches ? RULE_DENY : RULE_ALLOW))
			check_fault(__FILE__, __LINE__, "%s, %s asks", rule, row[i].asks);
	}
}

/* While nobody asks. */
static void to_nobody(void)
{
	struct rule_facts facts = stick();
	struct peer_id asks = { .address = address("10.1.1.1") };

	facts.from = NULL;
	begin();
	CHECK(read_bytes(RULE_SERVER, "deny to 10.0.0.0/8\n", 19));
	CHECK_INT(judge(&facts), RULE_ALLOW);
	CHECK(read_bytes(RULE_SERVER, "allow to 10.0.0.0/8\ndeny\n", 25));
	CHECK_INT(judge(&facts), RULE_ALLOW);
	facts.to = &asks;
	CHECK_INT(judge(&facts), RULE_ALLOW);
	asks.address = address("11.1.1.1");
	CHECK_INT(judge(&facts), RULE_DENY);
	facts.to = NULL;
	CHECK(read_bytes(RULE_SERVER, "allow to 10.0.0.0/8 class hid\ndeny\n", 35));
	CHECK_INT(judge(&facts), RULE_DENY);
	CHECK(read_bytes(RULE_SERVER, "deny to 10.0.0.0/8\ndeny\n", 24));
	CHECK_INT(judge(&facts), RULE_DENY);
	facts.serial = NULL;
	CHECK(read_bytes(RULE_SERVER, "deny to 10.0.0.0/8 serial x\n", 28));
	CHECK_INT(judge(&facts), RULE_ALLOW);
	CHECK(read_bytes(RULE_SERVER, "allow to 10.0.0.0/8 serial x\n", 29));
	CHECK_INT(judge(&facts), RULE_UNKNOWN);
	CHECK(read_bytes(RULE_SERVER, "deny\n", 5));
	end();
}

/* By the identity of a key. */
static void to_key(void)
{
	struct rule_facts facts = stick();
	struct peer_id asks = { .address = address("10.1.1.1") };

	facts.from = NULL;
	begin();
	CHECK(read_bytes(RULE_SERVER, "allow to key lap*\ndeny\n", 23));
	CHECK_INT(judge(&facts), RULE_ALLOW); /* nobody yet */
	facts.to = &asks;
	CHECK_INT(judge(&facts), RULE_DENY);
	asks.key = "laptop";
	CHECK_INT(judge(&facts), RULE_ALLOW);
	asks.key = "desktop";
	CHECK_INT(judge(&facts), RULE_DENY);
	CHECK(read_bytes(RULE_SERVER, "allow to key *\ndeny\n", 20));
	CHECK_INT(judge(&facts), RULE_ALLOW);
	asks.key = NULL; /* no key is not any key */
	CHECK_INT(judge(&facts), RULE_DENY);
	asks.key = "desktop";
	CHECK(read_bytes(RULE_SERVER, "deny to key \"desk top\"\n", 23));
	CHECK(rules.rule[0].key > rules.text && rules.rule[0].key < rules.text + rules.len);
	CHECK_INT(judge(&facts), RULE_ALLOW);
	asks.key = "desk top";
	CHECK_INT(judge(&facts), RULE_DENY);
	CHECK(!read_option(RULE_SERVER, "deny to key"));
	CHECK(!read_option(RULE_SERVER, "deny to key a to 10.0.0.1"));
	CHECK(!read_option(RULE_SERVER, "deny to key a to key b"));
	CHECK(!read_option(RULE_CLIENT, "deny to key a"));
	end();
}

/* What is written how. */
static void words(void)
{
	static const struct {
		const char *text;
		unsigned rules;
		const char *serial; /* of the first */
	} row[] = {
		{ "", 0, NULL },
		{ "\n\n", 0, NULL },
		{ " \t \n", 0, NULL },
		{ "#\n# deny\n \t# deny\n#deny", 0, NULL },
		{ "deny", 1, NULL },
		{ "deny\n", 1, NULL },
		{ "\r\ndeny\r\n\r\n", 1, NULL },
		{ "deny serial abc\r\nallow\r\n", 2, "abc" },
		{ "deny serial \"a b\"\r\n", 1, "a b" },
		{ "deny serial  \t  \"a b\"\n", 1, "a b" },
		{ " \t deny \t  serial\t\tabc \t ", 1, "abc" },
		{ "deny # serial abc\n", 1, NULL },
		{ "deny #serial abc\n", 1, NULL },
		{ "deny serial abc#d\n", 1, "abc#d" },
		{ "deny serial abc #d\n", 1, "abc" },
		{ "deny serial \"#abc\" # d\n", 1, "#abc" },
		{ "deny serial \"a # b\"\n", 1, "a # b" },
		{ "deny serial \"\"\n", 1, "" },
		{ "deny serial \" \"\n", 1, " " },
		{ "deny serial \"a\\\"\n", 1, "a\\" },
		{ "deny serial a\"b\n", 1, "a\"b" },
		{ "deny serial \"serial\" product product\n", 1, "serial" },
		{ "deny serial from\n", 1, "from" },
		{ "deny serial \"a\"", 1, "a" },
		{ "deny serial \"a\"\tclass hid", 1, "a" },
		{ "deny serial \xc3\xbc\xff\n", 1, "\xc3\xbc\xff" },
		{ "allow\ndeny\n#\nallow", 3, NULL },
	};

	begin();
	for (size_t i = 0; i < LENGTH(row); i++) {
		if (!read_text(row[i].text) || rules.count != row[i].rules)
			check_fault(__FILE__, __LINE__, "%u rules in '%s': %s", rules.count,
				    row[i].text, said);
		else if (row[i].serial)
			CHECK_STR(rules.rule[0].glob[RULE_SERIAL], row[i].serial);
		else if (row[i].rules)
			CHECK(!rules.rule[0].glob[RULE_SERIAL]);
	}
	end();
}

#define LONG "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"

/* What is wrong; the rules in force stay. */
static void mistakes(void)
{
	static const struct {
		const char *rule, *said;
	} row[] = {
		{ "", "no rule" },
		{ " \t", "no rule" },
		{ "# deny", "no rule" },
		{ "alow", "neither allow nor deny: 'alow'" },
		{ "dent", "neither allow nor deny: 'dent'" },
		{ "denyx", "neither allow nor deny: 'denyx'" },
		{ "Deny", "neither allow nor deny: 'Deny'" },
		{ "\"deny\"", "neither allow nor deny: '\"deny\"'" },
		{ "class hid", "neither allow nor deny: 'class'" },
		{ "allow deny", "unknown word 'deny'" },
		{ "deny prodct x", "unknown word 'prodct'" },
		{ "deny Class hid", "unknown word 'Class'" },
		{ "deny \"class\" hid", "unknown word '\"class\"'" },
		{ "deny class hid x", "unknown word 'x'" },
		{ "deny \x1b[31m\xc3\xbc", "unknown word '?[31m?" "?'" },
		{ "deny " LONG, "unknown word 'aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee'" },
		{ "deny busid", "no value of 'busid'" },
		{ "deny id", "no value of 'id'" },
		{ "deny serial", "no value of 'serial'" },
		{ "deny product \t", "no value of 'product'" },
		{ "deny class # hid", "no value of 'class'" },
		{ "deny serial #1", "no value of 'serial'" },
		{ "deny from", "no value of 'from'" },
		{ "deny steady", "deny has no 'steady'" },
		{ "allow steady busid 1 steady", "more than one 'steady'" },
		{ "deny busid 1 busid 1", "more than one 'busid'" },
		{ "deny id 1:1 id 1:1", "more than one 'id'" },
		{ "deny serial 1 serial 1", "more than one 'serial'" },
		{ "deny serial 1 busid 1 serial 1", "more than one 'serial'" },
		{ "deny product 1 product 1", "more than one 'product'" },
		{ "deny class 1 class 1", "more than one 'class'" },
		{ "deny from 1 from 1", "more than one 'from'" },
		{ "deny id 0951", "malformed id '0951'" },
		{ "deny id 0951:", "malformed id '0951:'" },
		{ "deny id :1", "malformed id ':1'" },
		{ "deny id :", "malformed id ':'" },
		{ "deny id *", "malformed id '*'" },
		{ "deny id 09510:1", "malformed id '09510:1'" },
		{ "deny id 1:00001", "malformed id '1:00001'" },
		{ "deny id 1:g", "malformed id '1:g'" },
		{ "deny id 0x1:1", "malformed id '0x1:1'" },
		{ "deny id 1:1:1", "malformed id '1:1:1'" },
		{ "deny id 1:**", "malformed id '1:**'" },
		{ "deny id 1*:1", "malformed id '1*:1'" },
		{ "deny id \"\"", "malformed id" },
		{ "deny class hidd", "unknown class 'hidd'" },
		{ "deny class HID", "unknown class 'HID'" },
		{ "deny class other", "unknown class 'other'" },
		{ "deny class 003", "unknown class '003'" },
		{ "deny class 0x3", "unknown class '0x3'" },
		{ "deny class 3h", "unknown class '3h'" },
		{ "deny class *", "unknown class '*'" },
		{ "deny class \"\"", "unknown class" },
		{ "deny serial \"abc", "malformed quotes of 'serial'" },
		{ "deny serial \"", "malformed quotes of 'serial'" },
		{ "deny serial \"abc\"d", "malformed quotes of 'serial'" },
		{ "deny serial \"abc\"#", "malformed quotes of 'serial'" },
		{ "deny serial \"\"\"", "malformed quotes of 'serial'" },
		{ "deny serial a\x01", "control character in the value of 'serial'" },
		{ "deny serial a\x1f", "control character in the value of 'serial'" },
		{ "deny serial a\x7f", "control character in the value of 'serial'" },
		{ "deny product \"a\tb\"", "control character in the value of 'product'" },
		{ "deny product \"a\rb\"", "control character in the value of 'product'" },
		{ "deny to 10.0.0.1", "only a server has 'to'" },
	};
	struct rule_facts facts = stick();

	begin();
	for (size_t i = 0; i < LENGTH(row); i++) {
		char want[TEMP_SIZE + 200], text[300];

		CHECK(read_option(RULE_CLIENT, "deny serial 60*"));
		CHECK(!read_option(RULE_CLIENT, row[i].rule));
		snprintf(want, sizeof(want), "usbiphp: --rule 1: %s", row[i].said);
		CHECK_STR(said, want);
		CHECK_INT(rules.count, 1);
		CHECK_INT(judge(&facts), RULE_DENY);
		if (!strcmp(row[i].said, "no rule"))
			continue;
		snprintf(text, sizeof(text), "# first\n\nallow\n%s\r\nallow\n", row[i].rule);
		CHECK(!read_text(text));
		snprintf(want, sizeof(want), "usbiphp: %s:4: %s", file, row[i].said);
		CHECK_STR(said, want);
		CHECK_INT(judge(&facts), RULE_DENY);
	}
	end();
}

static void server_mistakes(void)
{
	static const struct {
		const char *rule, *said;
	} row[] = {
		{ "deny from pi", "only a client has 'from'" },
		{ "deny to", "no value of 'to'" },
		{ "deny to 1.1.1.1 to 1.1.1.1", "more than one 'to'" },
		{ "deny to 10.0.0", "malformed address '10.0.0'" },
		{ "deny to 10.0.0.256", "malformed address '10.0.0.256'" },
		{ "deny to pi.lan", "malformed address 'pi.lan'" },
		{ "deny to \"\"", "malformed address" },
		{ "deny to /8", "malformed address '/8'" },
		{ "deny to 10.0.0.0/", "malformed address '10.0.0.0/'" },
		{ "deny to 10.0.0.0/33", "malformed address '10.0.0.0/33'" },
		{ "deny to 10.0.0.0/-1", "malformed address '10.0.0.0/-1'" },
		{ "deny to 10.0.0.0/8/8", "malformed address '10.0.0.0/8/8'" },
		{ "deny to 10.0.0.0/99999999999", "malformed address '10.0.0.0/99999999999'" },
		{ "deny to ::1/129", "malformed address '::1/129'" },
		{ "deny to ::ffff:1.1.1.1/129", "malformed address '::ffff:1.1.1.1/129'" },
		{ "deny to [::1]", "malformed address '[::1]'" },
		{ "deny to fe80::1%eth0", "malformed address 'fe80::1%eth0'" },
	};
	char want[200];

	for (size_t i = 0; i < LENGTH(row); i++) {
		CHECK(!read_option(RULE_SERVER, row[i].rule));
		snprintf(want, sizeof(want), "usbiphp: --rule 1: %s", row[i].said);
		CHECK_STR(said, want);
	}
}

/* Options first, in their order; then the file. */
static void sources(void)
{
	struct rules_source source = {
		.role = RULE_SERVER,
		.options = 2,
		.option = { "deny serial \"a b\"", "allow class 8" },
	};
	struct rule_facts facts = stick();
	struct reason why;

	begin();
	source.file = file;
	put_file(dir, "rules", "\ndeny product x*\n");
	CHECK(read_rules(&source));
	CHECK_INT(rules.count, 3);
	CHECK_STR(rules.rule[0].glob[RULE_SERIAL], "a b");
	CHECK_STR(rules.rule[2].glob[RULE_PRODUCT], "x*");
	CHECK_INT(judge(&facts), RULE_ALLOW);
	rules.rule[1].deny = true;
	CHECK_INT(rules_judge(&rules, &facts, &why), RULE_DENY);
	CHECK_STR(why.text, "denied by --rule 2");
	rules.rule[0] = rules.rule[1];
	CHECK_INT(rules_judge(&rules, &facts, &why), RULE_DENY);
	CHECK_STR(why.text, "denied by --rule 1");
	CHECK_INT(rules.rule[2].line, 2);
	CHECK(read_rules(&source));
	source.option[1] = "deny class hidd";
	CHECK(!read_rules(&source));
	CHECK_STR(said, "usbiphp: --rule 2: unknown class 'hidd'");
	CHECK_INT(rules.count, 3);
	CHECK_STR(rules.rule[0].glob[RULE_SERIAL], "a b");
	source.options = 0;
	source.file = NULL;
	CHECK(read_rules(&source));
	CHECK_INT(rules.count, 0);
	source.options = RULE_OPTIONS_MAX;
	for (unsigned i = 0; i < RULE_OPTIONS_MAX; i++)
		source.option[i] = "deny product x";
	CHECK(read_rules(&source));
	CHECK_INT(rules.count, RULE_OPTIONS_MAX);
	end();
}

/* Rules that are read point into their own text only. */
static void own_text(void)
{
	struct rule_facts facts = stick();

	begin();
	CHECK(read_text("deny busid 1-* serial 60* product *3.0 from pi*\n"));
	CHECK(!read_text("deny busid 2-* serial 70* product *4.0 from po*\nx"));
	CHECK_INT(judge(&facts), RULE_DENY);
	for (unsigned i = 0; i < RULE_STRINGS; i++)
		CHECK(rules.rule[0].glob[i] > rules.text &&
		      rules.rule[0].glob[i] < rules.text + rules.len);
	CHECK_STR(rules.rule[0].glob[RULE_BUSID], "1-*");
	CHECK_STR(rules.rule[0].glob[RULE_FROM], "pi*");
	end();
}

static char big[200000];

/* n times that line, as a file. */
static bool read_many(const char *line, unsigned n)
{
	size_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += (size_t)snprintf(big + len, sizeof(big) - len, "%s", line);
	return read_bytes(RULE_SERVER, big, len);
}

static void said_of_file(const char *what)
{
	char want[TEMP_SIZE + 100];

	snprintf(want, sizeof(want), what, file);
	CHECK_STR(said, want);
}

static void many(void)
{
	struct rules_source source = { .role = RULE_SERVER, .options = 1, .option = { "allow" } };

	begin();
	source.file = file;
	CHECK(read_many("deny\n", RULES_MAX));
	CHECK_INT(rules.count, RULES_MAX);
	CHECK_INT(rules.rule[RULES_MAX - 1].line, RULES_MAX);
	CHECK(!read_rules(&source));
	said_of_file("usbiphp: %s:1000: more than 1000 rules");
	CHECK_INT(rules.count, RULES_MAX);
	CHECK(!read_many("allow\n", RULES_MAX + 1));
	said_of_file("usbiphp: %s:1001: more than 1000 rules");
	CHECK_INT(rules.count, RULES_MAX);
	CHECK(rules.rule[0].deny);
	CHECK(!read_many("deny\n", 10000));
	said_of_file("usbiphp: %s:1001: more than 1000 rules");
	CHECK(read_many("#\n\n", 10000));
	CHECK_INT(rules.count, 0);
	end();
}

static void size(void)
{
	static char option[RULES_TEXT_SIZE + 100];
	struct rules_source source = { .role = RULE_SERVER, .options = 1, .option = { option } };

	begin();
	memset(big, 'a', sizeof(big));
	memcpy(big, "deny serial ", 12);
	CHECK(read_bytes(RULE_SERVER, big, RULES_TEXT_SIZE));
	CHECK_INT(rules.count, 1);
	CHECK_INT(strlen(rules.rule[0].glob[RULE_SERIAL]), RULES_TEXT_SIZE - 12);
	CHECK(!read_bytes(RULE_SERVER, big, RULES_TEXT_SIZE + 1));
	said_of_file("usbiphp: %s: more than 65536 bytes of rules");
	CHECK_INT(strlen(rules.rule[0].glob[RULE_SERIAL]), RULES_TEXT_SIZE - 12);
	memset(option, ' ', sizeof(option) - 1);
	memcpy(option, "deny", 4);
	CHECK(!read_rules(&source));
	CHECK_STR(said, "usbiphp: --rule: more than 65536 bytes of rules");
	option[RULES_TEXT_SIZE] = '\0';
	CHECK(read_rules(&source));
	source.options = 2; /* nothing is left */
	source.option[1] = "";
	CHECK(!read_rules(&source));
	CHECK_STR(said, "usbiphp: --rule: more than 65536 bytes of rules");
	source.options = 1;
	source.file = file;
	put_file(dir, "rules", "");
	CHECK(!read_rules(&source));
	said_of_file("usbiphp: %s: more than 65536 bytes of rules");
	option[RULES_TEXT_SIZE - 6] = '\0';
	put_file(dir, "rules", "deny\n");
	CHECK(read_rules(&source));
	CHECK_INT(rules.count, 2);
	put_file(dir, "rules", "deny \n");
	CHECK(!read_rules(&source));
	said_of_file("usbiphp: %s: more than 65536 bytes of rules");
	end();
}

/* 100 MB are not read: there is nothing in them but a hole, and no memory for it. */
static void huge(void)
{
	begin();
	put_file(dir, "rules", "");
	must(!truncate(file, 100000000), "make it large");
	CHECK(!read_rules(&(struct rules_source){ .role = RULE_SERVER, .file = file }));
	said_of_file("usbiphp: %s: more than 65536 bytes of rules");
	end();
}

static void no_text(void)
{
	begin();
	CHECK(read_text("deny busid 7-7\n"));
	CHECK(!read_bytes(RULE_CLIENT, "allow\n\0\n", 8));
	said_of_file("usbiphp: %s:2: NUL character");
	CHECK(!read_bytes(RULE_CLIENT, "allow\nallow\n# x\0", 16));
	said_of_file("usbiphp: %s:3: NUL character");
	CHECK(!read_bytes(RULE_CLIENT, "allow serial a\0b\n", 17));
	said_of_file("usbiphp: %s:1: NUL character");
	CHECK(!read_bytes(RULE_CLIENT, "\0", 1));
	said_of_file("usbiphp: %s:1: NUL character");
	CHECK_INT(rules.count, 1);
	CHECK_STR(rules.rule[0].glob[RULE_BUSID], "7-7");
	end();
}

static void cannot_read(const char *path, int error)
{
	char want[TEMP_SIZE + 100];

	snprintf(want, sizeof(want), "usbiphp: cannot read %s: %s", path, strerror(error));
	CHECK_STR(said, want);
}

static void no_file(void)
{
	struct rules_source source = { .role = RULE_SERVER };
	char link[TEMP_SIZE + 20];

	begin();
	CHECK(read_text("deny busid 7-7\n"));
	source.file = dir;
	CHECK(!read_rules(&source));
	CHECK(strstr(said, dir) && strstr(said, ": Is a directory"));
	source.file = file;
	take_away(dir, "rules");
	CHECK(!read_rules(&source));
	cannot_read(file, ENOENT);
	must(!mkfifo(file, 0600), "make a FIFO");
	CHECK(!read_rules(&source));
	cannot_read(file, EOPNOTSUPP);
	take_away(dir, "rules");
	put_link(dir, "rules", "rules");
	CHECK(!read_rules(&source));
	cannot_read(file, ELOOP);
	source.file = "/dev/zero";
	CHECK(!read_rules(&source));
	cannot_read("/dev/zero", EOPNOTSUPP);
	source.file = "/proc/self/mem"; /* opens, and cannot be read */
	CHECK(!read_rules(&source));
	cannot_read("/proc/self/mem", EIO);
	source.file = "";
	CHECK(!read_rules(&source));
	cannot_read("", ENOENT);
	put_file(dir, "real", "deny busid 8-8\n");
	put_link(dir, "link", "real");
	snprintf(link, sizeof(link), "%s/link", dir);
	source.file = link;
	CHECK_INT(rules.count, 1);
	CHECK_STR(rules.rule[0].glob[RULE_BUSID], "7-7");
	CHECK(read_rules(&source));
	CHECK_STR(rules.rule[0].glob[RULE_BUSID], "8-8");
	end();
}

static void unreadable(void)
{
	struct rules_source source = { .role = RULE_SERVER, .file = file };

	begin();
	put_file(dir, "rules", "deny\n");
	must(!chmod(dir, 0755) && !chmod(file, 0) && !seteuid(getuid() ? getuid() : 65534),
	     "become another");
	CHECK(!read_rules(&source));
	cannot_read(file, EACCES);
	must(!seteuid(getuid()), "become who it was");
	end();
}

static void no_descriptors(void)
{
	struct rules_source source = { .role = RULE_SERVER, .file = file };
	unsigned before = open_files();

	no_file();
	size();
	many();
	mistakes();
	CHECK_INT(open_files(), before);
	begin();
	put_file(dir, "rules", "deny\n");
	spare_files(2); /* for the log */
	CHECK(!read_rules(&source));
	spare_files(-1);
	cannot_read(file, EMFILE);
	end();
}

/* Only the rule that allows it counts, and only if it says which device it is. */
static void names_device(void)
{
	static const struct {
		const char *rules;
		bool named;
	} row[] = {
		{ "", false },
		{ "allow\n", false },
		{ "allow busid 1-1.4\n", true },
		{ "allow busid 1-1.*\n", false },
		{ "allow busid *\n", false },
		{ "allow busid 1-1.?\n", false },
		{ "allow serial 60A44C4138D2\n", true },
		{ "allow serial 60A44C*\n", false },
		{ "allow busid 1-1.* serial 60A44C4138D2\n", true },
		{ "allow busid 1-1.4 serial *\n", true },
		{ "allow busid 1-1.4 id 0951:1666\n", true },
		{ "allow busid 1-1.4 id 0951:1667\n", false },
		{ "allow id 0951:1666\n", false },
		{ "allow product \"DataTraveler 3.0\"\n", false },
		{ "allow class storage\n", false },
		{ "deny busid 1-1.4\n", false },
		{ "deny busid 1-1.5\nallow busid 1-1.4\n", true },
		{ "deny busid 1-1.4\nallow busid 1-1.4\n", false },
		{ "allow\nallow busid 1-1.4\n", false },
		{ "allow busid 1-1.5\nallow\n", false },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct rule_facts facts = stick();

		begin();
		facts.from = facts.server = NULL;
		CHECK(read_bytes(RULE_SERVER, row[i].rules, strlen(row[i].rules)));
		if (rules_name_device(&rules, &facts) != row[i].named)
			check_fault(__FILE__, __LINE__, "%s: %s", row[i].rules,
				    row[i].named ? "it is not named" : "it is named");
		end();
	}
}

static void steady(void)
{
	static const struct {
		const char *rules;
		bool steady;
	} row[] = {
		{ "allow steady\n", true },
		{ "allow busid 1-1.4 steady class storage\n", true },
		{ "allow serial steady\n", false },
		{ "allow steady busid 1-1.5\nallow\n", false },
		{ "allow\nallow steady\n", false },
		{ "deny class hid\nallow steady id 0951:*\n", true },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		struct rule_facts facts = stick();

		begin();
		facts.from = facts.server = NULL;
		CHECK(read_bytes(RULE_SERVER, row[i].rules, strlen(row[i].rules)));
		CHECK_INT(rules_are_steady(&rules, &facts), row[i].steady);
		end();
	}
}

/* The bus ids that rules name and allow. */
static void places(void)
{
	static const char text[] = "allow busid 1-1.4 class hid\ndeny busid 1-2\nallow busid 1-*\n"
				   "allow\nallow busid 2-3\n";
	static const char *const want[] = { "1-1.4", NULL, NULL, NULL, "2-3" };

	begin();
	CHECK(read_bytes(RULE_SERVER, text, sizeof(text) - 1));
	CHECK_INT(rules.count, LENGTH(want));
	for (unsigned i = 0; i < rules.count; i++) {
		const char *place = rules_place(&rules, i);

		CHECK_STR(place ? place : "", want[i] ? want[i] : "");
	}
	end();
}

static void names_unknown(void)
{
	static const char first_unknown[] = "deny serial 60A44C4138D2\nallow busid 1-1.4\n";
	struct rule_facts facts = stick();

	begin();
	facts.serial = facts.from = facts.server = NULL;
	CHECK(read_option(RULE_SERVER, "allow serial 60A44C4138D2"));
	CHECK(!rules_name_device(&rules, &facts));
	CHECK(read_option(RULE_SERVER, "allow busid 1-1.4 serial 60A44C4138D2"));
	CHECK(!rules_name_device(&rules, &facts));
	CHECK(read_option(RULE_SERVER, "allow busid 1-1.4"));
	CHECK(rules_name_device(&rules, &facts));
	CHECK(read_bytes(RULE_SERVER, first_unknown, sizeof(first_unknown) - 1));
	CHECK(!rules_name_device(&rules, &facts));
	end();
}

/* An empty serial number is that of every device without one. */
static void names_no_serial(void)
{
	struct rule_facts facts = stick();

	begin();
	facts.serial = "";
	facts.from = facts.server = NULL;
	CHECK(read_option(RULE_SERVER, "allow serial \"\""));
	CHECK(!rules_name_device(&rules, &facts));
	CHECK(read_option(RULE_SERVER, "allow busid 1-1.4 serial \"\""));
	CHECK(rules_name_device(&rules, &facts));
	end();
}

static void clients(void)
{
	static const struct {
		const char *rules;
		bool have;
	} row[] = {
		{ "allow\ndeny class hid\n", false },
		{ "deny id 0951:*\nallow to 10.0.0.0/8\n", true },
		{ "deny busid 1-1 to key bench\n", true },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin();
		CHECK(read_bytes(RULE_SERVER, row[i].rules, strlen(row[i].rules)));
		CHECK_INT(rules_have_to(&rules), row[i].have);
		end();
	}
}

int main(void)
{
	RUN("t_rules: globs", globs);
	RUN("t_rules: a glob that could take for ever", no_explosion);
	RUN("t_rules: each condition", conditions);
	RUN("t_rules: a device without strings", no_strings);
	RUN("t_rules: classes", class_words);
	RUN("t_rules: several classes", several_classes);
	RUN("t_rules: what is not known yet", unknown);
	RUN("t_rules: the first that matches", first);
	RUN("t_rules: a rule that names the device", names_device);
	RUN("t_rules: a device that may come and go", steady);
	RUN("t_rules: the bus ids that rules name", places);
	RUN("t_rules: a rule that may name the device", names_unknown);
	RUN("t_rules: a rule for devices without a serial number", names_no_serial);
	RUN("t_rules: who asks", to);
	RUN("t_rules: nobody asks", to_nobody);
	RUN("t_rules: who has which key", to_key);
	RUN("t_rules: words, quotes, comments", words);
	RUN("t_rules: mistakes", mistakes);
	RUN("t_rules: mistakes on a server", server_mistakes);
	RUN("t_rules: options and a file", sources);
	RUN("t_rules: their own text", own_text);
	RUN("t_rules: 1000 rules and more", many);
	RUN("t_rules: 65536 bytes and more", size);
	RUN("t_rules: 100 MB", huge);
	RUN("t_rules: NUL characters", no_text);
	RUN("t_rules: clients are told apart", clients);
	RUN("t_rules: what is no file", no_file);
	RUN("t_rules: a file of others", unreadable);
	RUN("t_rules: no descriptor is left open", no_descriptors);
	return check_status();
}
