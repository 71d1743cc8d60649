/* SPDX-License-Identifier: MIT */
/* Which devices are attached and detached: the client's decisions, pure functions. */
#include "client/decide.h"

enum attach_verdict decide_attach(const struct attach_facts *facts)
{
	if (!facts->listed || facts->denied || facts->elsewhere || facts->backoff)
		return ATTACH_NOT;
	if (!facts->speed || facts->speed > VHCI_SPEED_SUPER_PLUS)
		return ATTACH_NO_SPEED;
	return facts->port_free ? ATTACH_NOW : ATTACH_NO_PORT;
}

enum port_verdict decide_port(const struct port_facts *facts)
{
	if (facts->state <= VHCI_FREE || facts->other_device)
		return PORT_GONE;
	if (facts->unanswered >= CLIENT_ANSWER_MS)
		return PORT_UNANSWERED;
	if (facts->state == VHCI_ERROR || facts->closed_for >= CLIENT_TEARDOWN_MS)
		return PORT_DETACH;
	return PORT_KEEP;
}
