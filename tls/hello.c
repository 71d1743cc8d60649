/* SPDX-License-Identifier: MIT */
/* The hellos of TLS 1.3 with an external pre-shared key; sections are those of RFC 8446. */
#include "tls/handshake_internal.h"

#include <assert.h>
#include <string.h>

enum {
	BINDERS_SIZE = 2 + 1 + SHA256_SIZE, /* a list of one */
	SESSION_ID_MAX = 32,
	/* all that a server's hello may have: version, share, and the index of the key */
	SERVER_EXTENSIONS_SIZE = 6 + 8 + X25519_SIZE + 6,
};

void tls_put_record_header(struct wire_out *out, uint8_t type, size_t len)
{
	wire_put(out, (size_t)type << 16 | TLS_VERSION_1_2, 3);
	wire_put(out, len, 2);
}

static void put_share(const struct tls *tls, struct wire_out *out)
{
	static const uint8_t base[X25519_SIZE] = { 9 };
	uint8_t public_key[X25519_SIZE];

	x25519(public_key, tls->private_key, base);
	wire_put_bytes(out, public_key, sizeof(public_key));
}

/* The fields that both hellos begin with. Returns where the message begins. */
static const uint8_t *put_hello_head(const struct tls *tls, struct wire_out *out, uint32_t type,
				     size_t body)
{
	const uint8_t *message;

	tls_put_record_header(out, TLS_HANDSHAKE, TLS_MESSAGE_HEADER_SIZE + body);
	message = out->p;
	wire_put(out, type << 24 | body, 4);
	wire_put(out, TLS_VERSION_1_2, 2);
	wire_put_bytes(out, tls->random, sizeof(tls->random));
	return message;
}

/* 4.1.2. Each length counts the bytes that follow it. */
void tls_put_client_hello(struct tls *tls, struct wire_out *out)
{
	static const uint8_t fixed[] = {
		0, TLS_SUPPORTED_VERSIONS, 0, 3, 2, 3, 4,
		0, TLS_SUPPORTED_GROUPS, 0, 4, 0, 2, 0, TLS_GROUP_X25519,
		0, TLS_PSK_KEY_EXCHANGE_MODES, 0, 2, 1, TLS_PSK_DHE_KE,
		0, TLS_KEY_SHARE, 0, 6 + X25519_SIZE, 0, 4 + X25519_SIZE,
		0, TLS_GROUP_X25519, 0, X25519_SIZE,
	};
	size_t identity = strlen(tls->key->identity), suites = tls->aes ? 4 : 2;
	size_t psk = 2 + 2 + identity + 4 + BINDERS_SIZE;
	size_t extensions = sizeof(fixed) + X25519_SIZE + 4 + psk;
	size_t body = 2 + 32 + 1 + 2 + suites + 2 + 2 + extensions;
	const uint8_t *message = put_hello_head(tls, out, TLS_CLIENT_HELLO, body);
	uint8_t binder[SHA256_SIZE];

	wire_put(out, 0, 1); /* no session id */
	wire_put(out, suites, 2);
	if (tls->aes)
		wire_put(out, TLS_AES_128_GCM_SHA256, 2);
	wire_put(out, TLS_CHACHA20_POLY1305_SHA256, 2);
	wire_put(out, 1 << 8 | TLS_NO_COMPRESSION, 2);
	wire_put(out, extensions, 2);
	wire_put_bytes(out, fixed, sizeof(fixed));
	put_share(tls, out);
	wire_put(out, TLS_PRE_SHARED_KEY << 16 | psk, 4); /* the last extension: 4.2.11 */
	wire_put(out, 2 + identity + 4, 2);
	wire_put(out, identity, 2);
	wire_put_bytes(out, tls->key->identity, identity);
	wire_put(out, 0, 4); /* the age of a ticket, which this is not */
	sha256_add(&tls->transcript, message, (size_t)(out->p - message));
	schedule_binder(tls, tls->key, binder);
	message = out->p;
	wire_put(out, 1 + SHA256_SIZE, 2);
	wire_put(out, SHA256_SIZE, 1);
	wire_put_bytes(out, binder, sizeof(binder));
	sha256_add(&tls->transcript, message, (size_t)(out->p - message));
	assert(!out->bad); /* TLS_REPLY_MAX */
}

void tls_put_server_hello(struct tls *tls, struct wire_out *out, const struct tls_hello *hello)
{
	static const uint8_t fixed[] = { 0, TLS_SUPPORTED_VERSIONS, 0, 2, 3, 4,
					 0, TLS_KEY_SHARE, 0, 4 + X25519_SIZE,
					 0, TLS_GROUP_X25519, 0, X25519_SIZE };
	size_t body = 2 + 32 + 1 + hello->session_id.left + 3 + 2 + SERVER_EXTENSIONS_SIZE;
	const uint8_t *message = put_hello_head(tls, out, TLS_SERVER_HELLO, body);

	wire_put(out, hello->session_id.left, 1);
	wire_put_bytes(out, hello->session_id.p, hello->session_id.left);
	wire_put(out, hello->suite, 2);
	wire_put(out, TLS_NO_COMPRESSION, 1);
	wire_put(out, SERVER_EXTENSIONS_SIZE, 2);
	wire_put_bytes(out, fixed, sizeof(fixed));
	put_share(tls, out);
	wire_put(out, TLS_PRE_SHARED_KEY << 16 | 2, 4);
	wire_put(out, hello->index, 2);
	sha256_add(&tls->transcript, message, (size_t)(out->p - message));
}

/* 3.4: a vector, whose length has n bytes */
static struct wire_in get_vector(struct wire_in *in, size_t n)
{
	return wire_get_part(in, wire_get(in, n));
}

static bool list_has(struct wire_in list, unsigned wanted)
{
	bool has = false;

	while (list.left)
		has |= wire_get(&list, 2) == wanted;
	return has && !list.bad;
}

/* 4.2.8: the X25519 key in a list of shares; NULL if there is none, or the list is malformed. */
static const uint8_t *find_share(struct wire_in list)
{
	const uint8_t *found = NULL;

	while (list.left) {
		unsigned group = wire_get(&list, 2);
		struct wire_in share = get_vector(&list, 2);

		if (group == TLS_GROUP_X25519 && share.left == X25519_SIZE)
			found = share.p;
	}
	return list.bad ? NULL : found;
}

/* A client's lists have a length in front, a server's extensions have one value. */
static void parse_extension(struct tls_hello *hello, unsigned type, struct wire_in body,
			    bool from_client)
{
	switch (type) {
	case TLS_SUPPORTED_VERSIONS:
		if (from_client)
			body = get_vector(&body, 1);
		hello->version_1_3 = list_has(body, TLS_VERSION_1_3);
		break;
	case TLS_PSK_KEY_EXCHANGE_MODES:
		body = get_vector(&body, 1);
		hello->psk_dhe_ke = memchr(body.p, TLS_PSK_DHE_KE, body.left) != NULL;
		break;
	case TLS_KEY_SHARE:
		if (from_client)
			body = get_vector(&body, 2);
		hello->share = find_share(body);
		break;
	case TLS_PRE_SHARED_KEY:
		hello->has_key = true;
		if (from_client)
			hello->identities = get_vector(&body, 2);
		else
			hello->psk_dhe_ke = list_has(body, 0);
		hello->binders = body;
		break;
	default: /* not supported, and no reason to refuse the hello: 4.2 */
		break;
	}
}

static bool parse_extensions(struct tls_hello *hello, struct wire_in extensions, bool from_client)
{
	while (extensions.left) {
		unsigned type = wire_get(&extensions, 2);
		struct wire_in body = get_vector(&extensions, 2);

		/* a client's pre_shared_key is the last one: 4.2.11 */
		if ((from_client && hello->has_key) || type == TLS_EARLY_DATA)
			return false;
		parse_extension(hello, type, body, from_client);
	}
	return !extensions.bad;
}

static uint16_t choose_suite(struct wire_in suites, bool aes)
{
	if (aes && list_has(suites, TLS_AES_128_GCM_SHA256))
		return TLS_AES_128_GCM_SHA256;
	return list_has(suites, TLS_CHACHA20_POLY1305_SHA256) ? TLS_CHACHA20_POLY1305_SHA256 : 0;
}

bool tls_hello_parse(struct tls_hello *hello, struct wire_in message, bool from_client, bool aes)
{
	struct wire_in *in = &message, compression, extensions;

	memset(hello, 0, sizeof(*hello));
	wire_skip(in, TLS_MESSAGE_HEADER_SIZE + 2 + 32); /* the version, random */
	hello->session_id = get_vector(in, 1);
	hello->suite = choose_suite(from_client ? get_vector(in, 2) : wire_get_part(in, 2), aes);
	compression = from_client ? get_vector(in, 1) : wire_get_part(in, 1);
	extensions = get_vector(in, 2);
	if (!wire_at_end(in) || hello->session_id.left > (from_client ? SESSION_ID_MAX : 0) ||
	    compression.left != 1 || *compression.p != TLS_NO_COMPRESSION ||
	    (!from_client && extensions.left != SERVER_EXTENSIONS_SIZE))
		return false;
	return parse_extensions(hello, extensions, from_client) && hello->suite &&
	       hello->version_1_3 && hello->psk_dhe_ke && hello->share && hello->has_key &&
	       !hello->binders.bad;
}

const struct psk *tls_hello_find_key(struct tls_hello *hello, const struct keys *keys)
{
	struct wire_in identities = hello->identities, rest = hello->binders;
	struct wire_in binders = get_vector(&rest, 2);
	const struct psk *key = NULL;

	for (uint16_t i = 0; identities.left; i++) {
		struct wire_in identity = get_vector(&identities, 2), binder;

		wire_skip(&identities, 4); /* the age of a ticket */
		binder = get_vector(&binders, 1);
		if (key || binder.left != SHA256_SIZE)
			continue;
		key = keys_find(keys, (const char *)identity.p, identity.left);
		hello->index = i;
		hello->binder = binder.p;
	}
	return wire_at_end(&identities) && wire_at_end(&binders) && wire_at_end(&rest) ? key : NULL;
}
