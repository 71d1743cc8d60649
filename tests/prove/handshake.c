/* SPDX-License-Identifier: MIT */
/*
 * tls/handshake: any record of every length up to MAX, in a block that ends with it, in each state of
 * a handshake. What a hello means is in the harness of hello.c.
 * SOURCES: tls/handshake.c tls/record.c proto/wire.c
 * HINT: proto/wire.c:	in->p += n;:	//@ split n;
 * EVA: -eva-precision 2 -eva-slevel 20000 -eva-split-limit 20000 -eva-split-return full
 */
#include "tests/prove/tls.h"

#include <errno.h>

enum {
	/* a header, a message of SHA256_SIZE, and what is behind it */
	MAX = TLS_HEADER_SIZE + TLS_MESSAGE_HEADER_SIZE + SHA256_SIZE + 3,
	EXTENSIONS_MAX = TLS_HEADER_SIZE + TLS_MESSAGE_HEADER_SIZE + 2 + 1 + AEAD_TAG_SIZE + 2,
};

static uint8_t block[MAX], reply[TLS_REPLY_MAX], random[TLS_RANDOM_SIZE];
static struct keys keys;
static struct tls tls;
static struct tls_hello parsed;

bool aead_same(const uint8_t *a, const uint8_t *b, size_t len)
{
	/*@ assert readable: \initialized(a + (0 .. len - 1)) && \initialized(b + (0 .. len - 1)); */
	return any_int(0, 1);
}

bool tls_hello_parse(struct tls_hello *hello, struct wire_in message, bool from_client, bool aes)
{
	(void)from_client;
	(void)aes;
	*hello = parsed;
	hello->binders = (struct wire_in){ message.p + message.left, 0, false };
	return any_int(0, 1);
}

const struct psk *tls_hello_find_key(struct tls_hello *hello, const struct keys *all)
{
	hello->binder = any_int(0, 1) ? random : NULL;
	return any_int(0, 1) ? all->key : NULL;
}

void tls_put_client_hello(struct tls *client, struct wire_out *out)
{
	(void)client;
	wire_put(out, 0, 4);
}

void tls_put_server_hello(struct tls *server, struct wire_out *out, const struct tls_hello *hello)
{
	(void)server;
	(void)hello;
	wire_put(out, 0, 4);
}

void tls_put_record_header(struct wire_out *out, uint8_t type, size_t len)
{
	(void)type;
	(void)len;
	wire_put(out, 0, 3);
	wire_put(out, 0, 2);
}

bool schedule_agree(struct tls *end, const struct tls_hello *hello)
{
	(void)hello;
	end->aead = end->in.aead = end->out.aead = &aes128gcm;
	return any_int(0, 1);
}

void schedule_finished(const struct tls *end, const uint8_t *secret, uint8_t mac[SHA256_SIZE])
{
	(void)end;
	(void)secret;
	any_bytes(mac, SHA256_SIZE);
}

void schedule_application(struct tls *end)
{
	(void)end;
}

static void taken(enum tls_state state, bool sealed, size_t max)
{
	size_t len = any_size(TLS_HEADER_SIZE, max);
	struct wire_out out = { reply, sizeof(reply), false };
	int result;

	/*@ split len; */
	any_bytes(block, sizeof(block));
	any_bytes(random, sizeof(random));
	if (state == TLS_CLIENT_HELLO)
		tls_server(&tls, &keys, any_int(0, 1), random);
	else
		tls_client(&tls, keys.key, any_int(0, 1), random, &out);
	tls.state = state;
	tls.server = state == TLS_FINISHED ? any_int(0, 1) : state == TLS_CLIENT_HELLO;
	tls.aead = tls.in.aead = tls.out.aead = sealed ? &aes128gcm : NULL;
	out = (struct wire_out){ reply, sizeof(reply), false };
	result = tls_take(&tls, block + MAX - len, len, &out);
	/*@ assert result: result == 0 || result == 1 || result == -EACCES || result == -ENOKEY ||
	        result == -EBADMSG; */
	/*@ assert whole: out.bad == 0; */
}

void prove_handshake_client_hello(void)
{
	taken(TLS_CLIENT_HELLO, false, MAX);
	END();
}

void prove_handshake_server_hello(void)
{
	taken(TLS_SERVER_HELLO, false, MAX);
	END();
}

void prove_handshake_extensions(void)
{
	taken(TLS_ENCRYPTED_EXTENSIONS, true, EXTENSIONS_MAX);
	END();
}

void prove_handshake_finished(void)
{
	taken(TLS_FINISHED, true, MAX);
	END();
}
