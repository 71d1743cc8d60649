/* SPDX-License-Identifier: MIT */
/* The handshake of TLS 1.3 with an external pre-shared key; sections are those of RFC 8446. */
#include "tls/handshake.h"

#include <errno.h>
#include <string.h>

/* 5.1, B.1 */
enum { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, APPLICATION_DATA = 23 };
/* 4, B.3 */
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2, ENCRYPTED_EXTENSIONS = 8, FINISHED = 20 };
/* 4.2, B.3.1 */
enum {
	SUPPORTED_GROUPS = 10,
	PRE_SHARED_KEY = 41,
	EARLY_DATA = 42,
	SUPPORTED_VERSIONS = 43,
	PSK_KEY_EXCHANGE_MODES = 45,
	KEY_SHARE = 51,
};
/* 6.2 */
enum { FATAL = 2, HANDSHAKE_FAILURE = 40, DECRYPT_ERROR = 51 };

enum {
	VERSION_1_2 = 0x0303, /* what records and hellos of 1.3 say */
	VERSION_1_3 = 0x0304,
	AES_128_GCM_SHA256 = 0x1301,
	CHACHA20_POLY1305_SHA256 = 0x1303,
	X25519 = 0x001d,
	PSK_DHE_KE = 1,
	SESSION_ID_MAX = 32,
	MESSAGE_HEADER_SIZE = 4,
	FINISHED_SIZE = MESSAGE_HEADER_SIZE + SHA256_SIZE,
	BINDERS_SIZE = 2 + 1 + SHA256_SIZE,
	SERVER_EXTENSIONS_SIZE = 6 + 8 + X25519_SIZE + 6,
};

/* What is waited for. */
enum { FOR_CLIENT_HELLO, FOR_SERVER_HELLO, FOR_EXTENSIONS, FOR_FINISHED, FOR_NOTHING };
/* Whose traffic secret. */
enum { OF_CLIENT, OF_SERVER };

void tls_wipe(struct tls *tls)
{
	explicit_bzero(tls, sizeof(*tls));
}

static void put_bytes(struct wire_out *out, const void *bytes, size_t len)
{
	for (const uint8_t *p = bytes; len--; p++)
		wire_put8(out, *p);
}

/*
 * What is to be read. It goes in registers, and once something was read beyond its end it is
 * nothing, whose numbers are 0, for good.
 */
struct span {
	const uint8_t *p, *end;
};

static size_t left(struct span span)
{
	return (size_t)(span.end - span.p);
}

/* All of it was there, and was read. */
static bool is_over(struct span span)
{
	return span.p && span.p == span.end;
}

/* The next so many bytes. */
static struct span cut(struct span *from, size_t size)
{
	struct span part = { 0 };

	if (!from->p || left(*from) < size)
		return *from = part;
	part.p = from->p;
	part.end = from->p += size;
	return part;
}

/* A number of so many bytes. */
static uint32_t number(struct span *from, unsigned size)
{
	struct span part = cut(from, size);
	uint32_t value = 0;

	while (part.p < part.end)
		value = value << 8 | *part.p++;
	return value;
}

/* A vector (3.4) with a length of so many bytes: what is in it. */
static struct span vector(struct span *from, unsigned size)
{
	return cut(from, number(from, size));
}

/* Whether a list of numbers of so many bytes has that one. */
static bool list_has(struct span list, unsigned size, unsigned wanted)
{
	bool has = false;

	while (left(list))
		has |= number(&list, size) == wanted;
	return has && list.p;
}

static void add_span(struct tls *tls, struct span span)
{
	sha256_add(&tls->transcript, span.p, left(span));
}

static void transcript_hash(const struct tls *tls, uint8_t digest[SHA256_SIZE])
{
	struct sha256 hash = tls->transcript;

	sha256_end(&hash, digest);
}

/* 7.1: Derive-Secret of no message */
static void derive_empty(uint8_t out[SHA256_SIZE], const uint8_t *secret, const char *label)
{
	struct sha256 hash;
	uint8_t empty[SHA256_SIZE];

	sha256_start(&hash);
	sha256_end(&hash, empty);
	hkdf_label(out, SHA256_SIZE, secret, label, empty);
}

/* 7.1: the next secret of the schedule */
static void schedule(struct tls *tls, const uint8_t input[SHA256_SIZE])
{
	uint8_t salt[SHA256_SIZE];

	derive_empty(salt, tls->secret, "derived");
	hmac(tls->secret, salt, sizeof(salt), input, SHA256_SIZE);
}

/* 7.1: Derive-Secret for both directions; names of equal length, the client's first */
static void derive_traffic(struct tls *tls, const char *client, const char *server)
{
	uint8_t digest[SHA256_SIZE];

	transcript_hash(tls, digest);
	hkdf_label(tls->traffic[OF_CLIENT], SHA256_SIZE, tls->secret, client, digest);
	hkdf_label(tls->traffic[OF_SERVER], SHA256_SIZE, tls->secret, server, digest);
}

/* 7.3 */
static void set_cipher(const struct tls *tls, struct tls_cipher *cipher, const uint8_t *secret)
{
	hkdf_label(cipher->key, tls->aead->key_size, secret, "key", NULL);
	hkdf_label(cipher->iv, sizeof(cipher->iv), secret, "iv", NULL);
	cipher->sequence = 0;
}

static void set_ciphers(struct tls *tls)
{
	set_cipher(tls, &tls->in, tls->traffic[tls->server ? OF_CLIENT : OF_SERVER]);
	set_cipher(tls, &tls->out, tls->traffic[tls->server ? OF_SERVER : OF_CLIENT]);
}

/* 4.4.4, also a binder: 4.2.11.2 */
static void finished_mac(uint8_t mac[SHA256_SIZE], const uint8_t base[SHA256_SIZE],
			 const uint8_t digest[SHA256_SIZE])
{
	uint8_t key[SHA256_SIZE];

	hkdf_label(key, sizeof(key), base, "finished", NULL);
	hmac(mac, key, sizeof(key), digest, SHA256_SIZE);
}

/* Of a client's hello, whose first bytes, up to the binders, are in the transcript. */
static void binder_mac(const struct tls *tls, const struct psk *key, uint8_t mac[SHA256_SIZE])
{
	uint8_t base[SHA256_SIZE], digest[SHA256_SIZE];

	derive_empty(base, key->secret, "ext binder");
	transcript_hash(tls, digest);
	finished_mac(mac, base, digest);
}

/* 5.3 */
static void make_nonce(uint8_t nonce[AEAD_NONCE_SIZE], struct tls_cipher *cipher)
{
	memcpy(nonce, cipher->iv, AEAD_NONCE_SIZE);
	for (unsigned i = 0; i < 8; i++)
		nonce[AEAD_NONCE_SIZE - 1 - i] ^= (uint8_t)(cipher->sequence >> (8 * i));
	cipher->sequence++;
}

static void put_header(struct wire_out *out, uint8_t type, size_t len)
{
	wire_put8(out, type);
	wire_put16(out, VERSION_1_2);
	wire_put16(out, (uint16_t)len);
}

/* 5.2: messages become a record under the keys of the handshake. */
static void put_sealed(struct tls *tls, struct wire_out *out, const uint8_t *messages, size_t len)
{
	uint8_t nonce[AEAD_NONCE_SIZE], *header = out->p;

	put_header(out, APPLICATION_DATA, len + 1 + AEAD_TAG_SIZE);
	put_bytes(out, messages, len);
	wire_put8(out, HANDSHAKE);
	make_nonce(nonce, &tls->out);
	if (out->left >= AEAD_TAG_SIZE)
		aead_seal(tls->aead, tls->out.key, nonce, header, TLS_HEADER_SIZE,
			  header + TLS_HEADER_SIZE, len + 1);
	out->p += AEAD_TAG_SIZE;
	out->left -= AEAD_TAG_SIZE;
}

static void make_finished(const struct tls *tls, uint8_t message[FINISHED_SIZE], unsigned whose)
{
	static const uint8_t header[MESSAGE_HEADER_SIZE] = { FINISHED, 0, 0, SHA256_SIZE };
	uint8_t digest[SHA256_SIZE];

	memcpy(message, header, sizeof(header));
	transcript_hash(tls, digest);
	finished_mac(message + sizeof(header), tls->traffic[whose], digest);
}

/* 4.2.8: the one of ours */
static void put_share(const struct tls *tls, struct wire_out *out)
{
	uint8_t public[X25519_SIZE];

	x25519_public(public, tls->own);
	wire_put16(out, X25519);
	wire_put16(out, sizeof(public));
	put_bytes(out, public, sizeof(public));
}

/* What both begin with; where the message is. */
static uint8_t *begin_hello(const struct tls *tls, struct wire_out *out, uint8_t type,
			    uint16_t body)
{
	uint8_t *message;

	put_header(out, HANDSHAKE, (size_t)MESSAGE_HEADER_SIZE + body);
	message = out->p;
	wire_put32(out, (uint32_t)type << 24 | body);
	wire_put16(out, VERSION_1_2);
	put_bytes(out, tls->random, sizeof(tls->random));
	return message;
}

/* 4.1.2. The lengths are counted from what follows. */
static void put_client_hello(struct tls *tls, struct wire_out *out)
{
	static const uint8_t fixed[] = {
		0, SUPPORTED_VERSIONS, 0, 3, 2, 3, 4,
		0, SUPPORTED_GROUPS, 0, 4, 0, 2, 0, X25519,
		0, PSK_KEY_EXCHANGE_MODES, 0, 2, 1, PSK_DHE_KE,
		0, KEY_SHARE, 0, 6 + X25519_SIZE, 0, 4 + X25519_SIZE,
	};
	uint16_t identity = (uint16_t)strlen(tls->key->identity);
	uint16_t suites = tls->aes ? 4 : 2;
	uint16_t psk = (uint16_t)(2 + 2 + identity + 4 + BINDERS_SIZE);
	uint16_t extensions = (uint16_t)(sizeof(fixed) + 4 + X25519_SIZE + 4 + psk);
	uint16_t body = (uint16_t)(2 + 32 + 1 + 2 + suites + 2 + 2 + extensions);
	uint8_t mac[SHA256_SIZE], *message;

	message = begin_hello(tls, out, CLIENT_HELLO, body);
	wire_put8(out, 0); /* session id */
	wire_put16(out, suites);
	if (tls->aes)
		wire_put16(out, AES_128_GCM_SHA256);
	wire_put16(out, CHACHA20_POLY1305_SHA256);
	wire_put16(out, 0x0100); /* no compression */
	wire_put16(out, extensions);
	put_bytes(out, fixed, sizeof(fixed));
	put_share(tls, out);
	wire_put16(out, PRE_SHARED_KEY); /* the last one: 4.2.11 */
	wire_put16(out, psk);
	wire_put16(out, (uint16_t)(2 + identity + 4));
	wire_put16(out, identity);
	put_bytes(out, tls->key->identity, identity);
	wire_put32(out, 0); /* no ticket has an age */
	sha256_add(&tls->transcript, message, (size_t)(out->p - message));
	binder_mac(tls, tls->key, mac);
	message = out->p;
	wire_put16(out, 1 + SHA256_SIZE);
	wire_put8(out, SHA256_SIZE);
	put_bytes(out, mac, sizeof(mac));
	sha256_add(&tls->transcript, message, (size_t)(out->p - message));
}

static void start(struct tls *tls, bool server, const struct psk *key, bool aes,
		  const uint8_t *random)
{
	memset(tls, 0, sizeof(*tls));
	tls->server = server;
	tls->key = key;
	tls->aes = aes;
	memcpy(tls->random, random, sizeof(tls->random));
	memcpy(tls->own, random + sizeof(tls->random), sizeof(tls->own));
	sha256_start(&tls->transcript);
}

void tls_server(struct tls *tls, const struct psk *keys, unsigned count, bool aes,
		const uint8_t *random)
{
	start(tls, true, keys, aes, random);
	tls->keys = (uint16_t)count;
	tls->state = FOR_CLIENT_HELLO;
}

void tls_client(struct tls *tls, const struct psk *key, bool aes, const uint8_t *random,
		struct wire_out *out)
{
	start(tls, false, key, aes, random);
	tls->state = FOR_SERVER_HELLO;
	put_client_hello(tls, out);
}

/* Both hellos are in the transcript: the keys of the handshake. */
static int agree(struct tls *tls, uint16_t suite, const uint8_t *share)
{
	uint8_t shared[X25519_SIZE];

	if (!x25519(shared, tls->own, share))
		return -EBADMSG;
	tls->aead = suite == AES_128_GCM_SHA256 ? &aes128gcm : &chacha20poly1305;
	memcpy(tls->secret, tls->key->secret, sizeof(tls->secret));
	schedule(tls, shared);
	explicit_bzero(shared, sizeof(shared));
	derive_traffic(tls, "c hs traffic", "s hs traffic");
	set_ciphers(tls);
	return 0;
}

/*
 * The server's Finished is in the transcript: the client's, and the secrets of the application's
 * data. The ciphers are still those of the handshake.
 */
static void finish(struct tls *tls)
{
	static const uint8_t zeros[SHA256_SIZE];

	make_finished(tls, tls->finished, OF_CLIENT);
	schedule(tls, zeros);
	derive_traffic(tls, "c ap traffic", "s ap traffic");
}

/* What a hello says. */
struct hello {
	struct span session_id, identities;
	struct span share;   /* of X25519 */
	struct span binders; /* with their length, up to the end of the message */
	uint16_t suite;
	bool modern;   /* of version 1.3 */
	bool exchange; /* psk_dhe_ke will do; of the server: it has taken the key */
};

/* 4.2.8: the share of X25519 in a list of them */
static struct span find_share(struct span list)
{
	struct span found = { 0 };

	while (left(list)) {
		bool right = number(&list, 2) == X25519;
		struct span share = vector(&list, 2);

		if (right && left(share) == X25519_SIZE)
			found = share;
	}
	return list.p ? found : list;
}

/* One extension; one that is not known here is nobody's business. The server's have no lists. */
static void take_extension(struct hello *hello, unsigned type, struct span body, bool of_client)
{
	switch (type) {
	case SUPPORTED_VERSIONS:
		hello->modern = list_has(of_client ? vector(&body, 1) : body, 2, VERSION_1_3);
		break;
	case PSK_KEY_EXCHANGE_MODES:
		hello->exchange = list_has(vector(&body, 1), 1, PSK_DHE_KE);
		break;
	case KEY_SHARE:
		hello->share = find_share(of_client ? vector(&body, 2) : body);
		break;
	case PRE_SHARED_KEY:
		if (of_client)
			hello->identities = vector(&body, 2);
		else
			hello->exchange = list_has(body, 2, 0);
		hello->binders = body;
		break;
	}
}

/*
 * 4.1.2 and 4.1.3: false when it is none that is understood here. in is the whole message. A
 * server's that asks for another hello (4.1.4) has no share.
 */
static bool parse_hello(struct hello *hello, struct span in, bool of_client, bool aes)
{
	struct span suites, extensions;

	memset(hello, 0, sizeof(*hello));
	cut(&in, MESSAGE_HEADER_SIZE + 2 + 32); /* the version, random */
	hello->session_id = vector(&in, 1);
	suites = of_client ? vector(&in, 2) : cut(&in, 2);
	if (list_has(suites, 2, CHACHA20_POLY1305_SHA256))
		hello->suite = CHACHA20_POLY1305_SHA256;
	if (aes && list_has(suites, 2, AES_128_GCM_SHA256))
		hello->suite = AES_128_GCM_SHA256;
	/* no compression, of a list with just that */
	if (number(&in, of_client ? 2 : 1) != (of_client ? 0x100 : 0))
		return false;
	extensions = vector(&in, 2);
	if (!of_client && (left(extensions) != SERVER_EXTENSIONS_SIZE || left(hello->session_id)))
		return false;
	while (left(extensions)) {
		unsigned type = number(&extensions, 2);
		struct span body = vector(&extensions, 2);

		if (hello->identities.p || type == EARLY_DATA)
			return false; /* the key's extension is the last: 4.2.11 */
		take_extension(hello, type, body, of_client);
	}
	return is_over(in) && extensions.p && hello->suite && hello->modern && hello->exchange &&
	       hello->share.p && hello->binders.p && left(hello->session_id) <= SESSION_ID_MAX;
}

static const struct psk *find_key(const struct tls *tls, struct span identity)
{
	for (const struct psk *key = tls->key; key < tls->key + tls->keys; key++)
		if (strlen(key->identity) == left(identity) &&
		    !memcmp(key->identity, identity.p, left(identity)))
			return key;
	return NULL;
}

/* 4.2.11: the first identity that is known here, and what the client has bound to it. */
static const struct psk *choose_key(const struct tls *tls, const struct hello *hello,
				    uint16_t *index, const uint8_t **binder)
{
	struct span identities = hello->identities, rest = hello->binders;
	struct span binders = vector(&rest, 2);
	const struct psk *key = NULL;

	*binder = NULL;
	for (uint16_t i = 0; left(identities); i++) {
		struct span identity = vector(&identities, 2), mac;

		number(&identities, 4);
		mac = vector(&binders, 1);
		if (key || left(mac) != SHA256_SIZE)
			continue;
		key = find_key(tls, identity);
		*index = i;
		*binder = mac.p;
	}
	return is_over(identities) && is_over(binders) && is_over(rest) ? key : NULL;
}

static void put_server_hello(struct tls *tls, struct wire_out *out, const struct hello *hello,
			     uint16_t index)
{
	static const uint8_t fixed[] = { 0, SUPPORTED_VERSIONS, 0, 2, 3, 4,
					 0, KEY_SHARE, 0, 4 + X25519_SIZE };
	uint16_t body = (uint16_t)(2 + 32 + 1 + left(hello->session_id) + 3 + 2 +
				   SERVER_EXTENSIONS_SIZE);
	uint8_t *message = begin_hello(tls, out, SERVER_HELLO, body);

	wire_put8(out, (uint8_t)left(hello->session_id));
	put_bytes(out, hello->session_id.p, left(hello->session_id));
	wire_put16(out, hello->suite);
	wire_put8(out, 0); /* no compression */
	wire_put16(out, SERVER_EXTENSIONS_SIZE);
	put_bytes(out, fixed, sizeof(fixed));
	put_share(tls, out);
	wire_put32(out, PRE_SHARED_KEY << 16 | 2);
	wire_put16(out, index);
	sha256_add(&tls->transcript, message, (size_t)(out->p - message));
}

static int take_client_hello(struct tls *tls, struct span message, struct wire_out *out)
{
	static const uint8_t extensions[] = { ENCRYPTED_EXTENSIONS, 0, 0, 2, 0, 0 };
	uint8_t mac[SHA256_SIZE], flight[sizeof(extensions) + FINISHED_SIZE];
	const struct psk *key;
	struct hello hello;
	const uint8_t *binder;
	uint16_t index = 0;
	int error;

	if (!parse_hello(&hello, message, true, tls->aes))
		return -EBADMSG;
	add_span(tls, (struct span){ message.p, hello.binders.p });
	key = choose_key(tls, &hello, &index, &binder);
	binder_mac(tls, key ? key : tls->key, mac); /* nobody's takes as long */
	if (!binder || !aead_same(mac, binder, sizeof(mac)) || !key)
		return key ? -EACCES : -ENOKEY;
	tls->key = key;
	add_span(tls, hello.binders);
	put_server_hello(tls, out, &hello, index);
	error = agree(tls, hello.suite, hello.share.p);
	if (error)
		return error;
	memcpy(flight, extensions, sizeof(extensions));
	sha256_add(&tls->transcript, extensions, sizeof(extensions));
	make_finished(tls, flight + sizeof(extensions), OF_SERVER);
	sha256_add(&tls->transcript, flight + sizeof(extensions), FINISHED_SIZE);
	put_sealed(tls, out, flight, sizeof(flight));
	finish(tls);
	tls->state = FOR_FINISHED;
	return 0;
}

static int take_server_hello(struct tls *tls, struct span message)
{
	struct hello hello;

	if (!parse_hello(&hello, message, false, tls->aes))
		return -EBADMSG;
	add_span(tls, message);
	tls->state = FOR_EXTENSIONS;
	return agree(tls, hello.suite, hello.share.p);
}

static int take_extensions(struct tls *tls, struct span message)
{
	struct span in = message;

	cut(&in, MESSAGE_HEADER_SIZE);
	vector(&in, 2);
	if (!is_over(in))
		return -EBADMSG;
	add_span(tls, message);
	tls->state = FOR_FINISHED;
	return 0;
}

static int take_finished(struct tls *tls, struct span message, struct wire_out *out)
{
	if (!tls->server)
		make_finished(tls, tls->finished, OF_SERVER);
	if (left(message) != FINISHED_SIZE || !aead_same(message.p, tls->finished, FINISHED_SIZE))
		return -EBADMSG;
	if (!tls->server) {
		add_span(tls, message);
		finish(tls);
		put_sealed(tls, out, tls->finished, FINISHED_SIZE);
	}
	set_ciphers(tls);
	tls->state = FOR_NOTHING;
	return 1;
}

static int take_message(struct tls *tls, uint8_t type, struct span message, struct wire_out *out)
{
	static const uint8_t wanted[] = { CLIENT_HELLO, SERVER_HELLO, ENCRYPTED_EXTENSIONS,
					  FINISHED, 0 };

	if (type != wanted[tls->state])
		return -EBADMSG;
	switch (type) {
	case CLIENT_HELLO:
		return take_client_hello(tls, message, out);
	case SERVER_HELLO:
		return take_server_hello(tls, message);
	case ENCRYPTED_EXTENSIONS:
		return take_extensions(tls, message);
	default:
		return take_finished(tls, message, out);
	}
}

/* Messages of a record. The keys change behind hellos and Finished: those are its last (5.1). */
static int take_messages(struct tls *tls, struct span in, struct wire_out *out)
{
	int result = -EBADMSG;

	while (left(in)) {
		struct span message = { in.p, NULL };
		unsigned type = number(&in, 1);

		vector(&in, 3);
		message.end = in.p;
		if (!in.p || (left(in) && type != ENCRYPTED_EXTENSIONS))
			return -EBADMSG;
		result = take_message(tls, (uint8_t)type, message, out);
		if (result < 0)
			return result;
	}
	return result;
}

/* 5.2: decrypts what is behind the header; its type, or 0 when it is forged or nothing. */
static uint8_t open_record(struct tls *tls, uint8_t *record, struct span *in)
{
	uint8_t nonce[AEAD_NONCE_SIZE], *text = record + TLS_HEADER_SIZE;
	size_t len = left(*in) - AEAD_TAG_SIZE;

	if (left(*in) < AEAD_TAG_SIZE)
		return 0;
	make_nonce(nonce, &tls->in);
	if (!aead_open(tls->aead, tls->in.key, nonce, record, TLS_HEADER_SIZE, text, len))
		return 0;
	while (len && !text[len - 1])
		len--; /* padding, 5.4 */
	if (!len)
		return 0;
	in->end = text + --len;
	return text[len];
}

static int take_record(struct tls *tls, uint8_t *record, size_t len, struct wire_out *out)
{
	struct span in = { record, record + len }, body;
	unsigned type = number(&in, 1);

	number(&in, 2); /* the version means nothing: 5.1 */
	body = vector(&in, 2);
	if (!is_over(in))
		return -EBADMSG;
	if (type == CHANGE_CIPHER_SPEC && tls->state != FOR_CLIENT_HELLO)
		return left(body) == 1 && *body.p == 1 ? 0 : -EBADMSG; /* D.4 */
	if (tls->aead && type == APPLICATION_DATA)
		type = open_record(tls, record, &body);
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
	*out = begin;
	put_header(out, ALERT, 2);
	wire_put8(out, FATAL);
	wire_put8(out, result == -EBADMSG ? HANDSHAKE_FAILURE : DECRYPT_ERROR);
	return result;
}
