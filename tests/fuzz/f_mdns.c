/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: the answers of multicast DNS. The parser reads no byte behind the message and comes
 * to an end, and every name that it has read can be printed and asked for.
 */
#include "lib/mdns.h"
#include "tests/fuzz/fuzz.h"

static void name_is_sane(const struct mdns_name *name)
{
	struct mdns_query query;
	char text[MDNS_NAME_MAX];

	HOLDS(name->len && !name->bytes[name->len - 1]);
	HOLDS(mdns_name_equal(name, name));
	mdns_name_text(name, true, text);
	HOLDS(strlen(text) == name->bytes[0]);
	mdns_name_text(name, false, text);
	HOLDS(strlen(text) == (name->len > 1 ? name->len - 2U : 0));
	mdns_query_begin(&query);
	mdns_query_add(&query, name, MDNS_SRV);
	HOLDS(query.len == 12U + name->len + 4 && query.bytes[5] == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mdns_answer answer;
	struct mdns_record record;
	unsigned records = 0;

	if (!mdns_answer_begin(&answer, data, size))
		return 0;
	for (; mdns_answer_next(&answer, &record); records++) {
		HOLDS(records < MDNS_RECORDS_MAX);
		name_is_sane(&record.name);
		if (record.type == MDNS_PTR || record.type == MDNS_SRV)
			name_is_sane(&record.target);
		else
			HOLDS(record.address >= data && record.address + 4 <= data + size);
	}
	HOLDS(!mdns_answer_next(&answer, &record));
	return 0;
}
