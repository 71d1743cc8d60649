/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: what either end of a handshake makes of what it is sent. The first byte of the input
 * chooses the end, its ciphers, and how far a good handshake has come before; the rest are records
 * behind each other, as their headers say. Never a connection with who has no key: what the input can
 * replay is of a handshake with other random bytes.
 */
#include "tests/fuzz/fuzz.h"
#include "tls/handshake.h"

#include <errno.h>

static struct keys keys;
static struct psk key;

static void make_random(uint8_t random[TLS_RANDOM_SIZE], unsigned first)
{
	for (unsigned i = 0; i < TLS_RANDOM_SIZE; i++)
		random[i] = (uint8_t)(first + i * 7);
}

static void make_keys(void)
{
	HOLDS(!psk_parse(&keys.key[0], "phone:ffeeddccbbaa99887766554433221100"));
	HOLDS(!psk_parse(&keys.key[1], "laptop:00112233445566778899aabbccddeeff"));
	HOLDS(!psk_parse(&keys.key[2], "tablet:0f1e2d3c4b5a69788796a5b4c3d2e1f0"));
	keys.count = 3;
	key = keys.key[1];
}

static size_t stated_size(const uint8_t *record)
{
	return TLS_HEADER_SIZE + (size_t)(record[3] << 8 | record[4]);
}

/* A record in a block of its own size; what is answered goes behind reply. */
static int give(struct tls *tls, const uint8_t *record, size_t len, uint8_t *reply, size_t *replied)
{
	uint8_t *copy = malloc(len ? len : 1), *answer = malloc(TLS_REPLY_MAX);
	struct wire_out out = { answer, TLS_REPLY_MAX, false };
	int result;

	HOLDS(copy && answer);
	memcpy(copy, record, len);
	result = tls_take(tls, copy, len, &out);
	HOLDS(result == 0 || result == 1 || result == -EACCES || result == -EBADMSG ||
	      (result == -ENOKEY && tls->server));
	HOLDS(!out.bad && (size_t)(out.p - answer) <= TLS_REPLY_MAX);
	*replied = (size_t)(out.p - answer);
	if (reply)
		memcpy(reply, answer, *replied);
	free(copy);
	free(answer);
	return result;
}

/* The end that is tried, after so many good records. */
static void prepare(struct tls *tls, bool server, bool aes, unsigned records)
{
	uint8_t random[TLS_RANDOM_SIZE], hello[TLS_REPLY_MAX], flight[TLS_REPLY_MAX];
	struct wire_out out = { hello, sizeof(hello), false };
	struct tls client, other;
	size_t len;

	make_random(random, 3);
	tls_client(&client, &key, aes, random, &out);
	make_random(random, 101);
	tls_server(&other, &keys, aes, random);
	if (server && !records) {
		*tls = other;
		return;
	}
	HOLDS(!give(&other, hello, (size_t)(out.p - hello), flight, &len));
	if (!server && records)
		HOLDS(!give(&client, flight, stated_size(flight), NULL, &len));
	*tls = server ? other : client;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tls ready[8]; /* what computes is slow */
	struct tls tls;
	size_t replied;
	int result = 0;

	if (!size)
		return 0;
	if (!key.identity[0]) {
		make_keys();
		for (unsigned i = 0; i < 8; i++)
			prepare(&ready[i], i & 1, i & 2, i >> 2);
	}
	tls = ready[data[0] & 7];
	data++;
	size--;
	while (size && !result) {
		size_t len = size < TLS_HEADER_SIZE ? size : stated_size(data);

		if (len > size || len > TLS_RECORD_MAX)
			len = size < TLS_RECORD_MAX ? size : TLS_RECORD_MAX;
		result = give(&tls, data, len, NULL, &replied);
		HOLDS(result < 1);
		HOLDS(result < 0 || tls.state != TLS_DONE);
		data += len;
		size -= len;
	}
	return 0;
}
