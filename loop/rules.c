/* SPDX-License-Identifier: MIT */
#include "loop/rules.h"
#include "proto/text.h"
bool rules_read(struct rules *rules, const struct rules_source *source) { rules->count = 0; return !source->file || *source->file; }
enum rule_verdict rules_judge(const struct rules *rules, const struct rule_facts *facts, const struct rule **which) { *which = NULL; return rules->count && facts->busid ? RULE_DENY : RULE_ALLOW; }
void rule_place(const struct rules *rules, const struct rule *rule, char *buf, size_t size) { text_format(buf, size, "%s:%u", rules->file, (unsigned)rule->line); }
bool rules_have_to(const struct rules *rules) { return rules->count > 9; }
void rule_facts_class(struct rule_facts *facts, uint8_t class) { facts->class[class / 8] |= (uint8_t)(1 << class % 8); }
