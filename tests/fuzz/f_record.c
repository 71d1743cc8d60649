/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: records. The first byte of the input chooses the cipher, and what the rest is: a
 * record from someone who has no key, the inside of one from someone who has, or text to be sealed
 * and then damaged.
 */
#include "tests/fuzz/fuzz.h"
#include "tls/record.h"

#include <errno.h>
#include <stdbool.h>

static struct tls_cipher new_cipher(uint8_t choice)
{
	struct tls_cipher cipher = { .aead = choice & 1 && aes_is_there() ? &aes128gcm :
									    &chacha20poly1305 };

	memset(cipher.key, 0x5a, sizeof(cipher.key));
	memset(cipher.iv, 0xa5, sizeof(cipher.iv));
	return cipher;
}

/* Opens a copy of the record in a block of its own size, and compares what is in it. */
static int open_record(struct tls_cipher *cipher, const uint8_t *record, size_t size, uint8_t *type,
		       const uint8_t *text)
{
	uint8_t *copy = malloc(size ? size : 1);
	int n, stated = record_size(record, size);

	HOLDS(copy);
	memcpy(copy, record, size);
	HOLDS(size >= TLS_HEADER_SIZE ? stated != 0 && stated <= RECORD_MAX : stated == 0);
	n = record_open(cipher, copy, size, type);
	HOLDS(n == -EBADMSG || (n >= 0 && (size_t)n <= size - TLS_HEADER_SIZE - RECORD_TAIL_SIZE &&
				(size_t)stated == size && cipher->sequence == 1));
	HOLDS(n >= 0 || !cipher->aead);
	if (n >= 0)
		HOLDS(text && !memcmp(copy + TLS_HEADER_SIZE, text, (size_t)n));
	free(copy);
	return n;
}

/* Text with its type and padding, whatever they are. */
static void open_inner(uint8_t choice, const uint8_t *data, size_t size)
{
	struct tls_cipher cipher = new_cipher(choice);
	uint8_t *record = calloc(1, TLS_HEADER_SIZE + size + AEAD_TAG_SIZE), type;
	size_t body = size + AEAD_TAG_SIZE, end = size;
	bool good;
	int n;

	HOLDS(record);
	record[0] = TLS_APPLICATION_DATA;
	record[3] = (uint8_t)(body >> 8);
	record[4] = (uint8_t)body;
	memcpy(record + TLS_HEADER_SIZE, data, size);
	aead_seal(cipher.aead, cipher.key, cipher.iv, record, TLS_HEADER_SIZE,
		  record + TLS_HEADER_SIZE, size);
	while (end && !data[end - 1])
		end--;
	good = end && size <= RECORD_TEXT_MAX + 1 &&
	       (data[end - 1] == 23 || (end > 1 && (data[end - 1] == 21 || data[end - 1] == 22)));
	n = open_record(&cipher, record, TLS_HEADER_SIZE + body, &type, data);
	HOLDS(n == (good ? (int)end - 1 : -EBADMSG));
	HOLDS(!good || type == data[end - 1]);
	free(record);
}

/* The first three bytes are what is changed, and where. */
static void seal_and_damage(uint8_t choice, const uint8_t *data, size_t size)
{
	struct tls_cipher in = new_cipher(choice), out = in;
	static uint8_t record[RECORD_MAX];
	size_t at;
	uint8_t type;
	int n;

	if (size < 3 || size - 3 > RECORD_TEXT_MAX)
		return;
	memcpy(record + TLS_HEADER_SIZE, data + 3, size - 3);
	n = record_seal(&out, TLS_APPLICATION_DATA, record, size - 3);
	HOLDS(n == (int)(TLS_HEADER_SIZE + size - 3 + RECORD_TAIL_SIZE) && out.sequence == 1);
	at = (size_t)(data[0] << 8 | data[1]) % (size_t)n;
	record[at] ^= data[2];
	HOLDS(open_record(&in, record, (size_t)n, &type, data + 3) ==
	      (data[2] ? -EBADMSG : (int)size - 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_cipher cipher;
	uint8_t type;

	if (!size || size > RECORD_MAX)
		return 0;
	switch (data[0] >> 1 & 3) {
	case 0:
		cipher = new_cipher(data[0]);
		open_record(&cipher, data + 1, size - 1, &type, NULL);
		break;
	case 1:
		open_inner(data[0], data + 1, size - 1);
		break;
	default:
		seal_and_damage(data[0], data + 1, size - 1);
	}
	return 0;
}
