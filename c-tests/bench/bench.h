/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The groups of rows, each in a file of its name. `rounds` is how often what is compared runs, interleaved:
 * the machine's moods then touch all alike.
 */
#ifndef BENCH_H
#define BENCH_H

#include "image.h"

void bench_waking(void);
void bench_latency(const struct image *image, int rounds);
void bench_following(const struct image *image, int rounds);
void bench_throughput(const struct image *image, int rounds);
void bench_loading(const struct image *image, int rounds);
void bench_memory(const char *path, size_t length, int rounds);
void bench_resume(const struct image *image, int rounds);
void bench_clones(const struct image *image, int rounds);
void bench_arming(int rounds);
void bench_idle(const struct image *image);

#endif
