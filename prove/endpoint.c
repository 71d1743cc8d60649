/* SPDX-License-Identifier: MIT */
/*
 * proto/endpoint: any text of every length up to SHORT, and of LONGEST, which is longer than any
 * name may be (one that ends earlier is among them); any default port.
 * SOURCES: proto/endpoint.c proto/text.c
 * EVA: -eva-precision 1 -eva-plevel 1000 -eva-split-limit 1000 -eva-split-return-function number:0,text_decimal:0,strncmp:0
 * EVA: -eva-slevel-function prove_endpoint_parse:1000,prove_endpoint_parse_ssh:1000,parsed:100,endpoint_parse:3000,endpoint_is_address:1000,strncmp:50,strrchr:1000,number:50,text_decimal:50,text_vformat:500,put_number:100
 * EVA: -eva-slevel-merge-after-loop endpoint_parse -eva-interprocedural-splits
 */
#include "proto/endpoint.h"

#include "prove/prove.h"

#include <string.h>

enum { SHORT = 24, LONGEST = ENDPOINT_NAME_SIZE + 15 };

static char block[LONGEST + 1];
static char port[ENDPOINT_PORT_SIZE + 10];
static struct endpoint e;

/* Frama-C's contracts say nothing of what was compared, nor that what is found is in the string. */
int strncmp(const char *a, const char *b, size_t n)
{
	/*@ loop unroll sizeof(ENDPOINT_SCHEME); */
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
		if (!a[i])
			break;
	}
	return 0;
}

char *strrchr(const char *s, int c)
{
	size_t i = any_size(0, LONGEST);

	if (i >= strlen(s))
		return NULL;
	/*@ split i; */
	return s[i] == c ? (char *)s + i : NULL;
}

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
