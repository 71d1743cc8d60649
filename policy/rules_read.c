/* SPDX-License-Identifier: MIT */
/* Rules: all of them, from options and a file. */
#include "policy/rules.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"

#include <fcntl.h>
#include <string.h>

enum { PLACE_SIZE = 512 };

/* One line of the file, or with line 0 an option. */
static bool rules_add(struct rules *rules, enum rule_role role, char *text, unsigned line)
{
	struct rule_fault fault = { "no rule", "" };
	struct rule *rule = &rules->rule[rules->count];
	char place[PLACE_SIZE];
	int n = rule_parse(rule, text, role, &fault);

	rule->line = line;
	if (!n && line)
		return true;
	if (n > 0 && rules->count++ < RULES_MAX)
		return true;
	rule_place(rules, rule, place, sizeof(place));
	if (n > 0)
		log_warning("%s: more than %u rules", place, RULES_MAX);
	else
		log_warning(*fault.word ? "%s: %s '%s'" : "%s: %s", place, fault.text, fault.word);
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
