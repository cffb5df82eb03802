/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#define _GNU_SOURCE /* memfd_create() */
#include "guest.h"

#include <err.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE_SIZE (2 << 20)

struct RAMBlock *guest_add_block(struct MigrationIncomingState *guest, const char *idstr, uint64_t length)
{
    const size_t count = guest->block_count + 1;
    struct RAMBlock *blocks = realloc(guest->blocks, count * sizeof(*blocks));

    if (!blocks) {
        err(2, "realloc");
    }
    guest->blocks = blocks;
    guest->block_count = count;
    struct RAMBlock *rb = &blocks[count - 1];
    *rb = (struct RAMBlock){ .length = length, .page_size = (uint64_t)sysconf(_SC_PAGESIZE) };
    snprintf(rb->idstr, sizeof(rb->idstr), "%s", idstr);
    return rb;
}

/* Aligned to huge pages, as VMMs map RAM: only then can the kernel use them. */
static void *map_anonymous(uint64_t length)
{
    const size_t room = length + HUGE_PAGE_SIZE;
    uint8_t *start = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (start == MAP_FAILED) {
        return MAP_FAILED;
    }
    const size_t before = -(uintptr_t)start % HUGE_PAGE_SIZE;
    uint8_t *host = start + before;

    if (before > 0) {
        munmap(start, before);
    }
    munmap(host + length, room - before - length);
    madvise(host, length, MADV_HUGEPAGE); /* a kernel without huge pages refuses, and uses small ones */
    return host;
}

static void *map_memfd(uint64_t length, unsigned int flags)
{
    void *host = MAP_FAILED;
    int fd = memfd_create("guest-ram", MFD_CLOEXEC | flags);

    if (fd >= 0 && ftruncate(fd, (off_t)length) == 0) {
        host = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (fd >= 0) {
        close(fd); /* the mapping keeps the memory */
    }
    return host;
}

static void map_block(struct RAMBlock *rb, enum guest_memory memory)
{
    if (memory == MEMORY_HUGETLB && rb->length % HUGE_PAGE_SIZE == 0) {
        rb->page_size = HUGE_PAGE_SIZE;
        rb->host = map_memfd(rb->length, MFD_HUGETLB | MFD_HUGE_2MB);
    } else if (memory == MEMORY_MEMFD) {
        rb->host = map_memfd(rb->length, 0);
    } else {
        rb->host = map_anonymous(rb->length);
    }
    if (rb->host == MAP_FAILED) {
        err(2, "cannot map %" PRIu64 " bytes of RAM for %s in pages of %" PRIu64 " bytes", rb->length,
            rb->idstr, rb->page_size);
    }
}

void guest_map(struct MigrationIncomingState *guest, enum guest_memory memory)
{
    for (size_t i = 0; i < guest->block_count; i++) {
        map_block(&guest->blocks[i], memory);
    }
}

void guest_destroy(struct MigrationIncomingState *guest)
{
    for (size_t i = 0; i < guest->block_count; i++) {
        if (guest->blocks[i].host && guest->blocks[i].host != MAP_FAILED) {
            munmap(guest->blocks[i].host, guest->blocks[i].length);
        }
    }
    free(guest->blocks);
    *guest = (struct MigrationIncomingState){ 0 };
}
