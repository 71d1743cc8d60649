/* SPDX-License-Identifier: MIT */
/*
 * Tests of tls/handshake: both ends against each other in memory, with every truncation, every bit
 * flipped and every order of their records, and what either must refuse.
 */
#include "tls/handshake.h"

#include "tests/files.h"

#include <stdlib.h>

enum { RECORDS_MAX = 8 };

struct flight {
	unsigned count;
	size_t len[RECORDS_MAX];
	uint8_t record[RECORDS_MAX][TLS_REPLY_MAX];
};

/* One handshake, all of whose records are kept, in the order in which they were sent. */
struct run {
	struct keys keys; /* the server's */
	struct psk key;	  /* the client's */
	bool server_aes, client_aes;
	struct tls client, server;
	struct flight from_client, from_server;
	int client_result, server_result;
};

static const uint8_t secret[] = "a key that is known at both ends";

static void random_bytes(uint8_t bytes[TLS_RANDOM_SIZE], uint8_t first)
{
	for (unsigned i = 0; i < TLS_RANDOM_SIZE; i++)
		bytes[i] = (uint8_t)(first + 3 * i);
}

static void set_key(struct psk *key, const char *identity, const char *bytes)
{
	char line[PSK_LINE_SIZE];
	int len = snprintf(line, sizeof(line), "x:");

	for (; *bytes; bytes++)
		len += snprintf(line + len, sizeof(line) - (size_t)len, "%02x", (unsigned)*bytes);
	must(!psk_parse(key, line), "make a key");
	snprintf(key->identity, sizeof(key->identity), "%s", identity); /* also an empty one */
}

static void init(struct run *run)
{
	memset(run, 0, sizeof(*run));
	run->keys.count = 3;
	set_key(&run->keys.key[0], "other", "something else entirely");
	set_key(&run->keys.key[1], "laptop", (const char *)secret);
	set_key(&run->keys.key[2], "third", (const char *)secret);
	set_key(&run->key, "laptop", (const char *)secret);
	run->server_aes = run->client_aes = true;
}

/* What was put out, cut into records. */
static void keep(struct flight *flight, const uint8_t *bytes, const struct wire_out *out)
{
	size_t left = (size_t)(out->p - bytes);

	CHECK(!out->bad);
	while (left) {
		size_t len = (size_t)(TLS_HEADER_SIZE + (bytes[3] << 8 | bytes[4]));

		CHECK(len <= left && flight->count < RECORDS_MAX);
		if (len > left || flight->count >= RECORDS_MAX)
			return;
		memcpy(flight->record[flight->count], bytes, len);
		flight->len[flight->count++] = len;
		bytes += len;
		left -= len;
	}
}

/* One record, from an exact block of memory. */
static int give(struct tls *tls, struct flight *answer, const uint8_t *record, size_t len)
{
	uint8_t *in = block(record, len), *reply = block(NULL, TLS_REPLY_MAX);
	struct wire_out out = { reply, TLS_REPLY_MAX, false };
	int result = tls_take(tls, in, len, &out);

	keep(answer, reply, &out);
	block_free(in);
	block_free(reply);
	return result;
}

static int give_all(struct tls *tls, struct flight *answer, const struct flight *flight,
		    unsigned from)
{
	int result = 0;

	for (unsigned i = from; i < flight->count && !result; i++)
		result = give(tls, answer, flight->record[i], flight->len[i]);
	return result;
}

static void begin(struct run *run)
{
	uint8_t random[TLS_RANDOM_SIZE], reply[TLS_REPLY_MAX];
	struct wire_out out = { reply, sizeof(reply), false };

	random_bytes(random, 1);
	tls_client(&run->client, &run->key, run->client_aes, random, &out);
	keep(&run->from_client, reply, &out);
	random_bytes(random, 101);
	tls_server(&run->server, &run->keys, run->server_aes, random);
}

static void shake(struct run *run)
{
	begin(run);
	run->server_result = give_all(&run->server, &run->from_server, &run->from_client, 0);
	run->client_result = give_all(&run->client, &run->from_client, &run->from_server, 0);
	if (!run->server_result)
		run->server_result =
			give_all(&run->server, &run->from_server, &run->from_client, 1);
}

static void check_done(const struct run *run, const struct aead *aead)
{
	CHECK_INT(run->client_result, 1);
	CHECK_INT(run->server_result, 1);
	CHECK(run->client.aead == aead && run->server.aead == aead);
	CHECK(!memcmp(&run->client.in, &run->server.out, sizeof(run->client.in)));
	CHECK(!memcmp(&run->client.out, &run->server.in, sizeof(run->client.in)));
	CHECK(memcmp(&run->client.out, &run->client.in, sizeof(run->client.in)));
	CHECK_STR(run->server.key->identity, "laptop");
	CHECK_INT(run->client.in.sequence, 0);
	CHECK_INT(run->client.out.sequence, 0);
}

/* Of two ends that would both take AES. */
static const struct aead *best_cipher(void)
{
	return aes_is_there() ? &aes128gcm : &chacha20poly1305;
}

static void suites(void)
{
	for (unsigned i = 0; i < 4; i++) {
		struct run run;

		init(&run);
		run.server_aes = i & 1;
		run.client_aes = i & 2;
		shake(&run);
		check_done(&run, i == 3 ? best_cipher() : &chacha20poly1305);
	}
}

/* To the client the one looks like the other. */
static void refused_key(const char *identity, const char *bytes, int error)
{
	struct run run;

	init(&run);
	set_key(&run.key, identity, bytes);
	shake(&run);
	CHECK_INT(run.server_result, error);
	CHECK_INT(run.client_result, -EACCES);
	CHECK_INT(run.from_server.count, 1);
	CHECK_BYTES(run.from_server.record[0], "\x15\x03\x03\x00\x02\x02\x33", 7);
}

static void wrong_keys(void)
{
	refused_key("laptop", "another key than that", -EACCES);
	refused_key("nobody", (const char *)secret, -ENOKEY);
	refused_key("nobody", "something else entirely", -ENOKEY); /* the key of the first */
	refused_key("other", (const char *)secret, -EACCES);
	refused_key("lapto", (const char *)secret, -ENOKEY);
	refused_key("laptop2", (const char *)secret, -ENOKEY);
	refused_key("", (const char *)secret, -ENOKEY);
}

/* Only one alert says that the keys differ: 6.2. */
static void alerts(void)
{
	static const struct {
		uint8_t record[8];
		size_t len;
		int result;
	} table[] = {
		{ { 21, 3, 3, 0, 2, 2, 51 }, 7, -EACCES },
		{ { 21, 3, 3, 0, 2, 2, 40 }, 7, -EBADMSG },
		{ { 21, 3, 3, 0, 2, 2, 80 }, 7, -EBADMSG },
		{ { 21, 3, 3, 0, 1, 51 }, 6, -EBADMSG },
		{ { 21, 3, 3, 0, 3, 2, 51, 51 }, 8, -EBADMSG },
		{ { 21, 3, 3, 0, 0 }, 5, -EBADMSG },
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		struct run run;

		init(&run);
		begin(&run);
		CHECK_INT(give(&run.client, &run.from_client, table[i].record, table[i].len),
			  table[i].result);
	}
}

/* A good run, and either end as it was before each of its records. */
struct recorded {
	struct run good;
	struct tls before[4]; /* hello, reply, the rest of it, Finished */
};

static void record_run(struct recorded *recorded)
{
	struct run *run = &recorded->good;

	init(run);
	begin(run);
	recorded->before[0] = run->server;
	recorded->before[1] = run->client;
	CHECK_INT(give_all(&run->server, &run->from_server, &run->from_client, 0), 0);
	recorded->before[3] = run->server;
	give(&run->client, &run->from_client, run->from_server.record[0],
	     run->from_server.len[0]);
	recorded->before[2] = run->client;
	run->client_result = give_all(&run->client, &run->from_client, &run->from_server, 1);
	run->server_result = give_all(&run->server, &run->from_server, &run->from_client, 1);
	check_done(run, best_cipher());
	CHECK_INT(run->from_client.count, 2);
	CHECK_INT(run->from_server.count, 2);
}

/* Such a record instead of that one must not lead to a connection. */
static void check_refused(const struct recorded *recorded, unsigned which, const uint8_t *record,
			  size_t len)
{
	struct tls tls = recorded->before[which];
	struct flight answer = { 0 };
	int result = give(&tls, &answer, record, len);

	/* it must be noticed at the end at the latest: the transcript is another one */
	if (!result && which == 1)
		result = give(&tls, &answer, recorded->good.from_server.record[1],
			      recorded->good.from_server.len[1]);
	CHECK(result < 0);
}

static void damaged(bool flips)
{
	static struct recorded recorded;
	const struct flight *client = &recorded.good.from_client, *server = &recorded.good.from_server;
	const struct {
		const uint8_t *record;
		size_t len;
	} sent[4] = {
		{ client->record[0], client->len[0] },
		{ server->record[0], server->len[0] },
		{ server->record[1], server->len[1] },
		{ client->record[1], client->len[1] },
	};

	record_run(&recorded);
	for (unsigned n = 0; n < 4; n++) {
		uint8_t copy[TLS_REPLY_MAX];

		for (size_t i = 0; i < sent[n].len * (flips ? 8 : 1); i++) {
			size_t len = flips ? sent[n].len : i;

			memcpy(copy, sent[n].record, sent[n].len);
			if (flips) {
				copy[i / 8] ^= (uint8_t)(1 << i % 8);
				if (i / 8 == 1 || i / 8 == 2)
					continue; /* the version of a record means nothing */
			} else if (len >= TLS_HEADER_SIZE) { /* also one that is right by its length */
				check_refused(&recorded, n, copy, len);
				copy[3] = (uint8_t)((len - TLS_HEADER_SIZE) >> 8);
				copy[4] = (uint8_t)(len - TLS_HEADER_SIZE);
			}
			check_refused(&recorded, n, copy, len);
		}
	}
}

static void truncations(void)
{
	damaged(false);
}

static void flips(void)
{
	damaged(true);
}

/* Any record at any time, but the right one, is refused. */
static void orders(void)
{
	struct run good, run;

	init(&good);
	shake(&good);
	for (unsigned i = 0; i < 4; i++) {
		const struct flight *flight = i & 1 ? &good.from_server : &good.from_client;
		const uint8_t *record = flight->record[i / 2];
		size_t len = flight->len[i / 2];

		init(&run);
		begin(&run);
		if (i != 0)
			CHECK(give(&run.server, &run.from_server, record, len) < 0);
		if (i != 1)
			CHECK(give(&run.client, &run.from_client, record, len) < 0);
		init(&run);
		begin(&run);
		give_all(&run.server, &run.from_server, &run.from_client, 0);
		if (i != 2)
			CHECK(give(&run.server, &run.from_server, record, len) < 0);
		init(&run);
		begin(&run);
		give_all(&run.server, &run.from_server, &run.from_client, 0);
		CHECK_INT(give(&run.client, &run.from_client, run.from_server.record[0],
			       run.from_server.len[0]), 0);
		if (i != 3)
			CHECK(give(&run.client, &run.from_client, record, len) < 0);
		/* nor anything behind the end */
		init(&run);
		shake(&run);
		CHECK(give(&run.server, &run.from_server, record, len) < 0);
		init(&run);
		shake(&run);
		CHECK(give(&run.client, &run.from_client, record, len) < 0);
	}
}

/* Behind the hellos a message in plain text is refused, and nothing is sent back in plain text. */
static void plain_behind_hellos(void)
{
	static const uint8_t extensions[] = { TLS_FIRST_BYTE, 3, 3, 0, 6, 8, 0, 0, 2, 0, 0 };
	static struct recorded recorded;
	struct flight answer = { 0 };
	struct tls tls;

	record_run(&recorded);
	tls = recorded.before[2];
	CHECK_INT(give(&tls, &answer, extensions, sizeof(extensions)), -EBADMSG);
	CHECK_INT(tls.state, TLS_ENCRYPTED_EXTENSIONS);
	CHECK_INT(answer.count, 0);
}

/* A flight of another connection, with the same key: the random numbers differ. */
static void replayed(void)
{
	struct run good, run;
	uint8_t random[TLS_RANDOM_SIZE], reply[TLS_REPLY_MAX];
	struct wire_out out = { reply, sizeof(reply), false };

	init(&good);
	shake(&good);
	init(&run);
	begin(&run);
	random_bytes(random, 55);
	tls_server(&run.server, &run.keys, true, random);
	CHECK_INT(give_all(&run.server, &run.from_server, &good.from_client, 0) < 0, 1);
	init(&run);
	random_bytes(random, 77);
	tls_client(&run.client, &run.key, true, random, &out);
	CHECK(give_all(&run.client, &run.from_client, &good.from_server, 0) < 0);
}

/* The hello of a good run with so many bytes replaced at an extension's place. */
static uint8_t *find(uint8_t *record, size_t len, const void *bytes, size_t n)
{
	uint8_t *at = memmem(record, len, bytes, n);

	must(at, "find an extension");
	return at;
}

static void check_hello(struct run *run, int want)
{
	CHECK_INT(give(&run->server, &run->from_server, run->from_client.record[0],
		       run->from_client.len[0]),
		  want);
}

static void strict(void)
{
	struct run run;
	uint8_t *hello;

#define CHANGED(what, n, to)                                                                       \
	do {                                                                                       \
		init(&run);                                                                        \
		begin(&run);                                                                       \
		hello = run.from_client.record[0];                                                 \
		memcpy(find(hello, run.from_client.len[0], what, n), to, n);                       \
		check_hello(&run, -EBADMSG);                                                       \
	} while (0)
	CHANGED("\x00\x2b\x00\x03\x02\x03\x04", 7, "\x00\x2b\x00\x03\x02\x03\x03"); /* TLS 1.2 */
	CHANGED("\x00\x2b\x00\x03\x02\x03\x04", 7, "\x00\x2c\x00\x03\x02\x03\x04"); /* none */
	CHANGED("\x00\x0a\x00\x04\x00\x02\x00\x1d", 8,
		"\x00\x2a\x00\x04\x00\x02\x00\x1d"); /* early data */
	CHANGED("\x00\x2d\x00\x02\x01\x01", 6, "\x00\x2d\x00\x02\x01\x00"); /* psk_ke only */
	CHANGED("\x00\x33\x00\x26\x00\x24\x00\x1d", 8,
		"\x00\x33\x00\x26\x00\x24\x00\x17"); /* secp256r1 */
	CHANGED("\x13\x01\x13\x03", 4, "\x13\x02\x13\x04"); /* other suites */
	CHANGED("\x01\x00\x00", 3, "\x01\x01\x00");	    /* compression */
#undef CHANGED
	/* a byte behind the message, the record */
	for (unsigned i = 0; i < 2; i++) {
		init(&run);
		begin(&run);
		hello = run.from_client.record[0];
		run.from_client.len[0]++;
		if (!i) {
			hello[4]++;
			hello[8]++;
		}
		check_hello(&run, -EBADMSG);
	}
	/* a handshake message in two records, two messages in one */
	init(&run);
	begin(&run);
	hello = run.from_client.record[0];
	run.from_client.len[0] = 105;
	hello[3] = 0;
	hello[4] = 100;
	check_hello(&run, -EBADMSG);
}

/* What only who has the keys of the handshake could send. */
static void false_finished(void)
{
	struct run run;

	init(&run);
	begin(&run);
	give_all(&run.server, &run.from_server, &run.from_client, 0);
	CHECK_INT(give(&run.client, &run.from_client, run.from_server.record[0],
		       run.from_server.len[0]), 0);
	run.client.in.secret[5] ^= 1; /* the ciphers are made; Finished is not */
	CHECK_INT(give(&run.client, &run.from_client, run.from_server.record[1],
		       run.from_server.len[1]), -EBADMSG);
	init(&run);
	begin(&run);
	give_all(&run.server, &run.from_server, &run.from_client, 0);
	give_all(&run.client, &run.from_client, &run.from_server, 0);
	run.server.in.secret[5] ^= 1;
	CHECK_INT(give_all(&run.server, &run.from_server, &run.from_client, 1), -EBADMSG);
}

/* A server's hello with no share to speak of, and one with more behind it in the clear. */
static void false_hello(void)
{
	static const uint8_t share[] = { 0, 51, 0, 36, 0, 29, 0, 32 };
	static const uint8_t extensions[] = { 8, 0, 0, 2, 0, 0 };
	struct run run;
	uint8_t *hello;
	size_t len;

	init(&run);
	begin(&run);
	give_all(&run.server, &run.from_server, &run.from_client, 0);
	hello = run.from_server.record[0];
	len = run.from_server.len[0];
	memset(find(hello, len, share, sizeof(share)) + sizeof(share), 0, X25519_SIZE);
	CHECK_INT(give(&run.client, &run.from_client, hello, len), -EBADMSG);
	init(&run);
	begin(&run);
	give_all(&run.server, &run.from_server, &run.from_client, 0);
	memcpy(hello + len, extensions, sizeof(extensions));
	hello[4] = (uint8_t)(hello[4] + sizeof(extensions));
	CHECK_INT(give(&run.client, &run.from_client, hello, len + sizeof(extensions)), -EBADMSG);
}

static void change_cipher_spec(void)
{
	static const uint8_t change[] = { 20, 3, 3, 0, 1, 1 }, wrong[] = { 20, 3, 3, 0, 1, 2 };
	struct run run;

	init(&run);
	begin(&run);
	CHECK_INT(give(&run.server, &run.from_server, change, sizeof(change)), -EBADMSG);
	init(&run);
	begin(&run);
	give_all(&run.server, &run.from_server, &run.from_client, 0);
	CHECK_INT(give(&run.client, &run.from_client, change, sizeof(change)), 0);
	CHECK_INT(give(&run.client, &run.from_client, run.from_server.record[0],
		       run.from_server.len[0]), 0);
	CHECK_INT(give(&run.client, &run.from_client, run.from_server.record[1],
		       run.from_server.len[1]), 1);
	CHECK_INT(give(&run.server, &run.from_server, change, sizeof(change)), 0);
	CHECK_INT(give(&run.server, &run.from_server, run.from_client.record[1],
		       run.from_client.len[1]), 1);
	init(&run);
	begin(&run);
	give_all(&run.server, &run.from_server, &run.from_client, 0);
	CHECK_INT(give(&run.server, &run.from_server, wrong, sizeof(wrong)), -EBADMSG);
}

/* A peer that sends nothing else would keep this end busy. */
static void change_cipher_spec_once(void)
{
	static const uint8_t change[] = { 20, 3, 3, 0, 1, 1 };
	struct run run;

	init(&run);
	begin(&run);
	CHECK_INT(give(&run.client, &run.from_client, change, sizeof(change)), 0);
	CHECK_INT(give(&run.client, &run.from_client, change, sizeof(change)), -EBADMSG);
	init(&run);
	begin(&run);
	give_all(&run.server, &run.from_server, &run.from_client, 0);
	CHECK_INT(give(&run.server, &run.from_server, change, sizeof(change)), 0);
	CHECK_INT(give(&run.server, &run.from_server, change, sizeof(change)), -EBADMSG);
	init(&run);
	begin(&run);
	give_all(&run.server, &run.from_server, &run.from_client, 0);
	CHECK_INT(give(&run.client, &run.from_client, change, sizeof(change)), 0);
	CHECK_INT(give(&run.client, &run.from_client, run.from_server.record[0],
		       run.from_server.len[0]), 0);
	CHECK_INT(give(&run.client, &run.from_client, change, sizeof(change)), -EBADMSG);
}

/* Never beyond what it was given, never a connection: whatever comes, whenever. */
static void noise(void)
{
	static struct recorded recorded;

	record_run(&recorded);
	srandom(1);
	for (unsigned n = 0; n < 20000; n++) {
		uint8_t record[300];
		size_t len = (size_t)random() % sizeof(record);

		for (size_t i = 0; i < len; i++)
			record[i] = (uint8_t)random();
		if (len >= TLS_HEADER_SIZE) {
			record[0] = (uint8_t)(21 + random() % 3);
			record[3] = (uint8_t)((len - TLS_HEADER_SIZE) >> 8);
			record[4] = (uint8_t)(len - TLS_HEADER_SIZE);
		}
		if (n % 2) { /* a hello with a few other bytes */
			len = recorded.good.from_client.len[0];
			memcpy(record, recorded.good.from_client.record[0], len);
			for (unsigned i = 0; i < 1 + n % 5; i++)
				record[5 + (size_t)random() % (len - 5)] ^= (uint8_t)(1 + random() % 255);
		}
		check_refused(&recorded, n % 2 ? 0 : n / 2 % 4, record, len);
	}
}

/* The records of a recording, one at a time: how many there are. */
static unsigned cut(const uint8_t *bytes, size_t len, const uint8_t *record[8])
{
	unsigned n = 0;

	for (size_t at = 0; at < len; n++) {
		must(n < 8, "cut a recording");
		record[n] = bytes + at;
		at += (size_t)(TLS_HEADER_SIZE + (bytes[at + 3] << 8 | bytes[at + 4]));
		must(at <= len, "cut a recording");
	}
	return n;
}

static size_t size_of(const uint8_t *record)
{
	return (size_t)(TLS_HEADER_SIZE + (record[3] << 8 | record[4]));
}

/* The client's traffic secret, then the server's. */
static void check_secrets(const struct tls *tls, const uint8_t *want)
{
	const struct tls_cipher *client = tls->server ? &tls->in : &tls->out;
	const struct tls_cipher *server = tls->server ? &tls->out : &tls->in;

	CHECK_BYTES(client->secret, want, SHA256_SIZE);
	CHECK_BYTES(server->secret, want + SHA256_SIZE, SHA256_SIZE);
}

/*
 * What was said with OpenSSL once (tests/net/t_tls.py record): with the same random bytes we say
 * the same, take what it says, and have the secrets that it wrote to its key log.
 */
static void recording(const char *name, bool server, const struct aead *aead)
{
	static const char *const parts[] = { "ours", "theirs", "secrets" };
	uint8_t *bytes[3], reply[2 * TLS_REPLY_MAX];
	const uint8_t *record[8];
	struct wire_out out = { reply, sizeof(reply), false };
	unsigned records, taken = 0;
	static struct keys keys = { .count = 1 };
	struct tls tls;
	size_t len[3];
	int result = 0;

	for (unsigned i = 0; i < 3; i++) {
		char path[200];

		snprintf(path, sizeof(path), FIXTURES "tls/%s_%s.hex", name, parts[i]);
		bytes[i] = hex_read(path, &len[i], NULL);
	}
	must(len[2] == TLS_RANDOM_SIZE + 4 * SHA256_SIZE, "read the secrets");
	must(!psk_parse(keys.key, "laptop:00112233445566778899aabbccddeeff"), "make a key");
	if (server)
		tls_server(&tls, &keys, true, bytes[2]);
	else
		tls_client(&tls, keys.key, true, bytes[2], &out);
	records = cut(bytes[1], len[1], record);
	for (; taken < records && !result; taken++) {
		uint8_t *exact = block(record[taken], size_of(record[taken]));

		result = tls_take(&tls, exact, size_of(record[taken]), &out);
		block_free(exact);
		if (tls.aead && result != 1) /* behind the hellos */
			check_secrets(&tls, bytes[2] + TLS_RANDOM_SIZE);
	}
	CHECK_INT(result, 1);
	CHECK_INT(taken, records);
	CHECK(tls.aead == aead);
	check_secrets(&tls, bytes[2] + TLS_RANDOM_SIZE + 2 * SHA256_SIZE);
	CHECK(!out.bad);
	CHECK_INT(out.p - reply, len[0]);
	CHECK_BYTES(reply, bytes[0], len[0]);
	for (unsigned i = 0; i < 3; i++)
		block_free(bytes[i]);
}

static void recordings(void)
{
	recording("client_chacha", false, &chacha20poly1305);
	recording("server_chacha", true, &chacha20poly1305);
}

static void aes_recordings(void)
{
	recording("client_aes", false, &aes128gcm);
	recording("server_aes", true, &aes128gcm);
}

int main(void)
{
	RUN("the suites that both ends have", suites);
	RUN("unknown identities and wrong keys are refused alike", wrong_keys);
	RUN("alerts", alerts);
	RUN("every truncation of every record", truncations);
	RUN("every bit of every record flipped", flips);
	RUN("every record out of its order", orders);
	RUN("plain text behind the hellos", plain_behind_hellos);
	RUN("records of another connection", replayed);
	RUN("what a hello must say", strict);
	RUN("a Finished that is not the right one", false_finished);
	RUN("hellos of a server that is none", false_hello);
	RUN("change_cipher_spec is skipped where it may be", change_cipher_spec);
	RUN("change_cipher_spec is skipped once", change_cipher_spec_once);
	RUN("noise", noise);
	RUN("recordings of handshakes with OpenSSL", recordings);
	if (aes_is_there())
		RUN("recordings of handshakes with OpenSSL, with AES", aes_recordings);
	else
		printf("# left out - AES: this processor has no instructions for it\n");
	return check_status();
}
