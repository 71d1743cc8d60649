/* SPDX-License-Identifier: MIT */
/* The handshake of TLS 1.3 with an external pre-shared key; sections are those of RFC 8446. */
#include "tls/handshake.h"

#include "tls/hello.h"
#include "tls/schedule.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Records: 5.1, B.1 */
enum { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, APPLICATION_DATA = 23 };
/* Messages: 4, B.3 */
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2, ENCRYPTED_EXTENSIONS = 8, FINISHED = 20 };
/* Alerts: 6.2 */
enum { FATAL = 2, HANDSHAKE_FAILURE = 40, DECRYPT_ERROR = 51 };

enum { BINDERS_SIZE = 2 + 1 + SHA256_SIZE /* a list of one */ };

void tls_wipe(struct tls *tls)
{
	explicit_bzero(tls, sizeof(*tls));
}

static void set_state(struct tls *tls, enum tls_state state)
{
	switch (state) {
	case TLS_EXPECT_ENCRYPTED_EXTENSIONS:
		assert(tls->state == TLS_EXPECT_SERVER_HELLO);
		break;
	case TLS_EXPECT_FINISHED:
		assert(tls->state == TLS_EXPECT_CLIENT_HELLO ||
		       tls->state == TLS_EXPECT_ENCRYPTED_EXTENSIONS);
		break;
	default:
		assert(state == TLS_DONE && tls->state == TLS_EXPECT_FINISHED);
	}
	tls->state = state;
}

static void put_record_header(struct wire_out *out, uint8_t type, size_t len)
{
	wire_put8(out, type);
	wire_put16(out, TLS_VERSION_1_2);
	wire_put16(out, (uint16_t)len);
}

/* 5.2: handshake messages as a record that is encrypted. */
static void put_encrypted(struct tls *tls, struct wire_out *out, const uint8_t *messages,
			  size_t len)
{
	static const uint8_t no_tag[AEAD_TAG_SIZE];
	uint8_t nonce[AEAD_NONCE_SIZE], *header = out->p, *text = header + TLS_HEADER_SIZE;

	put_record_header(out, APPLICATION_DATA, len + 1 + AEAD_TAG_SIZE);
	wire_put_bytes(out, messages, len);
	wire_put8(out, HANDSHAKE);
	wire_put_bytes(out, no_tag, sizeof(no_tag));
	assert(!out->bad); /* TLS_REPLY_MAX */
	schedule_next_nonce(&tls->out, nonce);
	aead_seal(tls->aead, tls->out.key, nonce, header, TLS_HEADER_SIZE, text, len + 1);
}

static void make_finished(const struct tls *tls, enum tls_end end,
			  uint8_t message[TLS_FINISHED_SIZE])
{
	static const uint8_t header[TLS_MESSAGE_HEADER_SIZE] = { FINISHED, 0, 0, SHA256_SIZE };

	memcpy(message, header, sizeof(header));
	schedule_finished(tls, end, message + sizeof(header));
}

/* 4.2.8: an entry of a key share */
static void put_share(const struct tls *tls, struct wire_out *out)
{
	uint8_t public_key[X25519_SIZE];

	x25519_public(public_key, tls->private_key);
	wire_put16(out, TLS_GROUP_X25519);
	wire_put16(out, sizeof(public_key));
	wire_put_bytes(out, public_key, sizeof(public_key));
}

/* The fields that both hellos begin with. Returns where the message begins. */
static const uint8_t *put_hello_head(const struct tls *tls, struct wire_out *out, uint8_t type,
				     uint16_t body)
{
	const uint8_t *message;

	put_record_header(out, HANDSHAKE, (size_t)TLS_MESSAGE_HEADER_SIZE + body);
	message = out->p;
	wire_put32(out, (uint32_t)type << 24 | body);
	wire_put16(out, TLS_VERSION_1_2);
	wire_put_bytes(out, tls->random, sizeof(tls->random));
	return message;
}

/* 4.1.2. Each length counts the bytes that follow it. */
static void put_client_hello(struct tls *tls, struct wire_out *out)
{
	static const uint8_t fixed[] = {
		0, TLS_SUPPORTED_VERSIONS, 0, 3, 2, 3, 4,
		0, TLS_SUPPORTED_GROUPS, 0, 4, 0, 2, 0, TLS_GROUP_X25519,
		0, TLS_PSK_KEY_EXCHANGE_MODES, 0, 2, 1, TLS_PSK_DHE_KE,
		0, TLS_KEY_SHARE, 0, 6 + X25519_SIZE, 0, 4 + X25519_SIZE,
	};
	uint16_t identity = (uint16_t)strlen(tls->key->identity);
	uint16_t suites = tls->aes ? 4 : 2;
	uint16_t psk = (uint16_t)(2 + 2 + identity + 4 + BINDERS_SIZE);
	uint16_t extensions = (uint16_t)(sizeof(fixed) + 4 + X25519_SIZE + 4 + psk);
	uint16_t body = (uint16_t)(2 + 32 + 1 + 2 + suites + 2 + 2 + extensions);
	const uint8_t *message = put_hello_head(tls, out, CLIENT_HELLO, body);
	uint8_t binder[SHA256_SIZE];

	wire_put8(out, 0); /* no session id */
	wire_put16(out, suites);
	if (tls->aes)
		wire_put16(out, TLS_AES_128_GCM_SHA256);
	wire_put16(out, TLS_CHACHA20_POLY1305_SHA256);
	wire_put8(out, 1);
	wire_put8(out, TLS_NO_COMPRESSION);
	wire_put16(out, extensions);
	wire_put_bytes(out, fixed, sizeof(fixed));
	put_share(tls, out);
	wire_put16(out, TLS_PRE_SHARED_KEY); /* the last extension: 4.2.11 */
	wire_put16(out, psk);
	wire_put16(out, (uint16_t)(2 + identity + 4));
	wire_put16(out, identity);
	wire_put_bytes(out, tls->key->identity, identity);
	wire_put32(out, 0); /* the age of a ticket, which this is not */
	schedule_add_message(tls, message, (size_t)(out->p - message));
	schedule_binder(tls, tls->key, binder);
	message = out->p;
	wire_put16(out, 1 + SHA256_SIZE);
	wire_put8(out, SHA256_SIZE);
	wire_put_bytes(out, binder, sizeof(binder));
	schedule_add_message(tls, message, (size_t)(out->p - message));
	assert(!out->bad); /* TLS_REPLY_MAX */
}

static void tls_start(struct tls *tls, enum tls_state state, const struct psk *key, bool aes,
		      const uint8_t *random)
{
	memset(tls, 0, sizeof(*tls));
	tls->server = state == TLS_EXPECT_CLIENT_HELLO;
	tls->state = state;
	tls->key = key;
	tls->aes = aes;
	memcpy(tls->random, random, sizeof(tls->random));
	memcpy(tls->private_key, random + sizeof(tls->random), sizeof(tls->private_key));
	sha256_start(&tls->transcript);
}

void tls_server(struct tls *tls, const struct psk *keys, unsigned count, bool aes,
		const uint8_t *random)
{
	assert(count);
	tls_start(tls, TLS_EXPECT_CLIENT_HELLO, keys, aes, random);
	tls->key_count = count;
}

void tls_client(struct tls *tls, const struct psk *key, bool aes, const uint8_t *random,
		struct wire_out *out)
{
	tls_start(tls, TLS_EXPECT_SERVER_HELLO, key, aes, random);
	put_client_hello(tls, out);
}

/* Both hellos are in the transcript. */
static int agree_on_secrets(struct tls *tls, const struct tls_hello *hello)
{
	tls->aead = hello->suite == TLS_AES_128_GCM_SHA256 ? &aes128gcm : &chacha20poly1305;
	if (schedule_agree(tls, hello->share))
		return 0;
	tls->aead = NULL;
	return -EBADMSG;
}

/* The server's Finished is in the transcript; the client's is not sent yet. */
static void prepare_end(struct tls *tls)
{
	make_finished(tls, TLS_END_CLIENT, tls->finished);
	schedule_application(tls);
}

static const struct psk *find_key(const struct tls *tls, struct wire_in identity)
{
	for (const struct psk *key = tls->key; key < tls->key + tls->key_count; key++)
		if (strlen(key->identity) == identity.left &&
		    !memcmp(key->identity, identity.p, identity.left))
			return key;
	return NULL;
}

/*
 * 4.2.11: the first identity that is in the server's file, and its binder. NULL if there is none.
 * *binder is then one of an unknown identity, or NULL.
 */
static const struct psk *choose_key(const struct tls *tls, const struct tls_hello *hello,
				    uint16_t *index, const uint8_t **binder)
{
	struct wire_in identities = hello->identities, rest = hello->binders;
	struct wire_in binders = tls_get_vector16(&rest);
	const struct psk *key = NULL;

	*binder = NULL;
	for (uint16_t i = 0; identities.left; i++) {
		struct wire_in identity = tls_get_vector16(&identities), mac;

		wire_skip(&identities, 4); /* the age of a ticket */
		mac = tls_get_vector8(&binders);
		if (key || mac.left != SHA256_SIZE)
			continue;
		key = find_key(tls, identity);
		*index = i;
		*binder = mac.p;
	}
	if (!wire_at_end(&identities) || !wire_at_end(&binders) || !wire_at_end(&rest))
		return NULL;
	return key;
}

static void put_server_hello(struct tls *tls, struct wire_out *out, const struct tls_hello *hello,
			     uint16_t index)
{
	static const uint8_t fixed[] = { 0, TLS_SUPPORTED_VERSIONS, 0, 2, 3, 4,
					 0, TLS_KEY_SHARE, 0, 4 + X25519_SIZE };
	uint16_t body = (uint16_t)(2 + 32 + 1 + hello->session_id.left + 3 + 2 +
				   TLS_SERVER_EXTENSIONS_SIZE);
	const uint8_t *message = put_hello_head(tls, out, SERVER_HELLO, body);

	wire_put8(out, (uint8_t)hello->session_id.left);
	wire_put_bytes(out, hello->session_id.p, hello->session_id.left);
	wire_put16(out, hello->suite);
	wire_put8(out, TLS_NO_COMPRESSION);
	wire_put16(out, TLS_SERVER_EXTENSIONS_SIZE);
	wire_put_bytes(out, fixed, sizeof(fixed));
	put_share(tls, out);
	wire_put32(out, TLS_PRE_SHARED_KEY << 16 | 2);
	wire_put16(out, index);
	schedule_add_message(tls, message, (size_t)(out->p - message));
}

/* EncryptedExtensions, which are empty, and Finished, in one record. */
static void put_server_flight(struct tls *tls, struct wire_out *out)
{
	static const uint8_t extensions[] = { ENCRYPTED_EXTENSIONS, 0, 0, 2, 0, 0 };
	uint8_t flight[sizeof(extensions) + TLS_FINISHED_SIZE];
	uint8_t *finished = flight + sizeof(extensions);

	memcpy(flight, extensions, sizeof(extensions));
	schedule_add_message(tls, extensions, sizeof(extensions));
	make_finished(tls, TLS_END_SERVER, finished);
	schedule_add_message(tls, finished, TLS_FINISHED_SIZE);
	put_encrypted(tls, out, flight, sizeof(flight));
}

static int take_client_hello(struct tls *tls, struct wire_in message, struct wire_out *out)
{
	struct tls_hello hello;
	uint8_t mac[SHA256_SIZE];
	const uint8_t *binder;
	const struct psk *key;
	uint16_t index = 0;
	int error;

	if (!tls_hello_parse(&hello, message, true, tls->aes))
		return -EBADMSG;
	schedule_add_message(tls, message.p, (size_t)(hello.binders.p - message.p));
	key = choose_key(tls, &hello, &index, &binder);
	schedule_binder(tls, key ? key : tls->key, mac); /* takes as long for an unknown identity */
	if (!binder || !aead_same(mac, binder, sizeof(mac)) || !key)
		return key ? -EACCES : -ENOKEY;
	tls->key = key;
	schedule_add_message(tls, hello.binders.p, hello.binders.left);
	put_server_hello(tls, out, &hello, index);
	error = agree_on_secrets(tls, &hello);
	if (error)
		return error;
	put_server_flight(tls, out);
	prepare_end(tls);
	set_state(tls, TLS_EXPECT_FINISHED);
	return 0;
}

static int take_server_hello(struct tls *tls, struct wire_in message)
{
	struct tls_hello hello;
	int error;

	if (!tls_hello_parse(&hello, message, false, tls->aes))
		return -EBADMSG;
	schedule_add_message(tls, message.p, message.left);
	error = agree_on_secrets(tls, &hello);
	if (!error)
		set_state(tls, TLS_EXPECT_ENCRYPTED_EXTENSIONS);
	return error;
}

static int take_extensions(struct tls *tls, struct wire_in message)
{
	struct wire_in in = message;

	wire_skip(&in, TLS_MESSAGE_HEADER_SIZE);
	tls_get_vector16(&in);
	if (!wire_at_end(&in))
		return -EBADMSG;
	schedule_add_message(tls, message.p, message.left);
	set_state(tls, TLS_EXPECT_FINISHED);
	return 0;
}

static int take_finished(struct tls *tls, struct wire_in message, struct wire_out *out)
{
	if (!tls->server)
		make_finished(tls, TLS_END_SERVER, tls->finished);
	if (message.left != TLS_FINISHED_SIZE ||
	    !aead_same(message.p, tls->finished, TLS_FINISHED_SIZE))
		return -EBADMSG;
	if (!tls->server) {
		schedule_add_message(tls, message.p, message.left);
		prepare_end(tls);
		put_encrypted(tls, out, tls->finished, TLS_FINISHED_SIZE);
	}
	schedule_set_ciphers(tls);
	set_state(tls, TLS_DONE);
	return 1;
}

static int take_message(struct tls *tls, uint8_t type, struct wire_in message, struct wire_out *out)
{
	switch (tls->state) {
	case TLS_EXPECT_CLIENT_HELLO:
		return type == CLIENT_HELLO ? take_client_hello(tls, message, out) : -EBADMSG;
	case TLS_EXPECT_SERVER_HELLO:
		return type == SERVER_HELLO ? take_server_hello(tls, message) : -EBADMSG;
	case TLS_EXPECT_ENCRYPTED_EXTENSIONS:
		return type == ENCRYPTED_EXTENSIONS ? take_extensions(tls, message) : -EBADMSG;
	case TLS_EXPECT_FINISHED:
		return type == FINISHED ? take_finished(tls, message, out) : -EBADMSG;
	case TLS_DONE:
		break;
	}
	return -EBADMSG;
}

/* The keys change behind a hello and a Finished, so these end their record: 5.1. */
static int take_messages(struct tls *tls, struct wire_in in, struct wire_out *out)
{
	int result = -EBADMSG;

	while (in.left) {
		struct wire_in message = in;
		uint32_t header = wire_get32(&in);
		uint8_t type = (uint8_t)(header >> 24);

		wire_skip(&in, header & 0xffffff);
		if (in.bad || (in.left && type != ENCRYPTED_EXTENSIONS))
			return -EBADMSG;
		message.left -= in.left;
		result = take_message(tls, type, message, out);
		if (result < 0)
			return result;
	}
	return result;
}

/*
 * 5.2: decrypts the body of a record in place and strips its padding. Returns the type of its
 * content, or 0 if it is forged or empty.
 */
static uint8_t decrypt_record(struct tls *tls, uint8_t *record, struct wire_in *body)
{
	uint8_t nonce[AEAD_NONCE_SIZE], *text = record + TLS_HEADER_SIZE;
	size_t len = body->left - AEAD_TAG_SIZE;

	if (body->left < AEAD_TAG_SIZE)
		return 0;
	schedule_next_nonce(&tls->in, nonce);
	if (!aead_open(tls->aead, tls->in.key, nonce, record, TLS_HEADER_SIZE, text, len))
		return 0;
	while (len && !text[len - 1])
		len--; /* padding, 5.4 */
	if (!len)
		return 0;
	body->left = len - 1;
	return text[len - 1];
}

static int take_record(struct tls *tls, uint8_t *record, size_t len, struct wire_out *out)
{
	struct wire_in in = { record, len, false }, body;
	uint8_t type = wire_get8(&in);

	wire_skip(&in, 2); /* the version means nothing: 5.1 */
	body = tls_get_vector16(&in);
	if (!wire_at_end(&in))
		return -EBADMSG;
	if (type == CHANGE_CIPHER_SPEC && tls->state != TLS_EXPECT_CLIENT_HELLO)
		return body.left == 1 && *body.p == 1 ? 0 : -EBADMSG; /* D.4 */
	if (tls->aead && type == APPLICATION_DATA)
		type = decrypt_record(tls, record, &body);
	else if (tls->aead && type != ALERT)
		return -EBADMSG;
	if (type == ALERT)
		return -EACCES;
	return type == HANDSHAKE ? take_messages(tls, body, out) : -EBADMSG;
}

int tls_take(struct tls *tls, uint8_t *record, size_t len, struct wire_out *out)
{
	struct wire_out begin = *out;
	int result = take_record(tls, record, len, out);

	if (result >= 0 || tls->aead)
		return result;
	*out = begin; /* the alert replaces a reply that was begun */
	put_record_header(out, ALERT, 2);
	wire_put8(out, FATAL);
	wire_put8(out, result == -EBADMSG ? HANDSHAKE_FAILURE : DECRYPT_ERROR);
	return result;
}
