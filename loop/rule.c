/* SPDX-License-Identifier: MIT */
/* One rule: its text to a value, and whether it matches. */
#include "loop/rule.h"

#include "proto/op.h"
#include "proto/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum { MAPPED_BITS = 96 }; /* ::ffff:0:0/96 are the IPv4 addresses */

/* Those with a glob first, in their order in struct rule. */
enum { FROM = RULE_GLOBS - 1, ID, CLASS, TO, CONDITIONS };

static const char condition[CONDITIONS][8] = { "busid", "serial", "product", "from",
					       "id",	"class",  "to" };

/* Also the end. */
static bool is_blank(char c)
{
	return strchr(" \t\r\n", c);
}

/* The value of a condition; NULL with fault->what, which is about the condition. */
static char *value_of(char **cursor, struct rule_fault *fault)
{
	char *value, *end;

	while (**cursor && is_blank(**cursor))
		++*cursor;
	fault->what = "no value of";
	if (**cursor == '"') {
		value = *cursor + 1;
		end = strchr(value, '"');
		fault->what = "unclosed quote of";
		if (!end)
			return NULL;
		fault->what = "no blank behind the quotes of";
		if (!is_blank(end[1]))
			return NULL;
		*cursor = end + 1;
		*end = '\0';
	} else if (**cursor == '#' || !(value = text_word(cursor))) {
		return NULL;
	}
	fault->what = "control character in the value of";
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return NULL;
	return value;
}

static bool parse_hex(const char *s, size_t digits, uint32_t *n)
{
	return strlen(s) <= digits && !text_hex(s, UINT16_MAX, n);
}

static bool parse_half(const char *s, uint16_t *value, uint16_t *mask)
{
	uint32_t n = 0;

	*mask = strcmp(s, "*") ? UINT16_MAX : 0;
	if (*mask && !parse_hex(s, 4, &n))
		return false;
	*value = (uint16_t)n;
	return true;
}

static bool parse_id(struct rule *rule, char *s)
{
	char *colon = strchr(s, ':');

	if (!colon)
		return false;
	*colon = '\0';
	return parse_half(s, &rule->vendor, &rule->vendor_mask) &&
	       parse_half(colon + 1, &rule->product, &rule->product_mask);
}

static bool parse_class(struct rule *rule, const char *s)
{
	int code = op_class_code(s);
	uint32_t n = (uint32_t)code;

	if (code < 0 && !parse_hex(s, 2, &n))
		return false;
	rule->has_class = true;
	rule->class = (uint8_t)n;
	return true;
}

static bool parse_to(struct rule *rule, char *s)
{
	char *slash = strchr(s, '/');
	uint32_t skip = MAPPED_BITS, bits;

	if (slash)
		*slash = '\0';
	rule->has_to = true;
	rule->to.s6_addr[10] = rule->to.s6_addr[11] = 0xff;
	if (inet_pton(AF_INET, s, &rule->to.s6_addr[12]) != 1) {
		skip = 0;
		if (inet_pton(AF_INET6, s, &rule->to) != 1)
			return false;
	}
	bits = 128 - skip;
	if (slash && text_decimal(slash + 1, bits, &bits))
		return false;
	rule->to_bits = (uint8_t)(skip + bits);
	return true;
}

/* What is wrong with a value, which may then be cut. */
static const char *parse_value(struct rule *rule, unsigned which, char *value)
{
	switch (which) {
	case ID:
		return parse_id(rule, value) ? NULL : "malformed id";
	case CLASS:
		return parse_class(rule, value) ? NULL : "unknown class";
	case TO:
		return parse_to(rule, value) ? NULL : "malformed address";
	default:
		rule->glob[which] = value;
		return NULL;
	}
}

static void mean(struct rule_fault *fault, const char *word)
{
	text_format(fault->word, sizeof(fault->word), "%s", word);
}

/* A word and what belongs to it; fault->what is NULL when it is good. */
static void parse_condition(struct rule *rule, char *word, char **cursor, enum rule_role role,
			    unsigned *seen, struct rule_fault *fault)
{
	unsigned which = 0;
	char *value;

	mean(fault, word);
	while (which < CONDITIONS && strcmp(condition[which], word) != 0)
		which++;
	fault->what = "unknown word";
	if (which == CONDITIONS)
		return;
	fault->what = which == FROM ? "only a client has" : "only a server has";
	if (which == (role == RULE_SERVER ? FROM : TO))
		return;
	fault->what = "more than one";
	if (*seen & 1U << which)
		return;
	*seen |= 1U << which;
	value = value_of(cursor, fault);
	if (!value)
		return;
	mean(fault, value);
	fault->what = parse_value(rule, which, value);
}

int rule_parse(struct rule *rule, char *line, enum rule_role role, struct rule_fault *fault)
{
	char *word = text_word(&line);
	unsigned seen = 0;

	memset(rule, 0, sizeof(*rule));
	if (!word || *word == '#')
		return 0;
	mean(fault, word);
	fault->what = "neither allow nor deny:";
	rule->deny = !strcmp(word, "deny");
	if (rule->deny || !strcmp(word, "allow"))
		fault->what = NULL;
	while (!fault->what && (word = text_word(&line)) && *word != '#')
		parse_condition(rule, word, &line, role, &seen, fault);
	return fault->what ? -EINVAL : 1;
}

static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool rule_glob(const char *glob, const char *text)
{
	const char *star = NULL, *from = NULL; /* the last *, and where what follows it was tried */

	while (*text) {
		if (*glob == '*') {
			star = ++glob;
			from = text;
		} else if (*glob == '?' || lower(*glob) == lower(*text)) {
			glob++;
			text++;
		} else if (star) {
			glob = star;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}

/* Whether that is an IPv4 address: RFC 4291 2.5.5.2. */
static bool is_mapped(const struct in6_addr *a)
{
	static const uint8_t prefix[MAPPED_BITS / 8] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(a, prefix, sizeof(prefix));
}

static bool reaches(const struct rule *rule, const struct in6_addr *to)
{
	if (!rule->has_to)
		return true;
	if (!to)
		return !rule->deny;
	for (unsigned i = 0; i < rule->to_bits; i++)
		if ((rule->to.s6_addr[i / 8] ^ to->s6_addr[i / 8]) & 0x80 >> i % 8)
			return false;
	return rule->to_bits >= MAPPED_BITS || !is_mapped(to);
}

enum rule_match rule_match(const struct rule *rule, const struct rule_facts *facts)
{
	const char *text[RULE_GLOBS] = { facts->busid, facts->serial,
					 facts->serial ? facts->name : NULL, facts->from };
	enum rule_match match = RULE_MATCHES;

	if ((facts->vendor ^ rule->vendor) & rule->vendor_mask ||
	    (facts->product ^ rule->product) & rule->product_mask || !reaches(rule, facts->to))
		return RULE_DIFFERS;
	if (rule->has_class && !(facts->class[rule->class / 8] & 1 << rule->class % 8)) {
		if (facts->described)
			return RULE_DIFFERS;
		match = RULE_NEEDS_MORE;
	}
	for (unsigned i = 0; i < RULE_GLOBS; i++) {
		if (!rule->glob[i])
			continue;
		if (!text[i])
			match = RULE_NEEDS_MORE;
		else if (!rule_glob(rule->glob[i], text[i]))
			return RULE_DIFFERS;
	}
	return match;
}
