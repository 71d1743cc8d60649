/* SPDX-License-Identifier: MIT */
/* Shared by the harnesses: values that may be anything, and the mark of the end of a harness. */
#ifndef PROVE_PROVE_H
#define PROVE_PROVE_H

#include <__fc_builtin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each harness ends with it; tests/prove/run looks for it in the output of Eva. */
#define END() Frama_C_show_each_end()

static inline size_t any_size(size_t min, size_t max)
{
	return Frama_C_unsigned_long_interval(min, max);
}

static inline int any_int(int min, int max)
{
	return Frama_C_interval(min, max);
}

static inline void any_bytes(void *p, size_t n)
{
	Frama_C_make_unknown((char *)p, n);
}

/*
 * Any string of at most size - 1 characters of any value. Its last byte is the block's last, so
 * that nothing behind it may be touched; a zero before that makes it a shorter one.
 */
static inline char *any_string(char *block, size_t size)
{
	any_bytes(block, size);
	block[size - 1] = '\0';
	return block + any_size(0, size - 1);
}

#endif
