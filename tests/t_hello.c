/* SPDX-License-Identifier: MIT */
/*
 * Tests of tls/hello: a client's and a server's hello that are right, each then wrong in one place.
 * Whole handshakes are in t_handshake.
 */
#include "tls/handshake_internal.h"

#include "tests/check.h"

/* How a hello differs from one that is right; all zeros: it does not. */
struct fault {
	bool accepted; /* nevertheless */
	unsigned session_id; /* its length */
	const char *suites, *compression, *versions, *modes, *shares, *psk; /* instead of ours */
	size_t len; /* of that text */
	bool behind; /* an extension behind pre_shared_key */
	unsigned extra_type, extra_len; /* an extension in front of it */
	size_t cut, more; /* bytes at the end of the message */
};

static struct wire_out out;

static void put(const char *bytes, size_t len)
{
	wire_put_bytes(&out, bytes, len);
}

/* The text of the fault, or of a hello that is right. */
#define EITHER(field, right)                                                                       \
	(fault->field ? put(fault->field, fault->len) : put(right, sizeof(right) - 1))

static void extension(unsigned type, const char *body, size_t len)
{
	wire_put(&out, type, 2);
	wire_put(&out, len, 2);
	put(body, len);
}

#define EXTENSION(type, field, right)                                                              \
	extension(type, fault->field ? fault->field : (right),                                     \
		  fault->field ? fault->len : sizeof(right) - 1)

#define KEY "abcdefghijklmnopqrstuvwxyz012345"
#define CLIENT_SHARES "\0\x24\0\x1d\0\x20" KEY
#define CLIENT_PSK "\0\x08\0\2me\0\0\0\0" "\0\x21\x20" KEY
#define SUITES "\0\4\x13\1\x13\3"

static size_t make(uint8_t *buf, size_t size, const struct fault *fault, bool client)
{
	struct wire_out at;
	uint8_t *begin;

	out = (struct wire_out){ buf, size, false };
	wire_put(&out, 0, 4); /* the header is not looked at here */
	wire_put(&out, TLS_VERSION_1_2, 2);
	put(KEY, 32);
	wire_put(&out, fault->session_id, 1);
	for (unsigned i = 0; i < fault->session_id; i++)
		wire_put(&out, 0x55, 1);
	if (client)
		EITHER(suites, SUITES);
	else
		EITHER(suites, "\x13\3");
	if (client)
		EITHER(compression, "\1\0");
	else
		EITHER(compression, "\0");
	at = out;
	wire_put(&out, 0, 2);
	begin = out.p;
	if (client) {
		EXTENSION(TLS_SUPPORTED_VERSIONS, versions, "\4\3\3\3\4");
		EXTENSION(TLS_PSK_KEY_EXCHANGE_MODES, modes, "\2\0\1");
		EXTENSION(TLS_KEY_SHARE, shares, CLIENT_SHARES);
	} else {
		EXTENSION(TLS_SUPPORTED_VERSIONS, versions, "\3\4");
		EXTENSION(TLS_KEY_SHARE, shares, "\0\x1d\0\x20" KEY);
	}
	if (fault->extra_type)
		extension(fault->extra_type, KEY, fault->extra_len);
	if (client)
		EXTENSION(TLS_PRE_SHARED_KEY, psk, CLIENT_PSK);
	else
		EXTENSION(TLS_PRE_SHARED_KEY, psk, "\0\0");
	if (fault->behind)
		extension(0x1234, "", 0);
	wire_put(&at, (size_t)(out.p - begin), 2);
	for (size_t i = 0; i < fault->more; i++)
		wire_put(&out, 0, 1);
	must(!out.bad, "make a hello");
	return (size_t)(out.p - buf) - fault->cut;
}

static bool parse(const struct fault *fault, bool client, bool aes, struct tls_hello *hello)
{
	static uint8_t buf[512];
	size_t len = make(buf, sizeof(buf), fault, client);
	uint8_t *p = block(buf, len);
	bool is = tls_hello_parse(hello, (struct wire_in){ p, len, false }, client, aes);

	/* it points into the block: compared before that goes */
	if (is) {
		CHECK_BYTES(hello->share, KEY, X25519_SIZE);
		CHECK_INT(hello->session_id.left, fault->session_id);
	}
	if (is && client && !fault->psk) {
		CHECK_BYTES(hello->identities.p, "\0\2me\0\0\0\0", 8);
		CHECK_INT(hello->identities.left, 8);
		CHECK_INT(hello->binders.left, 35);
		CHECK(hello->binders.p + 35 == p + len);
	}
	block_free(p);
	return is;
}

static void right(void)
{
	static const struct fault none;
	struct tls_hello hello;

	CHECK(parse(&none, true, true, &hello));
	CHECK_INT(hello.suite, TLS_AES_128_GCM_SHA256);
	CHECK(parse(&none, true, false, &hello));
	CHECK_INT(hello.suite, TLS_CHACHA20_POLY1305_SHA256);
	CHECK(parse(&none, false, true, &hello));
	CHECK_INT(hello.suite, TLS_CHACHA20_POLY1305_SHA256);
}

#define TEXT(string) string, .len = sizeof(string) - 1

static void client_hellos(void)
{
	static const struct fault table[] = {
		{ .session_id = 32, .accepted = true },
		{ .session_id = 33 },
		{ .suites = TEXT("\0\2\x13\2") },
		{ .suites = TEXT("\0\3\x13\1\x13") },
		{ .suites = TEXT("\0\0") },
		{ .compression = TEXT("\2\0\0") },
		{ .compression = TEXT("\2\0") },
		{ .compression = TEXT("\1\1") },
		{ .compression = TEXT("\0") },
		{ .versions = TEXT("\2\3\3") },
		{ .versions = TEXT("\3\3\4\3") },
		{ .versions = TEXT("\4\3\4") },
		{ .modes = TEXT("\1\0") },
		{ .modes = TEXT("\2\1") },
		{ .shares = TEXT("\0\x24\0\x17\0\x20" KEY) },
		{ .shares = TEXT("\0\x23\0\x1d\0\x1f" "abcdefghijklmnopqrstuvwxyz01234") },
		{ .shares = TEXT("\0\x26\0\x1d\0\x20" KEY "\0\x17") }, /* a part behind it */
		{ .shares = TEXT("\0\x28\0\x1d\0\x20" KEY "\0\x17\0\0"), .accepted = true },
		{ .shares = TEXT("\0\x28\0\x17\0\0" "\0\x1d\0\x20" KEY), .accepted = true },
		{ .shares = TEXT("\0\x25\0\x1d\0\x20" KEY) },
		{ .psk = TEXT("\0\xff\0\2me") },
		{ .psk = TEXT("") },
		{ .behind = true },
		{ .extra_type = TLS_EARLY_DATA },
		{ .extra_type = 0x1234, .extra_len = 7, .accepted = true },
		{ .more = 1 },
		{ .cut = 1 },
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		struct tls_hello hello;

		if (parse(&table[i], true, true, &hello) != table[i].accepted)
			check_fault(__FILE__, __LINE__, "row %zu", i);
	}
}

static void server_hellos(void)
{
	static const struct fault table[] = {
		{ .session_id = 1 },
		{ .suites = TEXT("\x13\2") },
		{ .suites = TEXT("\x13\1"), .accepted = true },
		{ .compression = TEXT("\1") },
		{ .versions = TEXT("\3\3") },
		{ .versions = TEXT("\3\4\3\4") },
		{ .shares = TEXT("\0\x17\0\x20" KEY) },
		{ .shares = TEXT("\0\x1d") }, /* HelloRetryRequest */
		{ .psk = TEXT("\0\1") },
		{ .psk = TEXT("\0") },
		{ .behind = true },
		{ .extra_type = 0x1234 },
		{ .more = 1 },
		{ .cut = 1 },
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		struct tls_hello hello;

		if (parse(&table[i], false, true, &hello) != table[i].accepted)
			check_fault(__FILE__, __LINE__, "row %zu", i);
	}
}

int main(void)
{
	RUN("t_hello: hellos that are right", right);
	RUN("t_hello: clients'", client_hellos);
	RUN("t_hello: servers'", server_hellos);
	return check_status();
}
