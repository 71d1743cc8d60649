/* SPDX-License-Identifier: MIT */
/*
 * tls/record: a record of every length up to MAX, in a block that ends with it, whatever is decrypted
 * from it; texts of up to TEXT_MAX bytes that are sealed.
 * SOURCES: tls/record.c
 * EVA: -eva-precision 2 -eva-slevel 20000 -eva-split-limit 20000 -eva-split-return full
 */
#include "tests/prove/aead.h"
#include "tls/record.h"

#include <errno.h>

enum { MAX = TLS_HEADER_SIZE + RECORD_TAIL_SIZE + 12, TEXT_MAX = 8 };

static uint8_t block[MAX];
static struct tls_cipher cipher;

static void any_cipher(void)
{
	any_bytes(&cipher, sizeof(cipher));
	cipher.aead = any_int(0, 2) == 0 ? NULL : any_int(0, 1) ? &aes128gcm : &chacha20poly1305;
}

void prove_record_size(void)
{
	size_t len = any_size(0, TLS_HEADER_SIZE + 1);
	int size;

	/*@ split len; */
	any_bytes(block, sizeof(block));
	size = record_size(block + MAX - len, len);
	if (len < TLS_HEADER_SIZE) {
		/*@ assert incomplete: size == 0; */
	} else {
		/*@ assert size: size == -EBADMSG ||
		        TLS_HEADER_SIZE + RECORD_TAIL_SIZE <= size <= RECORD_MAX; */
	}
	END();
}

void prove_record_open(void)
{
	size_t len = any_size(0, MAX);
	uint8_t type;
	int n;

	/*@ split len; */
	any_bytes(block, sizeof(block));
	any_cipher();
	n = record_open(&cipher, block + MAX - len, len, &type);
	/*@ assert length: n == -EBADMSG || n >= 0; */
	if (n >= 0) {
		/*@ assert within: TLS_HEADER_SIZE + n + RECORD_TAIL_SIZE <= len; */
		/*@ assert type: TLS_ALERT <= type <= TLS_APPLICATION_DATA; */
		/*@ assert text: \initialized(block + (MAX - len + TLS_HEADER_SIZE ..
		        MAX - len + TLS_HEADER_SIZE + n - 1)); */
	}
	END();
}

void prove_record_seal(void)
{
	size_t len = any_size(0, TEXT_MAX), room;
	int size;

	/*@ split len; */
	room = TLS_HEADER_SIZE + len + RECORD_TAIL_SIZE;
	any_bytes(block, sizeof(block));
	any_cipher();
	size = record_seal(&cipher, (uint8_t)any_int(0, 255), block + MAX - room, len);
	/*@ assert size: size == -EKEYEXPIRED || size == room; */
	END();
}
