/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#define _GNU_SOURCE /* memfd_create() */
#include "guest.h"

#include <err.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE_SIZE (2 << 20)

static void *map_anonymous(uint64_t length)
{
    void *host = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (host != MAP_FAILED) {
        madvise(host, length, MADV_HUGEPAGE); /* what cannot be had is done without */
    }
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
    rb->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
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

void guest_create(struct MigrationIncomingState *guest, struct UffdSnapshot *snapshot,
                  enum guest_memory memory)
{
    struct UffdSnapshotBlock described = { .size = sizeof(described) };

    *guest = (struct MigrationIncomingState){ 0 };
    while (uffd_snapshot_block(snapshot, guest->block_count, &described) == 0) {
        guest->block_count++;
    }
    guest->blocks = calloc(guest->block_count, sizeof(*guest->blocks));
    if (!guest->blocks) {
        err(2, "calloc");
    }
    for (size_t i = 0; i < guest->block_count; i++) {
        uffd_snapshot_block(snapshot, i, &described);
        guest->blocks[i] = (struct RAMBlock){ .idstr = described.idstr, .length = described.length };
        map_block(&guest->blocks[i], memory);
    }
}

void guest_destroy(struct MigrationIncomingState *guest)
{
    for (size_t i = 0; i < guest->block_count; i++) {
        munmap(guest->blocks[i].host, guest->blocks[i].length);
    }
    free(guest->blocks);
}
