/* SPDX-License-Identifier: MIT */
/* Rules: one line of text to a rule. Pure functions. */
#include "policy/rules.h"

#include "lib/str.h"
#include "proto/usb.h"

#include <errno.h>
#include <string.h>

/* Those with a glob have the numbers of enum rule_string. */
enum condition { CONDITION_ID = RULE_STRINGS, CONDITION_CLASS, CONDITION_TO, CONDITIONS };

static const char *const condition_name[CONDITIONS] = {
	[RULE_BUSID] = "busid",	       [RULE_SERIAL] = "serial",
	[RULE_PRODUCT] = "product",    [RULE_FROM] = "from",
	[CONDITION_ID] = "id",	       [CONDITION_CLASS] = "class",
	[CONDITION_TO] = "to",
};

static const char blanks[] = " \t\r\n";

/* Takes the value of a condition; NULL with fault->text, which is about the condition. */
static char *take_value(char **cursor, struct rule_fault *fault)
{
	char *value, *end;

	*cursor += strspn(*cursor, blanks);
	fault->text = "no value of";
	if (**cursor == '"') {
		value = *cursor + 1;
		end = strchr(value, '"');
		fault->text = "malformed quotes of";
		if (!end || !strchr(blanks, end[1])) /* or the end */
			return NULL;
		*cursor = end + 1;
		*end = '\0';
	} else if (**cursor == '#' || !(value = str_word(cursor))) {
		return NULL;
	}
	fault->text = "control character in the value of";
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return NULL;
	return value;
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
		return cidr_parse(&rule->to, value) ? NULL : "malformed address";
	default:
		rule->glob[condition] = value;
		return NULL;
	}
}

/* The rest of "to key NAME". */
static void parse_key(struct rule *rule, char **cursor, struct rule_fault *fault)
{
	char *value;

	fault->word = "key";
	value = take_value(cursor, fault);
	if (!value)
		return;
	rule->key = value;
	fault->text = NULL;
}

static unsigned find_condition(const char *word)
{
	unsigned condition = 0;

	while (condition < CONDITIONS && strcmp(condition_name[condition], word) != 0)
		condition++;
	return condition;
}

/* The condition that begins with fault->word. fault->text becomes NULL if it is good. seen has a
 * bit for each condition of the line. */
static void parse_condition(struct rule *rule, char **cursor, enum rule_role role,
			    unsigned *seen, struct rule_fault *fault)
{
	unsigned condition = find_condition(fault->word);
	char *value;

	fault->text = "unknown word";
	if (condition == CONDITIONS)
		return;
	fault->text = condition == RULE_FROM ? "only a client has" : "only a server has";
	if (condition == (role == RULE_SERVER ? (unsigned)RULE_FROM : CONDITION_TO))
		return;
	fault->text = "more than one";
	if (*seen & 1U << condition)
		return;
	*seen |= 1U << condition;
	value = take_value(cursor, fault);
	if (!value)
		return;
	fault->word = value;
	rule->has_to = rule->has_to || condition == CONDITION_TO;
	if (condition == CONDITION_TO && !strcmp(value, "key"))
		parse_key(rule, cursor, fault);
	else
		fault->text = parse_value(rule, condition, value);
}

/* The next word, which a fault is about from then on; NULL: there is none but a comment. */
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
	fault->text = NULL;
	if (!rule->deny && strcmp(fault->word, "allow") != 0)
		fault->text = "neither allow nor deny:";
	while (!fault->text && take_word(&line, fault))
		parse_condition(rule, &line, role, &seen, fault);
	return fault->text ? -EINVAL : 1;
}
