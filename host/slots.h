/* SPDX-License-Identifier: MIT */
/* The bus ids that usbip-host can hold: few, and not all come back. */
#ifndef HOST_SLOTS_H
#define HOST_SLOTS_H

#include "host/export.h"

/* Whether there is room for it; if not, its driver need not be disturbed. That is said. */
bool slots_have_room(struct exports *exports, struct export *export);
/* After a binding: says when they are nearly used up. *said is what was said last, at first 0. */
void slots_look(const struct sysfs *sysfs, int *said);

#endif
