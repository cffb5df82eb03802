/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Pages made from numbers: the same seed, block and page give the same kind and bytes for ever.
 */

#ifndef SYNTHETIC_PAGES_H
#define SYNTHETIC_PAGES_H

#include "mapped-ram-write.h"

struct synthetic_pages {
    uint64_t seed;
    unsigned int zero_percent;  /* about how many are zero: most in runs */
    unsigned int stale_percent; /* about how many of those are stale */
    size_t page_size;
};

/* The page callback of a struct mapped_ram_file whose `opaque` is a struct synthetic_pages. */
enum page_kind synthetic_page(const void *opaque, size_t block, uint64_t page, void *bytes);

#endif
