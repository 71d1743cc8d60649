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

/* Copies a text, with a terminator, into the text of the rules; NULL after a line in the log. */
static char *rules_copy_text(struct rules *rules, const char *name, const char *from, size_t len)
{
	char *text = rules->text + rules->len;

	if (rules->len + len > RULES_TEXT_SIZE) {
		log_warning("%s: more than %u bytes of rules", name, RULES_TEXT_SIZE);
		return NULL;
	}
	memcpy(text, from, len);
	text[len] = '\0';
	rules->len += len + 1;
	return text;
}

static bool rules_add_lines(struct rules *rules, enum rule_role role, char *text, const char *end)
{
	for (unsigned line = 1; text < end; line++) {
		char *next = strchrnul(text, '\n');

		if (!*next && next < end) {
			log_warning("%s:%u: NUL character", rules->file, line);
			return false;
		}
		*next = '\0';
		if (!rules_add(rules, role, text, line))
			return false;
		text = next + 1;
	}
	return true;
}

/* All rules; file is the content of the source's file, if it has one. */
static bool rules_fill(struct rules *rules, const struct rules_source *source, const char *file,
		       size_t len)
{
	char *text;

	rules->count = 0;
	rules->len = 0;
	rules->file = source->file;
	for (unsigned i = 0; i < source->options; i++) {
		text = rules_copy_text(rules, "--rule", source->option[i],
				       strlen(source->option[i]));
		if (!text || !rules_add(rules, source->role, text, 0))
			return false;
	}
	if (!source->file)
		return true;
	text = rules_copy_text(rules, source->file, file, len);
	return text && rules_add_lines(rules, source->role, text, text + len);
}

bool rules_read(struct rules *rules, const struct rules_source *source)
{
	static char file[RULES_TEXT_SIZE + 2]; /* a byte more than fits, to notice a longer file */
	static struct rules trial;
	ssize_t len = 0;

	if (source->file)
		len = file_load(AT_FDCWD, source->file, 0, file, sizeof(file));
	if (len < 0) {
		log_warning_errno((int)len, "cannot read %s", source->file);
		return false;
	}
	return rules_fill(&trial, source, file, (size_t)len) &&
	       rules_fill(rules, source, file, (size_t)len);
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
	const struct rule *rule = rules->rule;

	for (unsigned i = 0; i < rules->count; i++, rule++) {
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
