/* SPDX-License-Identifier: MIT */
/* Rules: all of them, from options and a file, and their verdict. */
#include "policy/rules.h"

#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>

enum { PLACE_SIZE = 512 };

/* The place of a rule, for a message: "--rule 2", "/etc/usbiphp/rules:7". */
static void rule_place(const struct rules *rules, const struct rule *rule, char *buf, size_t size)
{
	if (rule->line)
		str_format(buf, size, "%s:%u", rules->file, (unsigned)rule->line);
	else
		str_format(buf, size, "--rule %u", (unsigned)(rule - rules->rule) + 1);
}

/* One line of the file, or with line 0 an option. */
static bool rules_add(struct rules *rules, enum rule_role role, char *text, unsigned line)
{
	struct rule *rule = &rules->rule[rules->count];
	const char *word, *fault = rule_parse(rule, text, role, &word);
	char place[PLACE_SIZE];

	rule->line = line;
	if (!word && line)
		return true;
	if (word && !fault && rules->count++ < RULES_MAX)
		return true;
	rule_place(rules, rule, place, sizeof(place));
	if (!word)
		log_warning("%s: no rule", place);
	else if (fault)
		log_warning(*word ? "%s: %s '%s'" : "%s: %s", place, fault, word);
	else
		log_warning("%s: more than %u rules", place, RULES_MAX);
	return false;
}

/* Whether a text of that length fits behind the others; if not, that is logged. */
static bool rules_have_room(const struct rules *rules, const char *name, size_t len)
{
	if (rules->len + len <= RULES_TEXT_SIZE)
		return true;
	log_warning("%s: more than %u bytes of rules", name, RULES_TEXT_SIZE);
	return false;
}

static bool rules_add_option(struct rules *rules, enum rule_role role, const char *option)
{
	char *text = rules->text + rules->len;
	size_t len = strlen(option);

	if (!rules_have_room(rules, "--rule", len))
		return false;
	memcpy(text, option, len + 1);
	rules->len += len + 1;
	return rules_add(rules, role, text, 0);
}

static bool rules_add_file(struct rules *rules, enum rule_role role)
{
	char *text = rules->text + rules->len, *end, *next;
	ssize_t n = file_load(AT_FDCWD, rules->file, 0, text, sizeof(rules->text) - rules->len);

	if (n < 0) {
		log_warning_errno((int)n, "cannot read %s", rules->file);
		return false;
	}
	if (!rules_have_room(rules, rules->file, (size_t)n))
		return false;
	rules->len += (size_t)n + 1;
	end = text + n;
	for (unsigned line = 1; text < end; text = next + 1, line++) {
		next = strchrnul(text, '\n');
		if (!*next && next < end) {
			log_warning("%s:%u: NUL character", rules->file, line);
			return false;
		}
		*next = '\0';
		if (!rules_add(rules, role, text, line))
			return false;
	}
	return true;
}

/* The copied rules point into their own text. Memory that no rule needs is not touched. */
static void rules_copy(struct rules *to, const struct rules *from)
{
	memcpy(to, from, offsetof(struct rules, rule[from->count]));
	memcpy(to->text, from->text, from->len);
	for (unsigned i = 0; i < to->count; i++) {
		struct rule *rule = &to->rule[i];

		for (unsigned j = 0; j < RULE_STRINGS; j++)
			if (rule->glob[j])
				rule->glob[j] = to->text + (rule->glob[j] - from->text);
		if (rule->key)
			rule->key = to->text + (rule->key - from->text);
	}
}

bool rules_read(struct rules *rules, const struct rules_source *source)
{
	static struct rules trial;

	trial.count = 0;
	trial.len = 0;
	trial.file = source->file;
	for (unsigned i = 0; i < source->options; i++)
		if (!rules_add_option(&trial, source->role, source->option[i]))
			return false;
	if (source->file && !rules_add_file(&trial, source->role))
		return false;
	rules_copy(rules, &trial);
	return true;
}

void rule_facts_add_class(struct rule_facts *facts, uint8_t class)
{
	facts->class[class / 8] |= (uint8_t)(1 << class % 8);
}

void rule_facts_set_classes(struct rule_facts *facts, const struct op_device *device,
			    const struct op_interface *interface)
{
	memset(facts->class, 0, sizeof(facts->class));
	rule_facts_add_class(facts, device->class);
	for (unsigned i = 0; i < device->interfaces; i++)
		rule_facts_add_class(facts, interface[i].class);
}

enum rule_verdict rules_judge(const struct rules *rules, const struct rule_facts *facts,
			      struct reason *why)
{
	for (const struct rule *rule = rules->rule; rule < rules->rule + rules->count; rule++) {
		enum rule_match match = rule_match(rule, facts);
		size_t len;

		if (match == RULE_NEEDS_MORE)
			return RULE_UNKNOWN;
		if (match == RULE_MATCHES && !rule->deny)
			return RULE_ALLOW;
		if (match == RULE_DIFFERS)
			continue;
		len = str_format(why->text, sizeof(why->text), "denied by ");
		rule_place(rules, rule, why->text + len, sizeof(why->text) - len);
		return RULE_DENY;
	}
	return RULE_ALLOW;
}

bool rules_have_to(const struct rules *rules)
{
	for (const struct rule *rule = rules->rule; rule < rules->rule + rules->count; rule++)
		if (rule->has_to)
			return true;
	return false;
}

static bool glob_is_name(const char *glob)
{
	return glob && *glob && !strpbrk(glob, "*?");
}

/* The rule that allows a device; NULL: none does, or that is not known yet. */
static const struct rule *allowing_rule(const struct rules *rules, const struct rule_facts *facts)
{
	const struct rule *rule = rules->rule, *end = rule + rules->count;
	enum rule_match match = RULE_DIFFERS;

	for (; rule < end; rule++) {
		match = rule_match(rule, facts);
		if (match != RULE_DIFFERS)
			break;
	}
	return match == RULE_MATCHES && !rule->deny ? rule : NULL;
}

bool rules_name_device(const struct rules *rules, const struct rule_facts *facts)
{
	const struct rule *rule = allowing_rule(rules, facts);

	return rule &&
	       (glob_is_name(rule->glob[RULE_BUSID]) || glob_is_name(rule->glob[RULE_SERIAL]));
}

bool rules_are_steady(const struct rules *rules, const struct rule_facts *facts)
{
	const struct rule *rule = allowing_rule(rules, facts);

	return rule && rule->steady;
}

static bool rule_asks_for_device(const struct rule *rule)
{
	return rule->vendor_mask || rule->product_mask || rule->has_class ||
	       rule->glob[RULE_SERIAL] || rule->glob[RULE_PRODUCT];
}

/* A rule that denies something to certain clients does not deny it to all. */
static bool rule_may_match_at(const struct rule *rule, const char *busid)
{
	const char *glob = rule->glob[RULE_BUSID];

	return (!glob || rule_glob(glob, busid)) && !(rule->deny && rule->has_to);
}

bool rules_allow_place(const struct rules *rules, const char *busid, bool *named)
{
	const struct rule *rule = rules->rule, *end = rule + rules->count;

	while (rule < end && !rule_may_match_at(rule, busid))
		rule++;
	*named = rule < end && glob_is_name(rule->glob[RULE_BUSID]);
	return rule == end || (!rule->deny && !rule_asks_for_device(rule));
}

const char *rules_place(const struct rules *rules, unsigned i)
{
	const struct rule *rule = &rules->rule[i];
	const char *glob = rule->glob[RULE_BUSID];

	return !rule->deny && glob_is_name(glob) ? glob : NULL;
}
