/* SPDX-License-Identifier: MIT */
/* The hellos of TLS 1.3 with an external pre-shared key, from bytes. */
#include "tls/hello.h"

#include <string.h>

struct wire_in tls_get_vector8(struct wire_in *in)
{
	return wire_get_part(in, wire_get8(in));
}

struct wire_in tls_get_vector16(struct wire_in *in)
{
	return wire_get_part(in, wire_get16(in));
}

static bool list_has8(struct wire_in list, unsigned wanted)
{
	bool has = false;

	while (list.left)
		has |= wire_get8(&list) == wanted;
	return has;
}

static bool list_has16(struct wire_in list, unsigned wanted)
{
	bool has = false;

	while (list.left)
		has |= wire_get16(&list) == wanted;
	return has && !list.bad;
}

/* 4.2.8: the X25519 key in a list of shares; NULL if there is none, or the list is malformed. */
static const uint8_t *find_share(struct wire_in list)
{
	const uint8_t *found = NULL;

	while (list.left) {
		unsigned group = wire_get16(&list);
		struct wire_in share = tls_get_vector16(&list);

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
			body = tls_get_vector8(&body);
		hello->version_1_3 = list_has16(body, TLS_VERSION_1_3);
		break;
	case TLS_PSK_KEY_EXCHANGE_MODES:
		hello->psk_dhe_ke = list_has8(tls_get_vector8(&body), TLS_PSK_DHE_KE);
		break;
	case TLS_KEY_SHARE:
		if (from_client)
			body = tls_get_vector16(&body);
		hello->share = find_share(body);
		break;
	case TLS_PRE_SHARED_KEY:
		hello->has_key = true;
		if (from_client)
			hello->identities = tls_get_vector16(&body);
		else
			hello->psk_dhe_ke = list_has16(body, 0);
		hello->binders = body;
		break;
	default: /* not supported, and no reason to refuse the hello: 4.2 */
		break;
	}
}

static bool parse_extensions(struct tls_hello *hello, struct wire_in extensions, bool from_client)
{
	while (extensions.left) {
		unsigned type = wire_get16(&extensions);
		struct wire_in body = tls_get_vector16(&extensions);

		/* a client's pre_shared_key is the last one: 4.2.11 */
		if ((from_client && hello->has_key) || type == TLS_EARLY_DATA)
			return false;
		parse_extension(hello, type, body, from_client);
	}
	return !extensions.bad;
}

static uint16_t choose_suite(struct wire_in suites, bool aes)
{
	if (aes && list_has16(suites, TLS_AES_128_GCM_SHA256))
		return TLS_AES_128_GCM_SHA256;
	return list_has16(suites, TLS_CHACHA20_POLY1305_SHA256) ? TLS_CHACHA20_POLY1305_SHA256 : 0;
}

/* A client's list has just this one method. */
static bool parse_compression(struct wire_in *in, bool from_client)
{
	bool one = !from_client || wire_get8(in) == 1;

	return wire_get8(in) == TLS_NO_COMPRESSION && one;
}

bool tls_hello_parse(struct tls_hello *hello, struct wire_in message, bool from_client, bool aes)
{
	struct wire_in *in = &message, extensions;

	memset(hello, 0, sizeof(*hello));
	wire_skip(in, TLS_MESSAGE_HEADER_SIZE + 2 + 32); /* the version, random */
	hello->session_id = tls_get_vector8(in);
	hello->suite = choose_suite(from_client ? tls_get_vector16(in) : wire_get_part(in, 2), aes);
	if (!parse_compression(in, from_client))
		return false;
	extensions = tls_get_vector16(in);
	if (!wire_at_end(in) || hello->session_id.left > TLS_SESSION_ID_MAX)
		return false;
	if (!from_client &&
	    (extensions.left != TLS_SERVER_EXTENSIONS_SIZE || hello->session_id.left))
		return false;
	return parse_extensions(hello, extensions, from_client) && hello->suite &&
	       hello->version_1_3 && hello->psk_dhe_ke && hello->share && hello->has_key &&
	       !hello->binders.bad;
}
