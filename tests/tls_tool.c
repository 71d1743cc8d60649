/* SPDX-License-Identifier: MIT */
/*
 * The primitives of tls/, a line in and a line out, all in hexadecimal digits ("-" is nothing):
 * "x25519 SECRET POINT", "public SECRET", "sha256 TEXT", "hmac KEY TEXT" (KEY at most 32 bytes), and
 * "chacha|aes KEY NONCE ADDITIONAL TEXT", which is sealed, tag behind it. For comparison with other
 * implementations.
 */
#include "tests/hex.h"
#include "tls/crypto.h"

enum { WORDS = 5, BYTES_MAX = 5000 };

static uint8_t bytes[WORDS][BYTES_MAX + AEAD_TAG_SIZE];
static size_t len[WORDS];

static void compute(const char *what, uint8_t *out, size_t *size)
{
	*size = 32;
	if (!strcmp(what, "x25519")) {
		must(x25519(out, bytes[1], bytes[2]), "find a secret");
	} else if (!strcmp(what, "public")) {
		must(x25519(out, bytes[1], (const uint8_t[32]){ 9 }), "make a public key");
	} else if (!strcmp(what, "sha256")) {
		struct sha256 hash;

		sha256_begin(&hash);
		sha256_add(&hash, bytes[1], len[1]);
		sha256_end(&hash, out);
	} else if (!strcmp(what, "hmac")) {
		memset(bytes[1] + len[1], 0, SHA256_SIZE - len[1]);
		hmac(out, bytes[1], bytes[2], len[2]);
	} else {
		const struct aead *aead = !strcmp(what, "aes") ? &aes128gcm : &chacha20poly1305;

		*size = len[4] + AEAD_TAG_SIZE;
		memcpy(out, bytes[4], len[4]);
		aead_seal(aead, bytes[1], bytes[2], bytes[3], len[3], out, len[4]);
	}
}

int main(void)
{
	static char line[5 * 2 * BYTES_MAX];
	static uint8_t out[BYTES_MAX + AEAD_TAG_SIZE];

	while (fgets(line, sizeof(line), stdin)) {
		char *word[WORDS], *rest = line;
		size_t size;

		for (unsigned i = 0; i < WORDS; i++) {
			word[i] = strtok_r(rest, " \n", &rest);
			if (i && word[i] && *word[i] != '-')
				len[i] = from_hex(bytes[i], BYTES_MAX, word[i]);
			else
				len[i] = 0;
		}
		must(word[0], "read a line");
		compute(word[0], out, &size);
		for (size_t i = 0; i < size; i++)
			printf("%02x", out[i]);
		printf("\n");
		fflush(stdout);
	}
	return 0;
}
