/* SPDX-License-Identifier: MIT */
/*
 * proto/endpoint: any text of every length up to SHORT, and of LONGEST, which is longer than any
 * name may be (one that ends earlier is among them); any default port.
 * SOURCES: proto/endpoint.c proto/text.c
 * EVA: -eva-precision 1 -eva-plevel 1000 -eva-split-limit 1000 -eva-split-return-function number:0,text_decimal:0
 * EVA: -eva-slevel-function prove_endpoint_parse:1000,prove_endpoint_parse_ssh:1000,parsed:100,endpoint_parse:3000,endpoint_is_address:1000,number:50,text_decimal:50,text_vformat:500,put_number:100
 * EVA: -eva-slevel-merge-after-loop endpoint_parse
 */
#include "proto/endpoint.h"

#include "prove/prove.h"

enum { SHORT = 24, LONGEST = ENDPOINT_NAME_SIZE + 15 };

static char block[LONGEST + 1];
static char port[ENDPOINT_PORT_SIZE + 10];
static struct endpoint e;

static void parsed(size_t len)
{
	const char *fault;

	any_bytes(block, LONGEST);
	block[LONGEST] = '\0';
	fault = endpoint_parse(&e, block + LONGEST - len, any_string(port, sizeof(port)));
	/*@ assert fault: fault == \null || (\valid_read(fault) && fault[0] != 0); */
}

void prove_endpoint_parse(void)
{
	size_t len = any_size(0, SHORT);

	/*@ split len; */
	parsed(len);
	END();
}

void prove_endpoint_parse_long(void)
{
	parsed(LONGEST);
	END();
}

/* The same behind ssh://. */
void prove_endpoint_parse_ssh(void)
{
	static const char scheme[] = ENDPOINT_SCHEME;
	size_t len = any_size(sizeof(scheme) - 1, SHORT);
	const char *fault;

	/*@ split len; */
	any_bytes(block, LONGEST);
	block[LONGEST] = '\0';
	for (size_t i = 0; i < sizeof(scheme) - 1; i++)
		block[LONGEST - len + i] = scheme[i];
	fault = endpoint_parse(&e, block + LONGEST - len, any_string(port, sizeof(port)));
	/*@ assert fault: fault == \null || (\valid_read(fault) && fault[0] != 0); */
	END();
}

/* What it leaves is strings, and what is said of them needs no more. */
void prove_endpoint_is_address(void)
{
	bool is;

	any_bytes(&e, sizeof(e));
	e.host[ENDPOINT_HOST_SIZE - 1] = '\0';
	is = endpoint_is_address(&e);
	/*@ assert result: is == 0 || is == 1; */
	END();
}
