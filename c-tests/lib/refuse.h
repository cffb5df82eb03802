/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Makes the kernel refuse system calls, by a seccomp filter: on the calling thread and those it starts, for
 * good.
 */
#ifndef REFUSE_H
#define REFUSE_H

#include <stdint.h>

/* All calls with this number. */
void refuse_syscall(long number, int error);

/* Calls whose argument (0: the first) is within min .. max in its lower 32 bits. */
void refuse_argument(long number, unsigned argument, uint32_t min, uint32_t max, int error);

void refuse_ioctl(unsigned long request, int error);

#endif
