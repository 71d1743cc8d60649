/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: rule_parse(), for each line of a file and both roles. What it takes means the same
 * when it is written anew, and matches what a plain matcher says.
 */
#include "policy/rules.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>

enum { LINE_SIZE = 2048 };

static bool same_letter(char glob, char c)
{
	return glob == '?' || glob == c ||
	       ((glob ^ c) == 32 && (c | 32) >= 'a' && (c | 32) <= 'z');
}

/* Straight from the definition, with no cleverness; both are short. */
static bool plain_glob(const char *glob, size_t g, const char *text, size_t t)
{
	static bool like[LINE_SIZE + 1][LINE_SIZE + 1];

	for (size_t i = g + 1; i-- > 0;)
		for (size_t j = t + 1; j-- > 0;) {
			char a = i < g ? glob[i] : 0, b = j < t ? text[j] : 0;

			if (i == g)
				like[i][j] = j == t;
			else if (a == '*')
				like[i][j] = like[i + 1][j] || (j < t && like[i][j + 1]);
			else
				like[i][j] = j < t && like[i + 1][j + 1] && same_letter(a, b);
		}
	return like[0][0];
}

static void compare_globs(const char *glob, const char *text)
{
	size_t g = strlen(glob), t = strlen(text);

	if (g * t < 20000)
		HOLDS(rule_glob(glob, text) == plain_glob(glob, g, text, t));
}

/* Whether a glob holds: as enum rule_match. */
static enum rule_match see_glob(const char *glob, const char *text)
{
	if (!glob)
		return RULE_MATCHES;
	if (!text)
		return RULE_NEEDS_MORE;
	return plain_glob(glob, strlen(glob), text, strlen(text)) ? RULE_MATCHES : RULE_DIFFERS;
}

static enum rule_match see_from(const struct rule *rule, const struct rule_facts *facts)
{
	enum rule_match host = see_glob(rule->glob[RULE_FROM], facts->from);

	return host == RULE_MATCHES ? host : see_glob(rule->glob[RULE_FROM], facts->server);
}

static enum rule_match see_class(const struct rule *rule, const struct rule_facts *facts)
{
	bool has = facts->class[rule->class / 8] >> rule->class % 8 & 1;

	if (!rule->has_class || has)
		return RULE_MATCHES;
	return facts->described ? RULE_DIFFERS : RULE_NEEDS_MORE;
}

static bool see_to(const struct rule *rule, const struct peer_id *who)
{
	const struct in6_addr *net = &rule->to.address, *to = who ? &who->address : NULL;
	bool ipv4 = IN6_IS_ADDR_V4MAPPED(net) && rule->to.bits >= 96;
	unsigned bytes = rule->to.bits / 8, rest = rule->to.bits % 8;

	if (!rule->has_to || !to)
		return !rule->has_to || !rule->deny;
	if (rule->key)
		return who->key && rule_glob(rule->key, who->key);
	return ipv4 == IN6_IS_ADDR_V4MAPPED(to) && !memcmp(to, net, bytes) &&
	       (!rest || to->s6_addr[bytes] >> (8 - rest) == net->s6_addr[bytes] >> (8 - rest));
}

static enum rule_match see_id(uint16_t mask, uint16_t want, uint16_t id)
{
	return !mask || want == id ? RULE_MATCHES : RULE_DIFFERS;
}

/* Each condition by itself: one that differs decides, else one that is not known. */
static enum rule_match plain_match(const struct rule *rule, const struct rule_facts *facts)
{
	enum rule_match all[] = {
		see_glob(rule->glob[RULE_BUSID], facts->busid), see_from(rule, facts),
		see_glob(rule->glob[RULE_SERIAL], facts->serial),
		see_glob(rule->glob[RULE_PRODUCT], facts->serial ? facts->product_name : NULL),
		see_class(rule, facts), see_to(rule, facts->to) ? RULE_MATCHES : RULE_DIFFERS,
		see_id(rule->vendor_mask, rule->vendor, facts->vendor),
		see_id(rule->product_mask, rule->product, facts->product),
	};
	enum rule_match match = RULE_MATCHES;

	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (all[i] == RULE_DIFFERS)
			return RULE_DIFFERS;
		if (all[i] == RULE_NEEDS_MORE)
			match = RULE_NEEDS_MORE;
	}
	return match;
}

/* Some devices, known more or less, asked for by some. */
static void compare_matches(const struct rule *rule)
{
	static const char *const who[] = { "::ffff:10.1.1.1", "::ffff:192.168.1.7", "fd00::2",
					   "::1" };
	struct peer_id to = { .key = NULL };

	for (unsigned i = 0; i < 64; i++) {
		struct rule_facts facts = {
			.busid = i & 1 ? "1-1.2" : "2-1", .vendor = i & 2 ? 0x0951 : 1,
			.product = 0x1666, .described = i & 4,
			.serial = i & 8 ? "60A44C4138D2" : NULL, .product_name = "a disk",
			.from = "pi.lan", .server = "pi.lan:1", .to = i & 16 ? &to : NULL,
		};

		to.key = i & 1 ? "laptop" : NULL;
		HOLDS(inet_pton(AF_INET6, who[i / 2 % 4], &to.address) == 1);
		if (i & 32)
			rule_facts_add_class(&facts, 0x08);
		HOLDS(rule_match(rule, &facts) == plain_match(rule, &facts));
	}
}

static char *put_value(char *to, const char *name, const char *value)
{
	const char *quote = strchr(value, '"') ? "" : "\"";

	return to + sprintf(to, " %s %s%s%s", name, quote, value, quote);
}

/* The rule in its plainest words. */
static void write_rule(char *to, const struct rule *rule)
{
	static const char *const name[RULE_STRINGS] = { "busid", "serial", "product", "from" };
	char address[INET6_ADDRSTRLEN];

	to += sprintf(to, "%s", rule->deny ? "deny" : "allow");
	for (unsigned i = 0; i < RULE_STRINGS; i++)
		if (rule->glob[i])
			to = put_value(to, name[i], rule->glob[i]);
	if (rule->vendor_mask && rule->product_mask)
		to += sprintf(to, " id %x:%x", rule->vendor, rule->product);
	else if (rule->vendor_mask)
		to += sprintf(to, " id %04x:*", rule->vendor);
	else if (rule->product_mask)
		to += sprintf(to, " id *:%04X", rule->product);
	if (rule->has_class)
		to += sprintf(to, " class %x", rule->class);
	if (rule->key) {
		put_value(to, "to key", rule->key);
	} else if (rule->has_to) {
		inet_ntop(AF_INET6, &rule->to.address, address, sizeof(address));
		sprintf(to, " to %s/%u", address, rule->to.bits);
	}
}

static bool same(const struct rule *a, const struct rule *b)
{
	for (unsigned i = 0; i < RULE_STRINGS; i++)
		if (!a->glob[i] != !b->glob[i] || (a->glob[i] && strcmp(a->glob[i], b->glob[i])))
			return false;
	return a->deny == b->deny && a->vendor == b->vendor && a->product == b->product &&
	       a->vendor_mask == b->vendor_mask && a->product_mask == b->product_mask &&
	       a->has_class == b->has_class && a->class == b->class && a->has_to == b->has_to &&
	       !a->key == !b->key && (!a->key || !strcmp(a->key, b->key)) &&
	       (a->key || (a->to.bits == b->to.bits &&
			   !memcmp(&a->to.address, &b->to.address, sizeof(a->to.address))));
}

/* A device that has just what the rule says, stars and all: it matches. */
static void judge_rule(const struct rule *rule)
{
	const struct peer_id who = { .address = rule->to.address, .key = rule->key };
	const char *const *glob = rule->glob;
	struct rule_facts facts = {
		.busid = glob[RULE_BUSID] ? glob[RULE_BUSID] : "1-1", .vendor = rule->vendor,
		.product = rule->product, .described = true,
		.serial = glob[RULE_SERIAL] ? glob[RULE_SERIAL] : "",
		.product_name = glob[RULE_PRODUCT] ? glob[RULE_PRODUCT] : "",
		.from = "pi", .server = glob[RULE_FROM] ? glob[RULE_FROM] : "pi:1", .to = &who,
	};
	bool mapped = !rule->key && IN6_IS_ADDR_V4MAPPED(&rule->to.address) && rule->to.bits < 96;

	rule_facts_add_class(&facts, rule->class);
	HOLDS(rule_match(rule, &facts) == (mapped ? RULE_DIFFERS : RULE_MATCHES));
	facts.to = NULL;
	HOLDS(rule_match(rule, &facts) ==
	      (rule->has_to && rule->deny ? RULE_DIFFERS : RULE_MATCHES));
	facts.serial = facts.product_name = NULL;
	HOLDS(rule->deny || rule_match(rule, &facts) ==
	      (glob[RULE_SERIAL] || glob[RULE_PRODUCT] ? RULE_NEEDS_MORE : RULE_MATCHES));
	facts.serial = "";
	facts.vendor ^= 0x100;
	HOLDS(!rule->vendor_mask || rule_match(rule, &facts) == RULE_DIFFERS);
}

static void see_line(const char *line, enum rule_role role)
{
	char text[LINE_SIZE + 1], again[LINE_SIZE + 1], anew[2 * LINE_SIZE + 200], *exact;
	struct rule rule, second;
	const char *fault, *other, *word, *its_word;

	exact = strdup(line);
	HOLDS(exact);
	strcpy(again, line);
	strcpy(text, line);
	fault = rule_parse(&rule, exact, role, &word);
	other = rule_parse(&second, again, role, &its_word);
	HOLDS(fault == other && !word == !its_word);
	HOLDS(word || !fault);
	if (fault) {
		HOLDS(*fault && !strcmp(word, its_word));
		HOLDS(strstr(text, word));
	} else if (word) {
		HOLDS(same(&rule, &second) && !rule.line);
		HOLDS(role == RULE_SERVER ? !rule.glob[RULE_FROM] : !rule.has_to);
		write_rule(anew, &rule);
		HOLDS(!rule_parse(&second, anew, role, &word) && word && same(&rule, &second));
		judge_rule(&rule);
		if (strlen(line) < 200)
			compare_matches(&rule);
		for (unsigned i = 0; i < RULE_STRINGS; i++)
			if (rule.glob[i]) {
				for (const char *c = rule.glob[i]; *c; c++)
					HOLDS((unsigned char)*c >= ' ' && *c != 0x7f);
				compare_globs(rule.glob[i], line);
				compare_globs(rule.glob[i], "aAb-1.2 Disk*");
				compare_globs(line, rule.glob[i]);
			}
	}
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size), *next;

	for (char *line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (strlen(line) >= LINE_SIZE)
			continue;
		see_line(line, RULE_SERVER);
		see_line(line, RULE_CLIENT);
	}
	free(text);
	return 0;
}
