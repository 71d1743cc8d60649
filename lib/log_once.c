/* SPDX-License-Identifier: MIT */
/* Log lines about a condition that lasts: logged when it begins or changes. */
#include "lib/log_once.h"

#include "lib/str.h"

#include <assert.h>

enum { TEXT_SIZE = 1024 };

bool log_once(struct log_once *once, enum log_level level, int error, const char *format, ...)
{
	char text[TEXT_SIZE], head[32];
	uint32_t hash;
	va_list args;

	va_start(args, format);
	str_vformat(text, sizeof(text), format, args);
	va_end(args);
	str_format(head, sizeof(head), "%d %d ", (int)level, error < 0 ? -error : error);
	hash = str_hash(str_hash(STR_HASH, head), text);
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

bool log_once_clear(struct log_once *once)
{
	bool logged = log_once_active(once);

	once->last = 0;
	return logged;
}

static uint32_t *log_once_find(struct log_once_set *set, uint32_t key)
{
	assert(key);
	for (size_t i = 0; i < LOG_ONCE_SET_MAX; i++)
		if (set->key[i] == key)
			return &set->key[i];
	return NULL;
}

void log_once_for(struct log_once_set *set, uint32_t key, enum log_level level, int error,
		  const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list args;

	if (log_once_find(set, key))
		return;
	set->key[set->next++ % LOG_ONCE_SET_MAX] = key;
	va_start(args, format);
	str_vformat(text, sizeof(text), format, args);
	va_end(args);
	log_line(level, error, "%s", text);
}

void log_once_clear_for(struct log_once_set *set, uint32_t key)
{
	uint32_t *place = log_once_find(set, key);

	if (place)
		*place = 0;
}
