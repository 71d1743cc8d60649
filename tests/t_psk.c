/* SPDX-License-Identifier: MIT */
/* Tests of tls/keys: keys as text. */
#include "tls/keys.h"

#include "tests/hex.h"

#define K32 "00112233445566778899aabbccddeeff"

static void good(const char *line, const char *identity, const char *hex)
{
	uint8_t key[PSK_KEY_MAX], want[SHA256_SIZE], zeros[SHA256_SIZE] = { 0 };
	char *exact = block_string(line);
	struct psk psk;

	memset(&psk, 0xa5, sizeof(psk));
	CHECK(!psk_parse(&psk, exact));
	CHECK_STR(psk.identity, identity);
	/* RFC 8446 7.1: HKDF-Extract with a salt of zeros */
	hmac(want, zeros, key, from_hex(key, sizeof(key), hex));
	CHECK_BYTES(psk.secret, want, sizeof(want));
	block_free(exact);
}

static void bad(const char *line, const char *words)
{
	char *exact = block_string(line);
	struct psk psk;

	CHECK_STR(psk_parse(&psk, exact), words);
	block_free(exact);
}

static void lines(void)
{
	good("a:" K32, "a", K32);
	good("Laptop-2_x.y@z:" K32, "Laptop-2_x.y@z", K32);
	good("a:00112233445566778899AABBCCDDEEFF", "a", K32);
	good("a:" K32 K32 K32 K32, "a", K32 K32 K32 K32);
	good("0123456789012345678901234567890123456789012345678901234567890123:" K32,
	     "0123456789012345678901234567890123456789012345678901234567890123", K32);
}

static uint32_t print_of(const char *line)
{
	struct psk psk;

	CHECK(!psk_parse(&psk, line));
	return psk.print;
}

/* The digits make it, not the name, and it is no part of the secret. */
static void prints(void)
{
	struct psk psk;

	CHECK(!psk_parse(&psk, "a:" K32));
	CHECK(print_of("b:" K32) == psk.print && print_of("a:" K32 K32) != psk.print);
	CHECK(print_of("a:00112233445566778899aabbccddeefe") != psk.print);
	CHECK(!memmem(psk.secret, sizeof(psk.secret), &psk.print, sizeof(psk.print)));
}

static void malformed(void)
{
	static const char identity[] = "no identity before a colon";
	static const char key[] = "the key is not 32 to 128 hexadecimal digits";

	bad("", identity);
	bad("a", identity);
	bad(":" K32, identity);
	bad("a b:" K32, identity);
	bad("a\n:" K32, identity);
	bad("a\033:" K32, identity);
	bad("\xc3\xa9:" K32, identity);
	bad("a/b:" K32, identity);
	bad("*:" K32, identity);
	bad("01234567890123456789012345678901234567890123456789012345678901234:" K32, identity);
	bad("a:", key);
	bad("a:00112233445566778899aabbccddee", key);
	bad("a:" K32 "0", key);
	bad("a:0" K32, key);
	bad("a:" K32 K32 K32 K32 "00", key);
	bad("a:" K32 "0g", key);
	bad("a:" K32 "-1", key);
	bad("a:" K32 " ", key);
	bad("a:" K32 "\r", key);
	bad("a::" K32, key);
	bad("a:0x112233445566778899aabbccddeeff", key);
}

static void text(void)
{
	char *line = block(NULL, PSK_LINE_SIZE);
	uint8_t key[SHA256_SIZE];
	struct psk psk;

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(0xff - 9 * i);
	CHECK(!psk_text(line, "0123456789012345678901234567890123456789012345678901234567890123",
			key));
	CHECK_INT(strlen(line), 64 + 1 + 64);
	CHECK(!psk_text(line, "pi", key));
	CHECK(!strncmp(line, "pi:fff6ed", 9));
	CHECK_INT(strlen(line), 3 + 64);
	CHECK(!psk_parse(&psk, line));
	CHECK_STR(psk.identity, "pi");
	CHECK(psk_text(line, "", key) && psk_text(line, "a b", key) && psk_text(line, "a:b", key));
	block_free(line);
}

int main(void)
{
	RUN("keys as text", lines);
	RUN("which key it is", prints);
	RUN("keys that are none", malformed);
	RUN("a key becomes text", text);
	return check_status();
}
