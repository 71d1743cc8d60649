/* SPDX-License-Identifier: MIT */
/* One rule: its text to a value, and whether it matches. Pure functions; see policy/rules.h. */
#ifndef POLICY_RULE_H
#define POLICY_RULE_H

#include "policy/rules.h"

/* What is wrong with a line: "unknown class", and the word that is meant, which stands in it. */
struct rule_fault {
	const char *what;
	const char *word;
};

/*
 * Parses one line, without its newline, in place: the rule points into it. 1; 0 when it is blank or
 * a comment; -EINVAL with *fault. Only after 1 the rule has a meaning. rule->line is 0.
 */
int rule_parse(struct rule *rule, char *line, enum rule_role role, struct rule_fault *fault);

enum rule_match { RULE_DIFFERS, RULE_MATCHES, RULE_NEEDS_MORE };

/*
 * Whether all its conditions hold. RULE_NEEDS_MORE: all that can be known do, and one on strings or
 * class cannot. "to" counts as unmet by a rule that denies and as met by one that allows while
 * nobody asks: somebody may.
 */
enum rule_match rule_match(const struct rule *rule, const struct rule_facts *facts);

/* Whether text is like glob; takes at most their lengths' product of steps. */
bool rule_glob(const char *glob, const char *text);

#endif
