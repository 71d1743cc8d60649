/* SPDX-License-Identifier: MIT */
/*
 * lib/endpoint: any text of every length up to SHORT, and of LONGEST, which is longer than any
 * name may be (one that ends earlier is among them), and behind ssh:// up to SSH_SHORT, and of
 * SSH_LONGEST with a user's name of up to 1 or of about ENDPOINT_HOST_SIZE; any default port.
 * SOURCES: lib/endpoint.c lib/str.c
 * EVA: -eva-precision 1 -eva-plevel 1000 -eva-split-limit 1000 -eva-split-return-function number_parse:0,str_decimal:0
 * EVA: -eva-slevel-function prove_endpoint_parse:1000,prove_endpoint_parse_ssh:1000,prove_endpoint_parse_ssh_long:1000,parsed:100,endpoint_parse:3000,endpoint_is_address:1000,strrchr:10,number_parse:50,str_decimal:50
 * HINT: lib/endpoint.c:	str_format(e->name + len, sizeof(e->name) - len,:	//@ split len;
 * EVA: -eva-slevel-merge-after-loop endpoint_parse
 */
#include "lib/addr.h"

#include "tests/prove/prove.h"

#include <string.h>

enum {
	SHORT = 24,
	SSH_SHORT = 16,
	LONGEST = ENDPOINT_NAME_SIZE + 15,
	SSH_LONGEST = ENDPOINT_HOST_SIZE + 15,
	USER_LONG = ENDPOINT_HOST_SIZE - 3,
};

static char block[LONGEST + 1];
static char port[ENDPOINT_PORT_SIZE + 10];
static struct endpoint e;

/* Whether the texts of a harness begin with ssh://, and the length of the user's name before the last
 * '@'; if it is longer than the rest, there is no user. */
static bool ssh;
static size_t user;

/* Frama-C's contracts tell neither the result of a comparison nor that a match is inside the string. */
int strncmp(const char *a, const char *b, size_t n)
{
	(void)a;
	(void)b;
	(void)n;
	return !ssh;
}

char *strrchr(const char *s, int c)
{
	return user < strlen(s) && s[user] == c ? (char *)s + user : NULL;
}

static void parsed(size_t len)
{
	static const char scheme[] = ENDPOINT_SCHEME;
	char *text = block + LONGEST - len;
	const char *fault;

	any_bytes(block, LONGEST);
	block[LONGEST] = '\0';
	if (ssh) {
		/*@ loop unroll sizeof(scheme); */
		for (size_t i = 0; i < sizeof(scheme) - 1; i++)
			text[i] = scheme[i];
	}
	fault = endpoint_parse(&e, text, any_string(port, sizeof(port)));
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
	size_t len = any_size(sizeof(ENDPOINT_SCHEME) - 1, SSH_SHORT);

	ssh = true;
	user = any_size(0, SSH_SHORT);
	/*@ split len; */
	/*@ split user; */
	parsed(len);
	END();
}

void prove_endpoint_parse_ssh_long(void)
{
	ssh = true;
	user = any_int(0, 1) ? any_size(0, 1) : any_size(USER_LONG, ENDPOINT_HOST_SIZE);
	/*@ split user; */
	parsed(SSH_LONGEST);
	END();
}

/* For any endpoint whose host is terminated. */
void prove_endpoint_is_address(void)
{
	bool is;

	any_bytes(&e, sizeof(e));
	e.host[ENDPOINT_HOST_SIZE - 1] = '\0';
	is = endpoint_is_address(&e);
	/*@ assert result: is == 0 || is == 1; */
	END();
}
