/* SPDX-License-Identifier: MIT */
/* In a test guest: plays a tone of so many frames on a PCM device, in periods of 5 ms. */

#include <fcntl.h>
#include <sound/asound.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { CHANNELS = 2, RATE = 48000 };

static void mask_set(struct snd_pcm_hw_params *params, unsigned parameter, unsigned value)
{
	struct snd_mask *mask = &params->masks[parameter - SNDRV_PCM_HW_PARAM_FIRST_MASK];

	memset(mask, 0, sizeof(*mask));
	mask->bits[value / 32] = 1u << value % 32;
}

static void interval_set(struct snd_pcm_hw_params *params, unsigned parameter, unsigned value)
{
	params->intervals[parameter - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL] =
		(struct snd_interval){ .min = value, .max = value, .integer = 1 };
}

int main(int argc, char **argv)
{
	int fd = argc == 3 ? open(argv[1], O_RDWR) : -1;
	unsigned frames = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
	int16_t *frame = calloc(frames, CHANNELS * sizeof(*frame));
	struct snd_xferi transfer = { .buf = frame, .frames = frames };
	struct snd_pcm_hw_params params;

	if (fd < 0 || !frame)
		return 1;
	for (unsigned i = 0; i < frames * CHANNELS; i++)
		frame[i] = (int16_t)(i * 37);
	memset(&params, 0xff, sizeof(params));
	params.flags = params.rmask = 0;
	for (unsigned i = 0; i < sizeof(params.intervals) / sizeof(*params.intervals); i++)
		params.intervals[i] = (struct snd_interval){ .max = UINT32_MAX };
	params.rmask = UINT32_MAX;
	params.cmask = params.info = 0;
	mask_set(&params, SNDRV_PCM_HW_PARAM_ACCESS, (unsigned)SNDRV_PCM_ACCESS_RW_INTERLEAVED);
	mask_set(&params, SNDRV_PCM_HW_PARAM_FORMAT, (unsigned)SNDRV_PCM_FORMAT_S16_LE);
	mask_set(&params, SNDRV_PCM_HW_PARAM_SUBFORMAT, (unsigned)SNDRV_PCM_SUBFORMAT_STD);
	interval_set(&params, SNDRV_PCM_HW_PARAM_CHANNELS, CHANNELS);
	interval_set(&params, SNDRV_PCM_HW_PARAM_RATE, RATE);
	interval_set(&params, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, RATE / 200);
	return ioctl(fd, SNDRV_PCM_IOCTL_HW_PARAMS, &params) ||
	       ioctl(fd, SNDRV_PCM_IOCTL_PREPARE) ||
	       ioctl(fd, SNDRV_PCM_IOCTL_WRITEI_FRAMES, &transfer) ||
	       ioctl(fd, SNDRV_PCM_IOCTL_DRAIN);
}
