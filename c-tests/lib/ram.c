/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "ram.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NR_HUGEPAGES "/proc/sys/vm/nr_hugepages"

static const char *const kind_names[RAM_KINDS] = {
    [RAM_ANON] = "anon",
    [RAM_MEMFD_SHARED] = "memfd-shared",
    [RAM_MEMFD_PRIVATE] = "memfd-private",
    [RAM_HUGETLB_PRIVATE] = "hugetlb-private",
    [RAM_HUGETLB_SHARED] = "hugetlb-shared",
};

static bool is_huge(enum ram_kind kind)
{
    return kind == RAM_HUGETLB_PRIVATE || kind == RAM_HUGETLB_SHARED;
}

/* As a VMM's, it asks for huge pages. Where there are none, that is refused, and makes no difference. */
static void *map_anonymous(size_t length, int flags, void *at)
{
    void *host = mmap(at, length, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (host != MAP_FAILED) {
        madvise(host, length, MADV_HUGEPAGE);
    }
    return host;
}

static void *map(RAMBlock *rb, enum ram_kind kind, void *at)
{
    int flags = (kind == RAM_MEMFD_SHARED || kind == RAM_HUGETLB_SHARED ? MAP_SHARED : MAP_PRIVATE) |
                (at != NULL ? MAP_FIXED : 0);

    if (kind == RAM_ANON) {
        return map_anonymous(rb->length, flags, at);
    }
    if (rb->fd < 0) {
        rb->fd = memfd_create(rb->idstr, MFD_CLOEXEC | MFD_ALLOW_SEALING | (is_huge(kind) ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
        CHECK(rb->fd >= 0);
        CHECK_EQ(ftruncate(rb->fd, rb->length), 0);
    }
    return mmap(at, rb->length, PROT_READ | PROT_WRITE, flags, rb->fd, 0);
}

/*
 * Between guard pages: else the kernel may merge the mapping with a neighbour, and registering it splits that.
 * It starts at a huge page, or a page behind that: where it lies is nothing to leave to chance.
 */
static void *map_guarded(RAMBlock *rb, enum ram_kind kind, bool aligned)
{
    const size_t guard = rb->page_size;
    const size_t length = rb->length + HUGE_PAGE + 3 * guard;
    uint8_t *reserved = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *host;

    CHECK(reserved != MAP_FAILED);
    host = (uint8_t *)(((uintptr_t)reserved + guard + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
    host += aligned ? 0 : guard;

    uint8_t *end = host + rb->length + guard;
    CHECK(host - guard == reserved || munmap(reserved, (size_t)(host - guard - reserved)) == 0);
    CHECK(end == reserved + length || munmap(end, (size_t)(reserved + length - end)) == 0);
    return map(rb, kind, host);
}

/* Tests that run at the same time may take the pages reserved here: hence several attempts. */
static void *map_huge(RAMBlock *rb, enum ram_kind kind)
{
    for (int attempt = 0; attempt < 20; attempt++) {
        void *host = map(rb, kind, NULL);

        if (host != MAP_FAILED || errno != ENOMEM) {
            return host;
        }
        if (geteuid() != 0) {
            SKIP("%zu free huge pages of 2 MiB are needed; as root: echo N > " NR_HUGEPAGES, rb->pages);
        }
        FILE *file = fopen(NR_HUGEPAGES, "w");
        CHECK(file != NULL);
        fprintf(file, "%ld\n", read_number(NR_HUGEPAGES) + (long)rb->pages);
        fclose(file);
    }
    return MAP_FAILED;
}

/*
 * xorshift64*: every (block, page, word) gets bytes of its own, and none of them is 0, what missing pages
 * read as.
 */
static void fill_source(RAMBlock *rb, uint64_t seed)
{
    uint64_t *words = (uint64_t *)rb->source;
    uint64_t state = seed * 0x9e3779b97f4a7c15u;

    for (size_t i = 0; i < rb->length / sizeof(*words); i++) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        words[i] = (state * 0x2545f4914f6cdd1du) | 0x0101010101010101u;
    }
}

/* With UFFD_TEST_UNALIGNED=1 no test gets RAM that starts at a huge page. */
RAMBlock *ram_new(enum ram_kind kind, size_t pages)
{
    return ram_new_aligned(kind, pages, getenv("UFFD_TEST_UNALIGNED") == NULL);
}

static unsigned next_number(void)
{
    static atomic_uint blocks;

    return ++blocks;
}

static RAMBlock *new_block(enum ram_kind kind, size_t pages, bool aligned, unsigned number)
{
    RAMBlock *rb = calloc(1, sizeof(*rb));

    CHECK(rb != NULL);
    snprintf(rb->idstr, sizeof(rb->idstr), "%s.%u", kind_names[kind], number);
    rb->fd = -1;
    rb->page_size = is_huge(kind) ? HUGE_PAGE : HOST_PAGE;
    rb->pages = pages;
    rb->length = pages * rb->page_size;
    rb->host = is_huge(kind) ? map_huge(rb, kind) : map_guarded(rb, kind, aligned);
    if (rb->host == MAP_FAILED) {
        FAIL("mapping %zu bytes of RAM for %s: %s", rb->length, rb->idstr, strerror(errno));
    }
    return rb;
}

RAMBlock *ram_new_aligned(enum ram_kind kind, size_t pages, bool aligned)
{
    const unsigned number = next_number();
    RAMBlock *rb = new_block(kind, pages, aligned, number);

    rb->source = malloc(rb->length);
    CHECK(rb->source != NULL);
    fill_source(rb, number);
    return rb;
}

RAMBlock *ram_new_sparse(enum ram_kind kind, size_t pages)
{
    RAMBlock *rb = new_block(kind, pages, getenv("UFFD_TEST_UNALIGNED") == NULL, next_number());

    rb->sparse = true;
    rb->source = mmap(NULL, rb->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(rb->source != MAP_FAILED);
    return rb;
}

void ram_free(RAMBlock *rb)
{
    size_t guard = rb->page_size == HUGE_PAGE ? 0 : rb->page_size;

    CHECK_EQ(munmap(rb->host - guard, rb->length + 2 * guard), 0);
    if (rb->fd >= 0) {
        close(rb->fd);
    }
    if (rb->sparse) {
        CHECK_EQ(munmap(rb->source, rb->length), 0);
    } else {
        free(rb->source);
    }
    free(rb);
}

UffdRamBlock ram_describe(const RAMBlock *rb)
{
    return (UffdRamBlock) {
        .size = sizeof(UffdRamBlock),
        .idstr = rb->idstr,
        .host = rb->host,
        .length = rb->length,
        .page_size = rb->page_size,
    };
}

void ram_map_anew(const RAMBlock *rb)
{
    void *mapped = mmap(rb->host, rb->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    CHECK(mapped == rb->host);
}

void ram_advise_discard(const RAMBlock *rb, size_t page, size_t pages, int advice)
{
    if (madvise(ram_page(rb, page), pages * rb->page_size, advice) != 0) {
        if (errno == EINVAL && advice == MADV_DONTNEED && rb->page_size == HUGE_PAGE) {
            SKIP("this kernel cannot discard hugetlbfs memory by MADV_DONTNEED (Linux 5.18)");
        }
        FAIL("madvise: %s", strerror(errno));
    }
}

void ram_discard(const RAMBlock *rb, size_t page, size_t pages)
{
    size_t length = pages * rb->page_size;

    ram_advise_discard(rb, page, pages, MADV_DONTNEED);
    if (rb->fd >= 0) {
        int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        CHECK_EQ(fallocate(rb->fd, mode, page * rb->page_size, length), 0);
    }
}

void ram_check_page(const char *where, const RAMBlock *rb, size_t page, bool as_source)
{
    volatile const uint8_t *seen = ram_page(rb, page);
    const uint8_t *source = ram_source(rb, page);

    for (size_t i = 0; i < rb->page_size; i++) {
        uint8_t expected = as_source ? source[i] : 0;

        if (seen[i] != expected) {
            check_fail(where, "block %s, page %zu, byte %zu: expected %#x, saw %#x", rb->idstr, page, i,
                       expected, seen[i]);
        }
    }
}
