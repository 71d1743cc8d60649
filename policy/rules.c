/* SPDX-License-Identifier: MIT */
/* Rules: which devices are exported, to whom, and which are attached. */
#include "policy/rules.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"
#include "policy/rule.h"

#include <fcntl.h>
#include <string.h>

enum { PLACE_SIZE = 512 };

void rule_place(const struct rules *rules, const struct rule *rule, char *buf, size_t size)
{
	if (rule->line)
		str_format(buf, size, "%s:%u", rules->file, (unsigned)rule->line);
	else
		str_format(buf, size, "--rule %u", (unsigned)(rule - rules->rule) + 1);
}

/* One line of the file, or with 0 an option. */
static bool add(struct rules *rules, enum rule_role role, char *text, unsigned line)
{
	struct rule_fault fault = { "no rule", "" };
	struct rule *rule = &rules->rule[rules->count];
	char place[PLACE_SIZE];
	int n = rule_parse(rule, text, role, &fault);

	rule->line = line;
	if (!n && line)
		return true;
	if (n > 0) {
		if (rules->count++ < RULES_MAX)
			return true;
		fault = (struct rule_fault){ "more than 1000 rules", "" };
	}
	rule_place(rules, rule, place, sizeof(place));
	log_warning(*fault.word ? "%s: %s '%s'" : "%s: %s", place, fault.what, fault.word);
	return false;
}

/* A copy in the text of the rules, terminated; NULL after a line in the log. */
static char *put(struct rules *rules, const char *name, const char *from, size_t len)
{
	char *text = rules->text + rules->len;

	if (rules->len + len > RULES_TEXT_SIZE) {
		log_warning("%s: more than 65536 bytes of rules", name);
		return NULL;
	}
	memcpy(text, from, len);
	text[len] = '\0';
	rules->len += len + 1;
	return text;
}

static bool add_lines(struct rules *rules, enum rule_role role, char *text, const char *end)
{
	for (unsigned line = 1; text < end; line++) {
		char *next = strchrnul(text, '\n');

		if (!*next && next < end) {
			log_warning("%s:%u: NUL character", rules->file, line);
			return false;
		}
		*next = '\0';
		if (!add(rules, role, text, line))
			return false;
		text = next + 1;
	}
	return true;
}

/* All of them, file being what is in the file, if there is one. */
static bool fill(struct rules *rules, const struct rules_source *source, const char *file,
		 size_t len)
{
	char *text;

	rules->count = 0;
	rules->len = 0;
	rules->file = source->file;
	for (unsigned i = 0; i < source->options; i++) {
		text = put(rules, "--rule", source->option[i], strlen(source->option[i]));
		if (!text || !add(rules, source->role, text, 0))
			return false;
	}
	if (!source->file)
		return true;
	text = put(rules, source->file, file, len);
	return text && add_lines(rules, source->role, text, text + len);
}

bool rules_read(struct rules *rules, const struct rules_source *source)
{
	static char file[RULES_TEXT_SIZE + 2]; /* more than fits, to see that it is more */
	static struct rules trial;
	ssize_t len = 0;

	if (source->file)
		len = file_load(AT_FDCWD, source->file, 0, file, sizeof(file));
	if (len < 0) {
		log_warning_errno((int)len, "cannot read %s", source->file);
		return false;
	}
	return fill(&trial, source, file, (size_t)len) && fill(rules, source, file, (size_t)len);
}

void rule_facts_add_classes(struct rule_facts *facts, const struct op_device *device,
			const struct op_interface *interface)
{
	memset(facts->class, 0, sizeof(facts->class));
	rule_facts_add_class(facts, device->class);
	for (unsigned i = 0; i < device->interfaces; i++)
		rule_facts_add_class(facts, interface[i].class);
}

void rule_facts_add_class(struct rule_facts *facts, uint8_t class)
{
	facts->class[class / 8] |= (uint8_t)(1 << class % 8);
}

enum rule_verdict rules_judge(const struct rules *rules, const struct rule_facts *facts,
			      const struct rule **which)
{
	const struct rule *rule = rules->rule;

	for (unsigned i = 0; i < rules->count; i++, rule++) {
		enum rule_match match = rule_match(rule, facts);

		if (match == RULE_DIFFERS)
			continue;
		*which = rule;
		if (match == RULE_NEEDS_MORE)
			return RULE_UNKNOWN;
		return rule->deny ? RULE_DENY : RULE_ALLOW;
	}
	*which = NULL;
	return RULE_ALLOW;
}

bool rules_have_to(const struct rules *rules)
{
	for (unsigned i = 0; i < rules->count; i++)
		if (rules->rule[i].has_to)
			return true;
	return false;
}
