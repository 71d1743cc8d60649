/* SPDX-License-Identifier: MIT */
/* One rule: parsed from a line of text, and matched against a device. Pure functions. */
#include "policy/rules.h"

#include "lib/str.h"
#include "proto/usb.h"

#include <string.h>

/* Those with a glob have the numbers of enum rule_string. */
enum condition { CONDITION_ID = RULE_STRINGS, CONDITION_CLASS, CONDITION_TO, CONDITIONS };

static const char condition_name[CONDITIONS][8] = {
	[RULE_BUSID] = "busid",	       [RULE_SERIAL] = "serial",
	[RULE_PRODUCT] = "product",    [RULE_FROM] = "from",
	[CONDITION_ID] = "id",	       [CONDITION_CLASS] = "class",
	[CONDITION_TO] = "to",
};

/* The next word; NULL: there is none but a comment. */
static const char *take_word(char **cursor)
{
	const char *word = str_word(cursor);

	return word && *word != '#' ? word : NULL;
}

/* Takes the value of a condition. Returns the fault, which is about the condition, or NULL. */
static const char *take_value(char **cursor, char **value)
{
	char *start = *cursor, *end;

	while (str_is_blank(*start))
		start++;
	if (*start == '"') {
		*value = start + 1;
		end = strchr(*value, '"');
		if (!end || (end[1] && !str_is_blank(end[1])))
			return "malformed quotes of";
		*cursor = end + 1;
		*end = '\0';
	} else if (*start == '#' || !(*value = str_word(cursor))) {
		return "no value of";
	}
	for (const char *c = *value; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return "control character in the value of";
	return NULL;
}

static bool parse_hex(const char *s, size_t digits, uint32_t *n)
{
	return strlen(s) <= digits && !str_hex(s, UINT16_MAX, n);
}

/* One half of VID:PID. */
static bool parse_id_half(const char *s, uint16_t *value, uint16_t *mask)
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
	good = parse_id_half(s, &rule->vendor, &rule->vendor_mask) &&
	       parse_id_half(colon + 1, &rule->product, &rule->product_mask);
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

/* Returns the fault of a value, NULL: none. */
static const char *parse_value(struct rule *rule, unsigned condition, char *value)
{
	switch (condition) {
	case CONDITION_ID:
		return parse_id(rule, value) ? NULL : "malformed id";
	case CONDITION_CLASS:
		return parse_class(rule, value) ? NULL : "unknown class";
	case CONDITION_TO:
		rule->has_to = true;
		return cidr_parse(&rule->to, value) ? NULL : "malformed address";
	default:
		rule->glob[condition] = value;
		return NULL;
	}
}

/* Parses the condition that begins with *word, which becomes the word that the returned fault is
 * about. seen has a bit for each condition of the line. */
static const char *parse_condition(struct rule *rule, char **cursor, enum rule_role role,
				   unsigned *seen, const char **word)
{
	unsigned condition = 0;
	const char *fault;
	char *value;

	while (condition < CONDITIONS && strcmp(condition_name[condition], *word) != 0)
		condition++;
	if (condition == CONDITIONS)
		return "unknown word";
	if (condition == RULE_FROM && role == RULE_SERVER)
		return "only a client has";
	if (condition == CONDITION_TO && role == RULE_CLIENT)
		return "only a server has";
	if (*seen & 1U << condition)
		return "more than one";
	*seen |= 1U << condition;
	fault = take_value(cursor, &value);
	if (fault)
		return fault;
	*word = value;
	if (condition != CONDITION_TO || strcmp(value, "key") != 0)
		return parse_value(rule, condition, value);
	fault = take_value(cursor, &value);
	rule->has_to = true;
	rule->key = value;
	return fault;
}

const char *rule_parse(struct rule *rule, char *line, enum rule_role role, const char **word)
{
	const char *fault = NULL, *next;
	unsigned seen = 0;

	memset(rule, 0, sizeof(*rule));
	*word = take_word(&line);
	if (!*word)
		return NULL;
	rule->deny = !strcmp(*word, "deny");
	if (!rule->deny && strcmp(*word, "allow") != 0)
		return "neither allow nor deny:";
	while (!fault && (next = take_word(&line))) {
		*word = next;
		if (strcmp(next, "steady") != 0)
			fault = parse_condition(rule, &line, role, &seen, word);
		else if (rule->deny || rule->steady)
			fault = rule->deny ? "deny has no" : "more than one";
		else
			rule->steady = true;
	}
	return fault;
}

static int ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool rule_glob(const char *glob, const char *text)
{
	/* behind the last '*', and where the text that follows it was last tried */
	const char *star = NULL, *from = NULL;

	while (*text) {
		if (*glob == '*') {
			star = ++glob;
			from = text;
		} else if (*glob == '?' || ascii_lower(*glob) == ascii_lower(*text)) {
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

static bool rule_includes_client(const struct rule *rule, const struct peer_id *client)
{
	if (!rule->has_to)
		return true;
	if (!client)
		return !rule->deny;
	if (rule->key)
		return client->key && rule_glob(rule->key, client->key);
	return cidr_contains(&rule->to, &client->address);
}

enum rule_match rule_match(const struct rule *rule, const struct rule_facts *facts)
{
	const char *const text[RULE_STRINGS] = { /* NULL: not known */
		[RULE_BUSID] = facts->busid,
		[RULE_SERIAL] = facts->serial,
		[RULE_PRODUCT] = facts->serial ? facts->product_name : NULL,
		[RULE_FROM] = facts->from,
	};
	enum rule_match match = RULE_MATCHES;

	if ((facts->vendor ^ rule->vendor) & rule->vendor_mask ||
	    (facts->product ^ rule->product) & rule->product_mask ||
	    !rule_includes_client(rule, facts->to))
		return RULE_DIFFERS;
	if (rule->has_class && !(facts->class[rule->class / 8] & 1 << rule->class % 8)) {
		if (facts->described)
			return RULE_DIFFERS;
		match = RULE_NEEDS_MORE;
	}
	for (unsigned i = 0; i < RULE_STRINGS; i++)
		if (rule->glob[i] && !text[i])
			match = RULE_NEEDS_MORE;
		else if (rule->glob[i] && !rule_glob(rule->glob[i], text[i]) &&
			 (i != RULE_FROM || !rule_glob(rule->glob[i], facts->server)))
			return RULE_DIFFERS;
	return match;
}
