#!/bin/bash
# SPDX-License-Identifier: MIT
# build.sh [ENTRY...]: builds every entry, with its corpus, as OSS-Fuzz wants it: CC, CXX, their flags and
# LIB_FUZZING_ENGINE are its own, and the result goes to OUT. The entries play parts of libc: what they want of the
# linker is in their lines LINK.
# shellcheck disable=SC2046,SC2086 # lists, and flags
set -eu

objects=()
for room in $(make -s rooms); do
	mkdir -p "$WORK/obj/$room"
	for c in "$room"/*.c; do
		o=$WORK/obj/${c%.c}.o
		$CC $CFLAGS -std=c11 -I. -D_GNU_SOURCE -c "$c" -o "$o"
		objects+=("$o")
	done
done

[ $# != 0 ] || set -- $(basename -s .c -a tests/fuzz/f_*.c)
for name; do
	entry=tests/fuzz/$name.c
	link=$(sed -n 's/.*LINK: *\([^*]*\).*/\1/p' "$entry")
	$CC $CFLAGS -std=c11 -I. -D_GNU_SOURCE -c "$entry" -o "$WORK/obj/$name.o"
	$CXX $CXXFLAGS "$WORK/obj/$name.o" "${objects[@]}" $link $LIB_FUZZING_ENGINE -o "$OUT/$name"
	zip -qj "$OUT/${name}_seed_corpus.zip" tests/fuzz/corpus/"${name#f_}"/*
done
