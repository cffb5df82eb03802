/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the page cache holds of a file.
 */
#ifndef PAGE_CACHE_H
#define PAGE_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/* Has all of the file on its disk, and nothing of it in the page cache. A file in memory stays where it is. */
void page_cache_drop(int fd);

/* Has the page cache hold all of it. */
void page_cache_fill(int fd);

/* How many bytes of the file are in the page cache. */
size_t page_cache_bytes(int fd);

/* Whether the kernel tells the library, too: cachestat, Linux 6.5. */
bool page_cache_is_told(void);

#endif
