/* SPDX-License-Identifier: MIT */
/* Which devices are attached: the client's decisions, pure functions. */
#include "client/decide.h"

enum client_verdict client_judge(const struct client_facts *facts)
{
	if (!facts->listed || facts->attached || facts->elsewhere ||
	    facts->held_back || facts->unwanted)
		return CLIENT_LEAVE;
	if (!facts->speed || facts->speed > VHCI_SPEED_SUPER_PLUS)
		return CLIENT_NO_SPEED;
	return facts->port_free ? CLIENT_ATTACH : CLIENT_NO_PORT;
}

enum client_fate client_session_judge(const struct client_session *session)
{
	if (session->state <= VHCI_FREE || session->stranger)
		return CLIENT_GONE;
	if (session->unanswered >= CLIENT_ANSWER_MS)
		return CLIENT_UNANSWERED;
	if (session->state == VHCI_ERROR || session->ended_for >= CLIENT_TEARDOWN_MS)
		return CLIENT_DETACH;
	return CLIENT_KEEP;
}
