/* SPDX-License-Identifier: MIT */
/* Whether a person wants a device to be taken: it is not held, and no rule denies it. */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "lib/str.h"
#include "policy/holds.h"
#include "policy/rules.h"

/* As rules_judge(); why is set with RULE_DENY. */
enum rule_verdict policy_judge(const struct rules *rules, const struct holds *held,
			     const struct rule_facts *facts, struct reason *why);

#endif
