/* SPDX-License-Identifier: MIT */
/* Log lines about a condition that lasts. */
#include "lib/log_once.h"

#include "lib/str.h"

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

bool log_once_clear(struct log_once *once)
{
	bool logged = once->last != 0;

	once->last = 0;
	return logged;
}
