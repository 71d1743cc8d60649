/* SPDX-License-Identifier: MIT */
/* Which imports are attached: holds and rules, and the decision. */
#include "client/decide.h"
#include "client/import.h"
#include "client/port_record.h"
#include "lib/log.h"

#include <assert.h>

const char import_no_port[] = "every port of vhci-hcd for its speed is in use";

enum rule_verdict import_check_policy(struct import *import)
{
	const struct import_context *context = import->context;
	enum rule_verdict verdict;
	struct reason why;

	if (!import->identified && (context->rules.count || context->holds.len))
		return RULE_UNKNOWN;
	verdict = policy_judge(&context->rules, &context->holds, &import->facts, &why);
	if (verdict == RULE_DENY)
		log_once(&import->denial, LOG_LEVEL_INFO, 0, "%s: left alone: %s",
			 import_name(import).text, why.text);
	else if (verdict == RULE_ALLOW)
		log_once_clear(&import->denial);
	return verdict;
}

/* Whether a port that is not ours has this device, as its record says. */
static bool import_is_elsewhere(const struct import *import)
{
	const struct import_context *context = import->context;

	for (unsigned i = 0; i < context->vhci.ports; i++)
		if (context->vhci.port[i].state > VHCI_FREE &&
		    record_matches(context->record_dir, i, import->endpoint->host,
				   import->endpoint->port, import->busid))
			return true;
	return false;
}

static void import_apply_verdict(struct import *import, enum attach_verdict verdict)
{
	switch (verdict) {
	case ATTACH_NOW:
		import_set_state(import, IMPORT_DUE);
		break;
	case ATTACH_NO_PORT:
		import_fail(import, IMPORT_FAILED, import_no_port);
		break;
	case ATTACH_NO_SPEED:
		import_fail(import, IMPORT_FAILED, "its server does not know its speed");
		break;
	case ATTACH_NOT:
		if (import->state == IMPORT_DUE)
			import_set_state(import, IMPORT_IDLE);
		break;
	}
}

void import_review(struct import *import)
{
	struct loop *loop = import->context->loop;
	struct attach_facts facts = {
		.listed = import->listed,
		.backoff = loop->now < import->flaps.backoff.until,
		.speed = import->speed,
	};

	assert(import_is_resting(import));
	if (facts.listed)
		facts.denied = import_check_policy(import) == RULE_DENY;
	if (facts.listed && facts.backoff) {
		loop_pass_by(loop, import->flaps.backoff.until);
	} else if (facts.listed) {
		facts.elsewhere = import_is_elsewhere(import);
		facts.port_free =
			vhci_free_port(&import->context->vhci, import->speed, NULL, 0) >= 0;
	}
	import_apply_verdict(import, decide_attach(&facts));
}

void import_enforce_policy(struct import *import)
{
	if (!import_has_port(import) || import->context->loop->stopping)
		return;
	switch (import_check_policy(import)) {
	case RULE_UNKNOWN:
		import_read_identity(import);
		break;
	case RULE_DENY:
		import_detach(import);
		break;
	case RULE_ALLOW:
		break;
	}
}
