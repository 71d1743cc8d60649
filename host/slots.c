/* SPDX-License-Identifier: MIT */
/* The bus ids that usbip-host can hold. */
#include "host/slots.h"

#include "lib/log.h"

#include <errno.h>

enum { NEARLY = STUB_SLOTS - 2 };

bool slots_have_room(struct exports *exports, struct export *export)
{
	unsigned binding = 0;
	bool held;
	int used = stub_slots(export->sysfs, export->device.busid, &held);

	if (used < 0 || held)
		return true;
	EACH_EXPORT(exports, i)
		binding += i->job == EXPORT_BINDING;
	if ((unsigned)used + binding < STUB_SLOTS)
		return true;
	if (!binding) /* else those that are under way come first, and there may be room */
		export_fail(export, EXPORT_BINDING, STUB_STEP_ADD, -ENOMEM);
	return false;
}

void slots_look(const struct sysfs *sysfs, int *said)
{
	bool held;
	int used = stub_slots(sysfs, "", &held);

	if (used >= NEARLY && used > *said)
		log_warning("usbip-host holds %u of at most %u bus ids, until the next boot",
			  (unsigned)used, STUB_SLOTS);
	*said = used;
}
