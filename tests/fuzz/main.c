/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz entry without a fuzzer: over the files given, and over mutations of each that are the
 * same in every run. Prints a line per file; FUZZ_RUNS sets the number of mutations of each.
 */
#include "tests/fuzz/fuzz.h"

#include <libgen.h>

enum { SIZE_MAX_INPUT = 16384, RUNS = 20000 /* for all files together */ };

static uint64_t seed;

/* xorshift64: the same numbers everywhere. */
static uint32_t number(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

/* Runs it on a heap block of exactly that size. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size + 1);

	HOLDS(exact);
	memcpy(exact + 1, data, size);
	LLVMFuzzerTestOneInput(exact + 1, size);
	free(exact);
}

/* One small change; returns the new size. */
static size_t mutate(uint8_t *data, size_t size)
{
	static const uint8_t bytes[] = { 0, 1, 0x7f, 0x80, 0xff, '\n', ' ', '/', '.', '0', '9', ':' };
	size_t at = size ? number((uint32_t)size) : 0, n;

	switch (number(7)) {
	case 0:
		if (size)
			data[at] ^= (uint8_t)(1 << number(8));
		break;
	case 1:
		if (size)
			data[at] = bytes[number(sizeof(bytes))];
		break;
	case 2:
		if (size)
			data[at] = (uint8_t)number(256);
		break;
	case 3: /* cut off */
		return at;
	case 4: /* take out */
		n = size ? 1 + number((uint32_t)(size - at)) : 0;
		memmove(data + at, data + at + n, size - at - n);
		return size - n;
	case 5: /* say twice */
		n = size ? 1 + number((uint32_t)(size - at)) : 0;
		if (size + n > SIZE_MAX_INPUT)
			break;
		memmove(data + at + n, data + at, size - at);
		return size + n;
	case 6: /* put in */
		if (size + 1 > SIZE_MAX_INPUT)
			break;
		memmove(data + at + 1, data + at, size - at);
		data[at] = bytes[number(sizeof(bytes))];
		return size + 1;
	}
	return size;
}

static int run_file(const char *path, unsigned runs)
{
	static uint8_t original[SIZE_MAX_INPUT], data[SIZE_MAX_INPUT];
	FILE *file = fopen(path, "rb");
	size_t whole;

	if (!file)
		return 1;
	whole = fread(original, 1, sizeof(original), file);
	fclose(file);
	run(original, whole);
	for (unsigned i = 0; i < runs; i++) {
		size_t size = whole;

		memcpy(data, original, whole);
		for (uint32_t n = 1 + number(4); n; n--)
			size = mutate(data, size);
		run(data, size);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *runs = getenv("FUZZ_RUNS"), *entry = basename(argv[0]);
	unsigned each = argc > 1 ? RUNS / (unsigned)(argc - 1) : 0;
	int failed = 0;

	if (runs)
		each = (unsigned)strtoul(runs, NULL, 10);
	for (int i = 1; i < argc; i++) {
		seed = 0x9e3779b97f4a7c15u;
		if (run_file(argv[i], each)) {
			printf("not ok - %s: cannot read %s\n", entry, argv[i]);
			failed = 1;
		} else {
			printf("ok - %s: %s and mutations\n", entry, basename(argv[i]));
		}
		fflush(stdout);
	}
	return failed;
}
