/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#define _GNU_SOURCE /* MAP_ANONYMOUS, madvise(), mincore() */
#include "host-memory.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define PART (2ULL << 20)

void *take_memory(uint64_t bytes)
{
    uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        err(2, "cannot map %ju bytes", (uintmax_t)bytes);
    }
    madvise(memory, bytes, MADV_HUGEPAGE); /* a kernel without huge pages refuses, and uses small ones */
    for (uint64_t offset = 0; offset < bytes; offset += PAGE) {
        *(volatile uint8_t *)(memory + offset) = 1;
    }
    return memory;
}

void give_back_memory(void *memory, uint64_t bytes)
{
    munmap(memory, bytes);
}

void fill_page_cache(const struct plain_snapshot *snapshot)
{
    uint8_t *part = malloc(PART);

    if (!part) {
        err(2, "malloc");
    }
    for (size_t i = 0; i < snapshot->block_count; i++) {
        const uint64_t length = snapshot->blocks[i].length;

        for (uint64_t offset = 0; offset < length; offset += PART) {
            plain_read_part(snapshot, &snapshot->blocks[i], offset, length - offset < PART ? length - offset : PART,
                            part);
        }
    }
    free(part);
}

/* Whether the page cache holds the first data page of the snapshot. */
static bool is_cached(const struct plain_snapshot *snapshot)
{
    unsigned char resident = 0;
    struct plain_run run;

    for (size_t i = 0; i < snapshot->block_count; i++) {
        const struct plain_block *block = &snapshot->blocks[i];

        if (plain_next_run(block, 0, plain_pages(block), &run)) {
            const off_t at = (off_t)(block->pages_offset + run.first_page * block->page_size);
            void *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, snapshot->fd, at);

            if (page != MAP_FAILED) {
                mincore(page, PAGE, &resident);
                munmap(page, PAGE);
            }
            break;
        }
    }
    return resident & 1;
}

void empty_page_cache(const struct plain_snapshot *snapshot)
{
    if (fsync(snapshot->fd) != 0) { /* only pages that are on the disk can be dropped */
        err(2, "%s: fsync", snapshot->path);
    }
    errno = posix_fadvise(snapshot->fd, 0, 0, POSIX_FADV_DONTNEED);
    if (errno != 0) {
        err(2, "%s: posix_fadvise", snapshot->path);
    }
    if (is_cached(snapshot)) {
        errx(2, "%s: its file system keeps it in memory: put it on a disk to restore it cold", snapshot->path);
    }
}
