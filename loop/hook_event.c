/* SPDX-License-Identifier: MIT */
/* An event as hooks get it: facts about a device as environment variables. */
#include "loop/hook_event.h"

#include "lib/str.h"
#include "lib/util.h"
#include "policy/name.h"

#include <string.h>

#define PREFIX "USBIPHP_"
#define EVENT_VARIABLE PREFIX "EVENT="

enum { VARIABLE_ROOM_MIN = 32 /* no variable begins where less is left */ };

/* The event comes first, the values that may be long come last. */
void hook_event_make(struct hook_event *event, const struct hook_facts *facts)
{
	char id[10], name[DEVICE_NAME_SIZE], port[11];
	const struct {
		const char *name, *value;
	} variable[HOOK_VARIABLES_MAX] = {
		{ "EVENT", facts->event },
		{ "BUSID", facts->busid },
		{ "ID", facts->busid ? id : NULL },
		{ "NAME", facts->busid ? name : NULL },
		{ "PORT", facts->port < 0 ? NULL : port },
		{ "DEVICE", facts->device },
		{ "SERVER", facts->server },
		{ "REASON", facts->reason },
	};

	str_format(id, sizeof(id), "%04x:%04x", facts->vendor, facts->product);
	name_of_place(name, sizeof(name), facts->vendor, facts->product, facts->host,
		      facts->busid ? facts->busid : "");
	str_format(port, sizeof(port), "%d", facts->port);
	event->len = 0;
	for (size_t i = 0; i < ARRAY_SIZE(variable); i++) {
		char *text = event->text + event->len;
		size_t room = sizeof(event->text) - event->len;

		if (!variable[i].value || room < VARIABLE_ROOM_MIN)
			continue;
		event->len += str_format(text, room, PREFIX "%s=%s", variable[i].name,
					 variable[i].value) + 1;
		str_printable(text);
	}
}

bool hook_event_is_valid(const struct hook_event *event)
{
	const char *text = event->text, *end = text + event->len;
	unsigned n = 0;

	if (!event->len || end[-1] || strncmp(text, EVENT_VARIABLE, strlen(EVENT_VARIABLE)) != 0)
		return false;
	for (; text < end && !strncmp(text, PREFIX, strlen(PREFIX)); text += strlen(text) + 1)
		n++;
	return text == end && n <= HOOK_VARIABLES_MAX;
}

char **hook_event_variables(struct hook_event *event, char **variable)
{
	for (char *text = event->text; text < event->text + event->len; text += strlen(text) + 1)
		*variable++ = text;
	return variable;
}

char *hook_event_name(struct hook_event *event)
{
	return event->text + strlen(EVENT_VARIABLE);
}
