/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Writes snapshot files with the structure that QEMU's mapped-ram migration gives them. Where their pages
 * come from is the caller's business.
 */

#ifndef MAPPED_RAM_WRITE_H
#define MAPPED_RAM_WRITE_H

#include <stddef.h>
#include <stdint.h>

enum page_kind {
    PAGE_ZERO,  /* a clear bit in the bitmap, a hole in the file */
    PAGE_STALE, /* a clear bit too, but bytes in the file: the guest cleared the page after it was saved */
    PAGE_DATA,  /* a set bit, and the page's bytes in the file */
};

struct mapped_ram_block {
    const char *idstr;
    uint64_t length;         /* in bytes, a multiple of the target page size */
    uint64_t host_page_size; /* what postcopy-ram adds where it is not the host's usual one; or 0 */

    /* Filled in by mapped_ram_write(): where the block's parts lie in the file. */
    uint64_t idstr_offset; /* of the byte that tells the length of idstr */
    uint64_t length_offset;
    uint64_t header_offset; /* u32 version, then u64 page size, bitmap offset, pages offset */
    uint64_t bitmap_offset;
    uint64_t pages_offset;
};

struct mapped_ram_file {
    uint64_t start; /* where the stream begins in the file */
    uint64_t target_page_size;
    const char *const *capabilities; /* those in force besides mapped-ram, up to a NULL; NULL: none */
    struct mapped_ram_block *blocks;
    size_t block_count;

    /* Tells the kind of a page of blocks[block], and gives its bytes, as many as a target page has. */
    enum page_kind (*page)(const void *opaque, size_t block, uint64_t page, void *bytes);
    const void *opaque;

    /* Filled in by mapped_ram_write(): where the section that lists the RAM blocks begins. */
    uint64_t ram_section_offset;
};

/* Returns 0, or -1 with errno set. */
int mapped_ram_write(int fd, struct mapped_ram_file *file);

#endif
