/* SPDX-License-Identifier: MIT */
/*
 * Runs PROGRAM under the emulator QEMU, under the name and with the words that this was run with.
 * Without PROGRAM it is the first word, and gets the children of its children that have ended: the
 * emulator knows no PR_SET_CHILD_SUBREAPER.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char **words = calloc((size_t)argc + 4, sizeof(*words)), **word = words;

	if (!words)
		return 126;
	*word++ = QEMU;
#ifdef PROGRAM
	*word++ = "-0";
	*word++ = argv[0];
	*word++ = PROGRAM;
#else
	prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL);
#endif
	memcpy(word, argv + 1, (size_t)argc * sizeof(*argv));
	execvp(QEMU, words);
	perror(QEMU);
	return 127;
}
