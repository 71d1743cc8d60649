/* SPDX-License-Identifier: MIT */
/* Fuzz entry: endpoint_parse(). An accepted text is printable, and its name parses to the same endpoint. */
#include "lib/addr.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct endpoint e, again;
	const char *wrong = endpoint_parse(&e, text, "3240");

	HOLDS(!wrong || *wrong);
	if (!wrong) {
		unsigned long port = strtoul(e.port, NULL, 10);
		bool ssh = !strncmp(e.name, ENDPOINT_SCHEME, 6);

		HOLDS(memchr(e.host, 0, sizeof(e.host)) && e.host[0] && e.host[0] != '-');
		HOLDS((port >= 1 && port <= 65535 && e.port[0] != '0') ||
		      (ssh && !strcmp(e.port, ENDPOINT_SSH)));
		HOLDS(!strcmp(e.through, ssh ? "3240" : ""));
		for (const char *c = e.name + (ssh ? 6 : 0); *c; c++)
			HOLDS(*c > ' ' && *c <= '~' && *c != '/');
		HOLDS(strchr(e.host, '@') || strstr(e.name, e.host));
		HOLDS(strstr(e.name, e.port));
		HOLDS(!endpoint_parse(&again, e.name, "3240"));
		HOLDS(!strcmp(e.host, again.host) && !strcmp(e.port, again.port) &&
		      !strcmp(e.name, again.name));
		HOLDS(endpoint_is_address(&e) == endpoint_is_address(&again));
	}
	free(text);
	return 0;
}
