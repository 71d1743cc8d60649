/* SPDX-License-Identifier: MIT */
/* Runs PROGRAM under the emulator QEMU, under the name and with the words that this was run with. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char **words = calloc((size_t)argc + 4, sizeof(*words));

	if (!words)
		return 126;
	words[0] = QEMU;
	words[1] = "-0";
	words[2] = argv[0];
	words[3] = PROGRAM;
	for (int i = 1; i < argc; i++)
		words[i + 3] = argv[i];
	execvp(QEMU, words);
	perror(QEMU);
	return 127;
}
