/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "synthetic-pages.h"

#include <stdbool.h>
#include <string.h>

/* SplitMix64's finalizer: every bit of the result depends on every bit of `number`. */
static uint64_t mix(uint64_t number)
{
    number += 0x9e3779b97f4a7c15;
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
    number = (number ^ number >> 27) * 0x94d049bb133111eb;
    return number ^ number >> 31;
}

/*
 * Zero pages come in runs of 32 pages (128 KiB) and, in every second stretch of 4096 pages, of 1024 (4 MiB):
 * both smaller and larger than a huge page. One page in 64 is an exception in its run.
 */
static bool is_zero(const struct synthetic_pages *pages, uint64_t block_seed, uint64_t page)
{
    const unsigned int run_shift = page >> 12 & 1 ? 10 : 5;
    const bool zero_run = mix(block_seed ^ ~(page >> run_shift)) % 100 < pages->zero_percent;
    const bool exception = mix(block_seed ^ page) % 64 == 0;

    if (pages->zero_percent == 0 || pages->zero_percent == 100) {
        return zero_run;
    }
    return zero_run != exception;
}

/* xorshift64: fast, and its numbers are never 0. */
static void fill(uint8_t *bytes, size_t length, uint64_t state)
{
    for (size_t i = 0; i < length; i += sizeof(state)) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(bytes + i, &state, sizeof(state));
    }
}

enum page_kind synthetic_page(const void *opaque, size_t block, uint64_t page, void *bytes)
{
    const struct synthetic_pages *pages = opaque;
    const uint64_t block_seed = mix(mix(pages->seed) + block);
    const uint64_t page_seed = mix(block_seed + page) | 1;
    enum page_kind kind = PAGE_DATA;

    if (is_zero(pages, block_seed, page)) {
        kind = (page_seed >> 8) % 100 < pages->stale_percent ? PAGE_STALE : PAGE_ZERO;
    }
    if (kind != PAGE_ZERO) {
        fill(bytes, pages->page_size, page_seed);
    }
    return kind;
}
