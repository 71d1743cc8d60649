/* SPDX-License-Identifier: MIT */
/*
 * AES-128-GCM with instructions of the processor, where the compiler knows them; without them it
 * would be slow, or tell its key by the time it takes. Other processors do not know these
 * instructions: nothing here may be called before aes_is_there() has returned true.
 */
#include "tls/crypto.h"

#include <endian.h>
#include <string.h>

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define FAST __attribute__((target("aes,pclmul,ssse3")))

typedef __m128i vector;

bool aes_is_there(void)
{
	const unsigned need = bit_AES | bit_PCLMUL | bit_SSSE3;
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & need) == need;
}

static inline FAST vector load(const void *p)
{
	return _mm_loadu_si128(p);
}

static inline FAST void store(void *p, vector v)
{
	_mm_storeu_si128(p, v);
}

static inline FAST vector add(vector a, vector b)
{
	return _mm_xor_si128(a, b);
}

/* The bytes of v in another order. */
static inline FAST vector permute(vector v, vector order)
{
	return _mm_shuffle_epi8(v, order);
}

/* Counts up the first 32 bits. */
static inline FAST vector next_number(vector v)
{
	return _mm_add_epi32(v, _mm_set_epi32(0, 0, 0, 1));
}

/* The words before each word of v. */
static inline FAST vector move_words(vector v, int words)
{
	return words == 1 ? _mm_slli_si128(v, 4) : _mm_slli_si128(v, 8);
}

/* FIPS 197 5.1: a round, and the last one. */
static inline FAST vector aes_round(vector v, vector key)
{
	return _mm_aesenc_si128(v, key);
}

static inline FAST vector aes_last_round(vector v, vector key)
{
	return _mm_aesenclast_si128(v, key);
}

/* The halves of v, exchanged. */
static inline FAST vector swap_halves(vector v)
{
	return _mm_shuffle_epi32(v, 0x4e);
}

/* Products of polynomials: of the low halves, and of the high ones. */
static inline FAST vector multiply_low(vector a, vector b)
{
	return _mm_clmulepi64_si128(a, b, 0x00);
}

static inline FAST vector multiply_high(vector a, vector b)
{
	return _mm_clmulepi64_si128(a, b, 0x11);
}

#elif defined(__aarch64__) && defined(__AARCH64EL__) && !defined(__clang__)

#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#define FAST __attribute__((target("+crypto")))

typedef uint8x16_t vector;

bool aes_is_there(void)
{
	const unsigned long need = HWCAP_AES | HWCAP_PMULL;

	return (getauxval(AT_HWCAP) & need) == need;
}

static inline FAST vector load(const void *p)
{
	return vld1q_u8(p);
}

static inline FAST void store(void *p, vector v)
{
	vst1q_u8(p, v);
}

static inline FAST vector add(vector a, vector b)
{
	return veorq_u8(a, b);
}

static inline FAST vector permute(vector v, vector order)
{
	return vqtbl1q_u8(v, order);
}

static inline FAST vector next_number(vector v)
{
	const uint32x4_t one = { 1 };

	return vreinterpretq_u8_u32(vaddq_u32(vreinterpretq_u32_u8(v), one));
}

static inline FAST vector move_words(vector v, int words)
{
	const vector zero = vdupq_n_u8(0);

	return words == 1 ? vextq_u8(zero, v, 12) : vextq_u8(zero, v, 8);
}

/* These instructions add a key before a round, FIPS 197 behind it. */
static inline FAST vector aes_round(vector v, vector key)
{
	return add(vaesmcq_u8(vaeseq_u8(v, vdupq_n_u8(0))), key);
}

static inline FAST vector aes_last_round(vector v, vector key)
{
	return add(vaeseq_u8(v, vdupq_n_u8(0)), key);
}

static inline FAST vector swap_halves(vector v)
{
	return vextq_u8(v, v, 8);
}

static inline FAST vector multiply_low(vector a, vector b)
{
	const poly64_t x = vgetq_lane_p64(vreinterpretq_p64_u8(a), 0);

	return vreinterpretq_u8_p128(vmull_p64(x, vgetq_lane_p64(vreinterpretq_p64_u8(b), 0)));
}

static inline FAST vector multiply_high(vector a, vector b)
{
	return vreinterpretq_u8_p128(
		vmull_high_p64(vreinterpretq_p64_u8(a), vreinterpretq_p64_u8(b)));
}

#endif

#ifdef FAST

enum { BLOCK = 16, ROUNDS = 10, LANES = 4 /* blocks that are computed side by side */ };

static inline FAST vector reverse(vector v)
{
	static const uint8_t order[BLOCK] = { 15, 14, 13, 12, 11, 10, 9, 8,
					      7,  6,  5,  4,  3,  2,  1, 0 };

	return permute(v, load(order));
}

/* FIPS 197 5.2 */
static inline FAST void expand_key(vector key[ROUNDS + 1], const uint8_t *cipher_key)
{
	/* the last word, rotated, as each column, so that the shift of rows changes nothing */
	static const uint8_t last_word[BLOCK] = { 13, 14, 15, 12, 13, 14, 15, 12,
						  13, 14, 15, 12, 13, 14, 15, 12 };
	uint32_t constant = 1;
	vector v = load(cipher_key);

	key[0] = v;
	for (size_t i = 1; i <= ROUNDS; i++) {
		const uint32_t constants[4] = { constant, constant, constant, constant };
		vector word = aes_last_round(permute(v, load(last_word)), load(constants));

		v = add(v, move_words(v, 1));
		v = add(v, move_words(v, 2));
		v = add(v, word);
		key[i] = v;
		constant = constant == 0x80 ? 0x1b : 2 * constant;
	}
}

/* SP 800-38D 6.5: each block of the key stream is a number behind the nonce, encrypted. */
static FAST void aes_crypt(const uint8_t *key, const uint8_t *nonce, uint32_t number, uint8_t *text,
			   size_t len)
{
	vector keys[ROUNDS + 1], stream[LANES];
	uint8_t first[BLOCK];
	vector block;

	expand_key(keys, key);
	/* from here on in reverse, as the processor adds the least significant byte first */
	for (size_t i = 0; i < BLOCK; i++)
		first[i] = (uint8_t)(i < 4 ? number >> (8 * i) : nonce[BLOCK - 1 - i]);
	block = load(first);
	while (len) {
		vector a = add(reverse(block), keys[0]), b, c, d;
		size_t n = len < sizeof(stream) ? len : sizeof(stream);

		block = next_number(block);
		b = add(reverse(block), keys[0]);
		block = next_number(block);
		c = add(reverse(block), keys[0]);
		block = next_number(block);
		d = add(reverse(block), keys[0]);
		block = next_number(block);
		for (size_t i = 1; i < ROUNDS; i++) {
			a = aes_round(a, keys[i]);
			b = aes_round(b, keys[i]);
			c = aes_round(c, keys[i]);
			d = aes_round(d, keys[i]);
		}
		stream[0] = aes_last_round(a, keys[ROUNDS]);
		stream[1] = aes_last_round(b, keys[ROUNDS]);
		stream[2] = aes_last_round(c, keys[ROUNDS]);
		stream[3] = aes_last_round(d, keys[ROUNDS]);
		if (n == sizeof(stream))
			for (size_t i = 0; i < LANES; i++)
				store(text + i * BLOCK, add(load(text + i * BLOCK), stream[i]));
		else
			for (size_t i = 0; i < n; i++)
				text[i] ^= ((uint8_t *)stream)[i];
		text += n;
		len -= n;
	}
}

/*
 * The first bit of a block is the lowest power (SP 800-38D 6.3), so reversed blocks are polynomials
 * with their bits in reverse: a product comes out too small by a factor of x, for which load_h()
 * makes up. The product is low + v x^64 + high x^128. Modulo x^128 + x^7 + x^2 + x + 1 its lower
 * half is added to the upper one, 64 bits in each of two steps.
 */
static FAST vector multiply(vector a, vector b)
{
	static const uint64_t modulus[2] = { 0xc200000000000000, 0xc200000000000000 };
	const vector p = load(modulus), c = swap_halves(b), low = multiply_low(a, b);
	vector v = add(multiply_low(a, c), multiply_high(a, c));

	v = add(add(v, swap_halves(low)), multiply_low(low, p));
	return add(add(multiply_high(a, b), swap_halves(v)), multiply_low(v, p));
}

/* x h, reversed */
static FAST vector load_h(const uint8_t *h)
{
	uint64_t half[2] = { 0 }, carry;

	for (size_t i = 0; i < BLOCK; i++)
		half[i < 8] = half[i < 8] << 8 | h[i];
	carry = 0 - (half[1] >> 63);
	half[1] = (half[1] << 1 | half[0] >> 63) ^ (0xc200000000000000 & carry);
	half[0] = half[0] << 1 ^ (carry & 1);
	return load(half);
}

/* SP 800-38D 6.4: adds bytes, padded with zeros to whole blocks, to y. */
static FAST void ghash_add(uint8_t *y, const uint8_t *h, const uint8_t *bytes, size_t len)
{
	const vector factor = load_h(h);
	vector sum = reverse(load(y));
	uint8_t last[BLOCK] = { 0 };

	for (; len >= BLOCK; bytes += BLOCK, len -= BLOCK)
		sum = multiply(add(sum, reverse(load(bytes))), factor);
	if (len) {
		memcpy(last, bytes, len);
		sum = multiply(add(sum, reverse(load(last))), factor);
	}
	store(y, reverse(sum));
}

static FAST void aes_tag(uint8_t *tag, const uint8_t *key, const uint8_t *nonce,
			 const uint8_t *additional, size_t additional_len, const uint8_t *text,
			 size_t len)
{
	/* 6.4 and 7.1: the lengths, in bits, are a block of their own */
	const uint64_t lengths[2] = { htobe64(additional_len * 8ULL), htobe64(len * 8ULL) };
	uint8_t h[BLOCK] = { 0 };

	aes_crypt(key, crypto_zeros, 0, h, sizeof(h));
	memset(tag, 0, BLOCK);
	ghash_add(tag, h, additional, additional_len);
	ghash_add(tag, h, text, len);
	ghash_add(tag, h, (const uint8_t *)lengths, sizeof(lengths));
	aes_crypt(key, nonce, 1, tag, BLOCK);
}

const struct aead aes128gcm = { 16, 2, aes_crypt, aes_tag };

#else

bool aes_is_there(void)
{
	return false;
}

const struct aead aes128gcm;

#endif
