/* SPDX-License-Identifier: MIT */
/* Pre-shared keys as text. */
#include "tls/psk.h"

#include "lib/str.h"

#include <string.h>

void psk_set(struct psk *psk, const uint8_t *key, size_t len)
{
	static const uint8_t zeros[SHA256_SIZE];

	hmac(psk->secret, zeros, key, len);
	hkdf_label((uint8_t *)&psk->print, sizeof(psk->print), psk->secret, "print", NULL);
}

/* The length of the identity that text begins with, which ends at the character end; 0: invalid. */
static size_t identity_length(const char *text, char end)
{
	size_t len = 0;

	while (str_is_plain(text[len]) || text[len] == '@')
		len++;
	return len < PSK_IDENTITY_SIZE && text[len] == end ? len : 0;
}

/* Hexadecimal digits to bytes. Returns how many, 0 if a digit is invalid or there are too many. */
static size_t parse_key(uint8_t key[PSK_KEY_MAX], const char *hex)
{
	size_t n = 0;

	for (; *hex; hex += 2) {
		char digits[] = { hex[0], hex[1], '\0' };
		uint32_t byte;

		if (str_hex(digits, 255, &byte) || !hex[1] || n == PSK_KEY_MAX)
			return 0;
		key[n++] = (uint8_t)byte;
	}
	return n;
}

const char *psk_parse(struct psk *psk, const char *line)
{
	size_t len = identity_length(line, ':'), n;
	uint8_t key[PSK_KEY_MAX];

	if (!len)
		return "no identity before a colon";
	memcpy(psk->identity, line, len);
	psk->identity[len] = '\0';
	n = parse_key(key, line + len + 1);
	psk_set(psk, key, n);
	explicit_bzero(key, sizeof(key));
	return n < PSK_KEY_MIN ? "the key is not 32 to 128 hexadecimal digits" : NULL;
}

const char *psk_text(char *line, const char *identity, const uint8_t key[SHA256_SIZE])
{
	size_t len = identity_length(identity, '\0');

	if (!len)
		return "an identity is 1 to 64 letters, digits and -._@";
	memcpy(line, identity, len);
	line[len++] = ':';
	for (unsigned i = 0; i < SHA256_SIZE; i++)
		len += str_format(line + len, 3, "%02x", key[i]);
	return NULL;
}
