/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "image.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mapped-ram-write.h"

#define WORDS (PAGE / sizeof(uint64_t))

/* Never 0, what missing pages read as. */
static uint64_t word_of(size_t page, size_t word)
{
    return (((page + 1) * 0x9e3779b97f4a7c15u) ^ (word * 0xc2b2ae3d27d4eb4fu)) | 1;
}

bool is_zero_page(enum zeros zeros, size_t page)
{
    switch (zeros) {
    case ZEROS_UNITS:
        return page / (HUGE / PAGE) % 2 == 1;
    case ZEROS_MOST:
        return page % 7 < 4;
    case ZEROS_FEW:
        return page % 4 == 0;
    default:
        return false;
    }
}

static enum page_kind make_page(const void *opaque, size_t block, uint64_t page, void *bytes)
{
    const enum zeros *zeros = opaque;
    uint64_t *words = bytes;

    (void)block;
    for (size_t i = 0; i < WORDS; i++) {
        words[i] = is_zero_page(*zeros, page) ? 0 : word_of(page, i);
    }
    return PAGE_DATA;
}

void check_page(const uint8_t *host, size_t page)
{
    const volatile uint64_t *words = (const volatile uint64_t *)(host + page * PAGE);

    if (words[0] != word_of(page, 0) || words[WORDS - 1] != word_of(page, WORDS - 1)) {
        errx(1, "page %zu has wrong contents", page);
    }
}

void check_all_pages(const uint8_t *host, size_t length)
{
    for (size_t page = 0; page < length / PAGE; page++) {
        check_page(host, page);
    }
}

void read_exactly(int fd, void *to, size_t length, off_t at)
{
    uint8_t *into = to;

    while (length > 0) {
        ssize_t got = pread(fd, into, length, at);

        if (got <= 0) {
            if (got < 0 && errno == EINTR) {
                continue;
            }
            err(2, "pread");
        }
        into += got;
        at += got;
        length -= (size_t)got;
    }
}

static uint8_t *map_aligned(size_t length)
{
    uint8_t *reserved = mmap(NULL, length + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *host;

    if (reserved == MAP_FAILED) {
        err(2, "mmap");
    }
    host = (uint8_t *)(((uintptr_t)reserved + HUGE - 1) & ~(HUGE - 1));
    if ((host > reserved && munmap(reserved, (size_t)(host - reserved)) != 0) ||
        (host < reserved + HUGE && munmap(host + length, (size_t)(reserved + HUGE - host)) != 0)) {
        err(2, "munmap");
    }
    return host;
}

struct ram ram_new(size_t length, bool memfd)
{
    struct ram ram = { .host = map_aligned(length), .length = length, .memfd = -1 };
    int flags = MAP_FIXED | (memfd ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);

    if (memfd) {
        ram.memfd = memfd_create("ram", MFD_CLOEXEC);
        if (ram.memfd < 0 || ftruncate(ram.memfd, (off_t)length) != 0) {
            err(2, "memfd");
        }
    }
    if (mmap(ram.host, length, PROT_READ | PROT_WRITE, flags, ram.memfd, 0) == MAP_FAILED) {
        err(2, "mmap");
    }
    if (!memfd && madvise(ram.host, length, MADV_HUGEPAGE) != 0) {
        err(2, "madvise");
    }
    return ram;
}

void ram_free(struct ram *ram)
{
    if (munmap(ram->host, ram->length) != 0 || (ram->memfd >= 0 && close(ram->memfd) != 0)) {
        err(2, "munmap");
    }
}

void level_memory(size_t length)
{
    /* Twice that: what the host has taken back meanwhile is not all that there is. */
    struct ram ram = ram_new(2 * length, false);

    memset(ram.host, 1, ram.length);
    ram_free(&ram);
}

struct image image_new(const char *path, size_t length, enum zeros zeros)
{
    struct image image = { .path = strdup(path), .length = length };
    struct mapped_ram_block block = { .idstr = "ram", .length = length };
    struct mapped_ram_file file = {
        .target_page_size = PAGE,
        .blocks = &block,
        .block_count = 1,
        .page = make_page,
        .opaque = &zeros,
    };

    if (!image.path) {
        err(2, "strdup");
    }
    image.fd = open(image.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    /* To the disk: what is dirty cannot be dropped from the page cache. */
    if (image.fd < 0 || mapped_ram_write(image.fd, &file) != 0 || fsync(image.fd) != 0) {
        err(2, "%s", image.path);
    }
    image.pages_at = (off_t)block.pages_offset;
    image.in_memory = ram_new(length, false).host;
    read_exactly(image.fd, image.in_memory, length, image.pages_at);
    return image;
}

void image_drop_cache(const struct image *image)
{
    errno = posix_fadvise(image->fd, 0, 0, POSIX_FADV_DONTNEED);
    if (errno != 0) {
        err(2, "posix_fadvise");
    }
}

int image_cold_rounds(int rounds)
{
    return rounds < 3 ? rounds : 3;
}

void image_free(struct image *image)
{
    if (munmap(image->in_memory, image->length) != 0 || close(image->fd) != 0 || unlink(image->path) != 0) {
        err(2, "%s", image->path);
    }
    free(image->path);
}
