/* SPDX-License-Identifier: MIT */
/* Which engine has a device, and which one a further device gets. */
#include "host/engine.h"

#include "lib/str.h"
#include "lib/util.h"

#include <errno.h>
#include <string.h>

/* --engine auto takes the first of them that can be used and has room. */
static const struct engine *const order[] = { &engine_kernel, &engine_usbfs };

#define EACH_ENGINE(engine) for (size_t i = 0; i < ARRAY_SIZE(order) && (engine = order[i]); i++)

const struct engine *engine_find(const struct device *device)
{
	const struct engine *engine;

	EACH_ENGINE(engine)
		if (engine->has(device))
			return engine;
	return NULL;
}

/* Takes one of the places for devices that are not counted yet, unless there is none. */
static bool engine_is_full(const struct engine *engine, const struct sysfs *sysfs,
			   const char *busid, unsigned *coming)
{
	unsigned room = engine->room ? engine->room(sysfs, busid) : ENGINE_ROOM_ANY;

	if (room <= *coming)
		return true;
	*coming += room != ENGINE_ROOM_ANY;
	return false;
}

void engine_choose(const struct engines *engines, const struct sysfs *sysfs, const char *busid,
		   unsigned *coming, struct engine_choice *choice)
{
	const struct engine *engine;

	memset(choice, 0, sizeof(*choice));
	EACH_ENGINE(engine) {
		const char *why = "is not loaded", *more = "";
		int error;

		if (engines->only && engines->only != engine)
			continue;
		error = engine->check(sysfs);
		if (error_is_resource(error) || (error == -ENOENT && engines->loads == engine))
			error = 0;
		if (!error && engine_is_full(engine, sysfs, busid, coming)) {
			error = -ENOSPC;
			why = engine->full;
		} else if (error && error != -ENOENT) {
			why = "cannot be used: ";
			more = strerror(-error);
		}
		if (error && choice->engine)
			continue;
		if (error)
			str_format(choice->why.text, sizeof(choice->why.text), "%s %s%s",
				   engine->name, why, more);
		choice->engine = engine;
		choice->error = error;
		if (!error)
			return;
	}
}
