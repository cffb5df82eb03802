/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Guest RAM of every kind, and what its pages should hold. As in a VMM, struct RAMBlock is the program's own.
 */
#ifndef RAM_H
#define RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "check.h"
#include "uffd-incoming.h"

#define HUGE_PAGE ((size_t)2 << 20)
/* A page of the host, and of the blocks that are not in huge pages: 4, 16 or 64 KiB. */
#define HOST_PAGE ((size_t)sysconf(_SC_PAGESIZE))

enum ram_kind {
    RAM_ANON,
    RAM_MEMFD_SHARED,
    RAM_MEMFD_PRIVATE,
    RAM_HUGETLB_PRIVATE,
    RAM_HUGETLB_SHARED,
    RAM_KINDS,
};

struct RAMBlock {
    char idstr[24];
    uint8_t *host;
    size_t length;
    size_t page_size;
    size_t pages;
    uint8_t *source; /* what the guest should see: `length` bytes, none of them 0, no two pages alike */
    int fd;          /* of the file behind the RAM, or -1 */
    bool sparse;     /* see ram_new_sparse() */
};

/*
 * Maps empty RAM and fills its source. Huge pages are reserved as root when too few are free; as an ordinary
 * user the test is skipped then.
 */
RAMBlock *ram_new(enum ram_kind kind, size_t pages);

/* The same at a huge page, or a page behind that. Huge pages lie where they must. */
RAMBlock *ram_new_aligned(enum ram_kind kind, size_t pages, bool aligned);

/* For much RAM: the source is zeros, and takes no memory, but where a test writes to it. */
RAMBlock *ram_new_sparse(enum ram_kind kind, size_t pages);
void ram_free(RAMBlock *rb);

/* The block as the library wants it described. */
UffdRamBlock ram_describe(const RAMBlock *rb);

static inline uint8_t *ram_page(const RAMBlock *rb, size_t page)
{
    return rb->host + page * rb->page_size;
}

static inline const uint8_t *ram_source(const RAMBlock *rb, size_t page)
{
    return rb->source + page * rb->page_size;
}

/* Maps new memory in its place, for private anonymous RAM. */
void ram_map_anew(const RAMBlock *rb);

/* madvise(). Skips the test where the kernel does not know how to discard such memory. */
void ram_advise_discard(const RAMBlock *rb, size_t page, size_t pages, int advice);

/* Empties pages, in the mapping and in the file behind it. */
void ram_discard(const RAMBlock *rb, size_t page, size_t pages);

/* Reads every byte of a page, which may fault. */
#define CHECK_PAGE(rb, page) ram_check_page(HERE, (rb), (page), true)
#define CHECK_ZEROS(rb, page) ram_check_page(HERE, (rb), (page), false)
void ram_check_page(const char *where, const RAMBlock *rb, size_t page, bool as_source);

#endif
