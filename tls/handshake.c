/* SPDX-License-Identifier: MIT */
/* The handshake of TLS 1.3 with an external pre-shared key; sections are those of RFC 8446. */
#include "tls/handshake_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
	EXTENSIONS_SIZE = TLS_MESSAGE_HEADER_SIZE + 2,
	FINISHED_SIZE = TLS_MESSAGE_HEADER_SIZE + SHA256_SIZE,
};
/* Alerts: 6.2 */
enum { FATAL = 2, HANDSHAKE_FAILURE = 40, DECRYPT_ERROR = 51 };

/* 5.2: handshake messages as a record that is encrypted. */
static void put_sealed(struct tls *tls, struct wire_out *out, const uint8_t *messages, size_t len)
{
	static const uint8_t none[RECORD_TAIL_SIZE];
	uint8_t *record = out->p;

	wire_put_bytes(out, none, TLS_HEADER_SIZE);
	wire_put_bytes(out, messages, len);
	wire_put_bytes(out, none, RECORD_TAIL_SIZE);
	assert(!out->bad); /* TLS_REPLY_MAX */
	record_seal(&tls->out, TLS_HANDSHAKE, record, len);
}

static void tls_start(struct tls *tls, enum tls_state state, bool aes, const uint8_t *random)
{
	memset(tls, 0, sizeof(*tls));
	tls->server = state == TLS_CLIENT_HELLO;
	tls->state = state;
	tls->aes = aes && aes_is_there();
	memcpy(tls->random, random, sizeof(tls->random));
	memcpy(tls->private_key, random + sizeof(tls->random), sizeof(tls->private_key));
	sha256_begin(&tls->transcript);
}

void tls_server(struct tls *tls, const struct keys *keys, bool aes, const uint8_t *random)
{
	tls_start(tls, TLS_CLIENT_HELLO, aes, random);
	tls->keys = keys;
}

void tls_client(struct tls *tls, const struct psk *key, bool aes, const uint8_t *random,
		struct wire_out *out)
{
	tls_start(tls, TLS_SERVER_HELLO, aes, random);
	tls->key = key;
	tls_put_client_hello(tls, out);
}

/* The Finished of the end that sends with that cipher. */
static void make_finished(const struct tls *tls, const struct tls_cipher *cipher, uint8_t *message)
{
	static const uint8_t header[TLS_MESSAGE_HEADER_SIZE] = { TLS_FINISHED, 0, 0, SHA256_SIZE };

	memcpy(message, header, sizeof(header));
	schedule_finished(tls, cipher->secret, message + sizeof(header));
}

static int take_client_hello(struct tls *tls, struct wire_in message, struct wire_out *out)
{
	/* in one record behind our hello: EncryptedExtensions, which are empty, and Finished */
	uint8_t flight[EXTENSIONS_SIZE + FINISHED_SIZE] = { TLS_ENCRYPTED_EXTENSIONS, 0, 0, 2 };
	uint8_t mac[SHA256_SIZE];
	struct tls_hello hello;
	const struct psk *key;

	if (!tls_hello_parse(&hello, message, true, tls->aes))
		return -EBADMSG;
	sha256_add(&tls->transcript, message.p, (size_t)(hello.binders.p - message.p));
	key = tls_hello_find_key(&hello, tls->keys);
	/* takes as long for an unknown identity */
	schedule_binder(tls, key ? key : tls->keys->key, mac);
	if (!hello.binder || !aead_same(mac, hello.binder, sizeof(mac)) || !key)
		return key ? -EACCES : -ENOKEY;
	tls->key = key;
	sha256_add(&tls->transcript, hello.binders.p, hello.binders.left);
	tls_put_server_hello(tls, out, &hello);
	if (!schedule_agree(tls, &hello))
		return -EBADMSG;
	sha256_add(&tls->transcript, flight, EXTENSIONS_SIZE);
	make_finished(tls, &tls->out, flight + EXTENSIONS_SIZE);
	sha256_add(&tls->transcript, flight + EXTENSIONS_SIZE, FINISHED_SIZE);
	put_sealed(tls, out, flight, sizeof(flight));
	tls->state = TLS_FINISHED;
	return 0;
}

static int take_server_hello(struct tls *tls, struct wire_in message)
{
	struct tls_hello hello;

	if (!tls_hello_parse(&hello, message, false, tls->aes))
		return -EBADMSG;
	sha256_add(&tls->transcript, message.p, message.left);
	if (!schedule_agree(tls, &hello))
		return -EBADMSG;
	tls->state = TLS_ENCRYPTED_EXTENSIONS;
	return 0;
}

static int take_extensions(struct tls *tls, struct wire_in message)
{
	struct wire_in in = message;

	wire_skip(&in, TLS_MESSAGE_HEADER_SIZE);
	wire_skip(&in, wire_get(&in, 2));
	if (!wire_at_end(&in))
		return -EBADMSG;
	sha256_add(&tls->transcript, message.p, message.left);
	tls->state = TLS_FINISHED;
	return 0;
}

/* The client's Finished is not in the transcript of any secret. */
static int take_finished(struct tls *tls, struct wire_in message, struct wire_out *out)
{
	uint8_t finished[FINISHED_SIZE];

	make_finished(tls, &tls->in, finished);
	if (message.left != FINISHED_SIZE || !aead_same(message.p, finished, FINISHED_SIZE))
		return -EBADMSG;
	if (!tls->server) {
		sha256_add(&tls->transcript, message.p, message.left);
		make_finished(tls, &tls->out, finished);
		put_sealed(tls, out, finished, FINISHED_SIZE);
	}
	schedule_application(tls);
	tls->state = TLS_DONE;
	return 0;
}

/* message is whole, with its header. */
static int take_message(struct tls *tls, uint8_t type, struct wire_in message, struct wire_out *out)
{
	if (type != tls->state)
		return -EBADMSG;
	switch (type) {
	case TLS_CLIENT_HELLO:
		return take_client_hello(tls, message, out);
	case TLS_SERVER_HELLO:
		return take_server_hello(tls, message);
	case TLS_ENCRYPTED_EXTENSIONS:
		return take_extensions(tls, message);
	case TLS_FINISHED:
		return take_finished(tls, message, out);
	default: /* behind the end */
		return -EBADMSG;
	}
}

/* The keys change behind a hello and a Finished, so these end their record: 5.1. */
static int take_messages(struct tls *tls, struct wire_in in, struct wire_out *out)
{
	int result = -EBADMSG;

	while (in.left) {
		struct wire_in message = in;
		uint32_t header = wire_get(&in, 4);
		uint8_t type = (uint8_t)(header >> 24);

		wire_skip(&in, header & 0xffffff);
		if (in.bad || (in.left && type != TLS_ENCRYPTED_EXTENSIONS))
			return -EBADMSG;
		message.left -= in.left;
		result = take_message(tls, type, message, out);
		if (result)
			return result;
	}
	return result;
}

static int take_record(struct tls *tls, uint8_t *record, size_t len, struct wire_out *out)
{
	struct wire_in in = { record, len, false }, body;
	uint8_t type = (uint8_t)wire_get(&in, 1);

	wire_skip(&in, 2); /* the version means nothing: 5.1 */
	body = wire_get_part(&in, wire_get(&in, 2));
	if (!wire_at_end(&in))
		return -EBADMSG;
	if (type == TLS_CHANGE_CIPHER_SPEC && tls->state != TLS_CLIENT_HELLO && !tls->changed) {
		tls->changed = true; /* D.4: one, which means nothing */
		return body.left == 1 && *body.p == 1 ? 0 : -EBADMSG;
	}
	if (tls->aead && type == TLS_APPLICATION_DATA) {
		int n = record_open(&tls->in, record, len, &type);

		if (n < 0)
			return n;
		body.left = (size_t)n;
	} else if (tls->aead && type != TLS_ALERT) {
		return -EBADMSG;
	}
	if (type == TLS_ALERT)
		return body.left == 2 && body.p[1] == DECRYPT_ERROR ? -EACCES : -EBADMSG;
	return type == TLS_HANDSHAKE ? take_messages(tls, body, out) : -EBADMSG;
}

/* In a frame of its own, which ktls_step() can wipe. */
__attribute__((noinline)) int tls_take(struct tls *tls, uint8_t *record, size_t len,
				       struct wire_out *out)
{
	struct wire_out begin = *out;
	int result = take_record(tls, record, len, out);

	if (result < 0 && !tls->aead) {
		*out = begin; /* the alert replaces a reply that was begun */
		tls_put_record_header(out, TLS_ALERT, 2);
		wire_put(out, FATAL, 1);
		wire_put(out, result == -EBADMSG ? HANDSHAKE_FAILURE : DECRYPT_ERROR, 1);
	}
	return result ? result : tls->state == TLS_DONE;
}
