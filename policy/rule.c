/* SPDX-License-Identifier: MIT */
/* One rule: its text to a value, and whether it matches. */
#include "policy/rule.h"

#include "lib/str.h"
#include "proto/usb.h"

#include <errno.h>
#include <string.h>

/* Those with a glob first, in their order in struct rule. */
enum { SERIAL = 1, PRODUCT, FROM, ID, CLASS, TO, CONDITIONS };

static const char condition[CONDITIONS][8] = { "busid", "serial", "product", "from",
					       "id",	"class",  "to" };

static const char blanks[] = " \t\r\n";

/* The value of a condition; NULL with fault->what, which is about the condition. */
static char *value_of(char **cursor, struct rule_fault *fault)
{
	char *value, *end;

	*cursor += strspn(*cursor, blanks);
	fault->what = "no value of";
	if (**cursor == '"') {
		value = *cursor + 1;
		end = strchr(value, '"');
		fault->what = "malformed quotes of";
		if (!end || !strchr(blanks, end[1])) /* or the end */
			return NULL;
		*cursor = end + 1;
		*end = '\0';
	} else if (**cursor == '#' || !(value = str_word(cursor))) {
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
	return strlen(s) <= digits && !str_hex(s, UINT16_MAX, n);
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
	bool good;

	if (!colon)
		return false;
	*colon = '\0';
	good = parse_half(s, &rule->vendor, &rule->vendor_mask) &&
	       parse_half(colon + 1, &rule->product, &rule->product_mask);
	*colon = ':';
	return good;
}

static bool parse_class(struct rule *rule, const char *s)
{
	int code = usb_class_code(s);
	uint32_t n = (uint32_t)code;

	if (code < 0 && !parse_hex(s, 2, &n))
		return false;
	rule->has_class = true;
	rule->class = (uint8_t)n;
	return true;
}

/* What is wrong with a value. */
static const char *parse_value(struct rule *rule, unsigned which, char *value)
{
	switch (which) {
	case ID:
		return parse_id(rule, value) ? NULL : "malformed id";
	case CLASS:
		return parse_class(rule, value) ? NULL : "unknown class";
	case TO:
		rule->has_to = true;
		return cidr_parse(&rule->to, value) ? NULL : "malformed address";
	default:
		rule->glob[which] = value;
		return NULL;
	}
}

/* A word and what belongs to it; fault->what is NULL when it is good. */
static void parse_condition(struct rule *rule, char **cursor, enum rule_role role,
			    unsigned *seen, struct rule_fault *fault)
{
	unsigned which = 0;
	char *value;

	while (which < CONDITIONS && strcmp(condition[which], fault->word) != 0)
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
	fault->word = value;
	fault->what = parse_value(rule, which, value);
	if (which != TO || strcmp(value, "key") != 0)
		return;
	fault->word = "key";
	value = value_of(cursor, fault);
	if (!value)
		return;
	rule->key = value;
	fault->what = NULL;
}

/* The next word, which a fault is about then; NULL: none, but a comment. */
static const char *take_word(char **cursor, struct rule_fault *fault)
{
	const char *word = str_word(cursor);

	if (!word || *word == '#')
		return NULL;
	fault->word = word;
	return word;
}

int rule_parse(struct rule *rule, char *line, enum rule_role role, struct rule_fault *fault)
{
	unsigned seen = 0;

	memset(rule, 0, sizeof(*rule));
	if (!take_word(&line, fault))
		return 0;
	rule->deny = !strcmp(fault->word, "deny");
	fault->what = NULL;
	if (!rule->deny && strcmp(fault->word, "allow") != 0)
		fault->what = "neither allow nor deny:";
	while (!fault->what && take_word(&line, fault))
		parse_condition(rule, &line, role, &seen, fault);
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

static bool reaches(const struct rule *rule, const struct peer_id *to)
{
	if (!rule->has_to)
		return true;
	if (!to)
		return !rule->deny;
	if (rule->key)
		return to->key && rule_glob(rule->key, to->key);
	return cidr_contains(&rule->to, &to->address);
}

enum rule_match rule_match(const struct rule *rule, const struct rule_facts *facts)
{
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
		if (!facts->text[i == PRODUCT ? SERIAL : i]) /* both are known, or none */
			match = RULE_NEEDS_MORE;
		else if (!rule_glob(rule->glob[i], facts->text[i]) &&
			 (i != FROM || !rule_glob(rule->glob[i], facts->server)))
			return RULE_DIFFERS;
	}
	return match;
}
