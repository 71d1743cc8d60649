/* SPDX-License-Identifier: MIT */
/*
 * tls/hello: any hello of every length up to LONG, in a block that ends with it, and each part of one
 * for itself: any extensions, identities and binders.
 * SOURCES: proto/wire.c
 * HINT: proto/wire.c:	in->p += n;:	//@ split n;
 * EVA: -eva-precision 2 -eva-slevel 20000 -eva-split-limit 20000 -eva-split-return full
 */
#include "tests/prove/tls.h"

#include "tls/hello.c"

enum {
	HEAD = 4 + 2 + 32, /* of a hello, up to its session id */
	LONG = HEAD + 12,
	IDENTITIES = 12,
	BINDERS = 8,
	EXTENSIONS = 14,
	SHARE = 2 + 2 + X25519_SIZE, /* of a list */
};

static uint8_t block[LONG];

static struct keys keys;

const struct psk *keys_find(const struct keys *all, const char *identity, size_t len)
{
	/*@ assert identity: len == 0 || \valid_read(identity + (0 .. len - 1)); */
	(void)identity;
	return any_int(0, 1) ? all->key : NULL;
}

/* The last byte of the block is that of the message. */
static struct wire_in any_part(size_t len)
{
	struct wire_in part = { block + LONG - len, len, false };

	any_bytes(block, sizeof(block));
	return part;
}

void prove_hello_client(void)
{
	size_t len = any_size(0, LONG);
	struct tls_hello hello;
	bool good;

	/*@ split len; */
	good = tls_hello_parse(&hello, any_part(len), true, any_int(0, 1));
	/*@ assert short: good == 0; */
	END();
}

void prove_hello_server(void)
{
	size_t len = any_size(0, LONG);
	struct tls_hello hello;
	bool good;

	/*@ split len; */
	good = tls_hello_parse(&hello, any_part(len), false, any_int(0, 1));
	/*@ assert short: good == 0; */
	END();
}

/* A list of keys, and what is sent with it. */
void prove_hello_find_key(void)
{
	size_t identities = any_size(0, IDENTITIES), binders = any_size(0, BINDERS);
	struct tls_hello hello = { 0 };
	static uint8_t other[BINDERS];
	const struct psk *key;

	any_bytes(other, sizeof(other));
	/*@ split identities; */
	/*@ split binders; */
	hello.identities = any_part(identities);
	hello.binders = (struct wire_in){ other + BINDERS - binders, binders, any_int(0, 1) };
	key = tls_hello_find_key(&hello, &keys);
	/*@ assert key: key == \null || key == &keys.key[0]; */
	END();
}

void prove_hello_extensions(void)
{
	size_t len = any_size(0, EXTENSIONS);
	struct tls_hello hello = { 0 };
	bool from_client = any_int(0, 1), good;

	/*@ split len; */
	/*@ split from_client; */
	good = parse_extensions(&hello, any_part(len), from_client);
	/*@ assert result: good == 0 || good == 1; */
	END();
}

/* A share, and a byte more or less. */
void prove_hello_share(void)
{
	size_t len = any_size(SHARE - 1, SHARE + 1);
	const uint8_t *share;

	/*@ split len; */
	share = find_share(any_part(len));
	if (share) {
		/*@ assert share: \valid_read(share + (0 .. X25519_SIZE - 1)); */
	}
	END();
}
