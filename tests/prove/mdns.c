/* SPDX-License-Identifier: MIT */
/*
 * lib/mdns: any text of up to TEXT bytes as a name, which is asked for. The answers are fuzzed.
 * SOURCES: lib/mdns.c
 * EVA: -eva-precision 2 -eva-slevel 10000 -eva-split-limit 10000 -eva-split-return full
 */
#include "lib/mdns.h"

#include "tests/prove/prove.h"

enum { TEXT = 8 };

static char block[TEXT + 1];
static struct mdns_name name;
static struct mdns_query query;

/* Frama-C's contract does not tell that the result is inside the string. */
size_t strcspn(const char *s, const char *reject)
{
	size_t len = 0;

	/*@ loop unroll TEXT + 1; */
	while (s[len] && s[len] != reject[0])
		len++;
	return len;
}

void prove_mdns_name(void)
{
	size_t len = any_size(0, TEXT);

	any_bytes(block, TEXT);
	block[TEXT] = '\0';
	/*@ split len; */
	if (mdns_name_parse(&name, block + TEXT - len)) {
		/*@ assert length: 3 <= name.len <= TEXT + 2; */
		mdns_query_begin(&query);
		mdns_query_add(&query, &name, MDNS_A);
		/*@ assert room: query.len <= MDNS_QUERY_MAX; */
	}
	END();
}
