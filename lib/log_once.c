/* SPDX-License-Identifier: MIT */
/* Log lines about a condition that lasts: logged when it begins or changes, not in every pass. */
#include "lib/log.h"

#include "lib/str.h"

#include <stdlib.h>

enum { TEXT_SIZE = 1024 };

bool log_once(struct log_once *once, enum log_level level, int error, const char *format, ...)
{
	uint32_t hash = STR_HASH ^ (uint32_t)level ^ (uint32_t)abs(error) << 3;
	char text[TEXT_SIZE];
	va_list args;

	va_start(args, format);
	str_vformat(text, sizeof(text), format, args);
	va_end(args);
	hash = str_hash(hash, text);
	hash += !hash; /* 0 means that nothing was logged */
	if (hash == once->last)
		return false;
	once->last = hash;
	if (level != LOG_LEVEL_DEBUG || log_verbose())
		log_line(level, error, "%s", text);
	return true;
}

bool log_once_active(const struct log_once *once)
{
	return once->last != 0;
}

void log_once_clear(struct log_once *once)
{
	once->last = 0;
}

bool log_once_add(struct log_once_set *set, uint32_t key)
{
	for (unsigned i = 0; i < LOG_ONCE_SET_MAX; i++)
		if (set->key[i] == key)
			return false;
	set->key[set->next++ % LOG_ONCE_SET_MAX] = key;
	return true;
}

void log_once_remove(struct log_once_set *set, uint32_t key)
{
	for (unsigned i = 0; i < LOG_ONCE_SET_MAX; i++)
		if (set->key[i] == key)
			set->key[i] = 0;
}
