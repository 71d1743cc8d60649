/* SPDX-License-Identifier: MIT */
/* What Frama-C's C library lacks of Linux, with its values on x86-64. */
#ifndef PROVE_LIBC_H
#define PROVE_LIBC_H

#define O_PATH 010000000
#define SOCK_CLOEXEC 02000000
#define SOCK_NONBLOCK 00004000
#define SO_RCVBUFFORCE 33

#endif
