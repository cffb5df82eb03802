/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "ram-contents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void check_ram(const char *where, const MigrationIncomingState *vm)
{
    for (unsigned i = 0; i < vm->block_count; i++) {
        const RAMBlock *rb = vm->blocks[i];

        for (size_t page = 0; page < rb->pages; page++) {
            if (memcmp(ram_page(rb, page), ram_source(rb, page), rb->page_size) != 0) {
                ram_check_page(where, rb, page, true); /* finds the byte */
            }
        }
    }
}

bool is_present(const RAMBlock *rb, size_t page)
{
    unsigned char present;

    CHECK_EQ(mincore(ram_page(rb, page), rb->page_size, &present), 0);
    return present & 1;
}

/* The sum of what `of_line` says of the lines of the block's mappings, so many bytes of which are in the block. */
static size_t smaps_sum(const RAMBlock *rb, size_t (*of_line)(const char *line, const char *words, size_t inside),
                        const char *words)
{
    const uintptr_t start = (uintptr_t)rb->host, end = start + rb->length;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[512];
    size_t inside = 0, sum = 0;

    CHECK(smaps != NULL);
    while (fgets(line, sizeof(line), smaps) != NULL) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            from = from < start ? start : from;
            to = to > end ? end : to;
            inside = from < to ? to - from : 0;
        } else if (inside > 0) {
            sum += of_line(line, words, inside);
        }
    }
    fclose(smaps);
    return sum;
}

static size_t bytes_of(const char *line, const char *words, size_t inside)
{
    (void)inside;
    return strncmp(line, words, strlen(words)) == 0 ? strtoul(line + strlen(words), NULL, 10) * 1024 : 0;
}

static size_t inside_with(const char *line, const char *words, size_t inside)
{
    return strncmp(line, "VmFlags:", strlen("VmFlags:")) == 0 && strstr(line, words) != NULL ? inside : 0;
}

size_t smaps_bytes(const RAMBlock *rb, const char *start)
{
    return smaps_sum(rb, bytes_of, start);
}

size_t smaps_flags(const RAMBlock *rb, const char *flag)
{
    return smaps_sum(rb, inside_with, flag);
}

bool has_huge_pages(void)
{
    FILE *enabled = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    char words[64] = "";

    if (enabled != NULL) {
        CHECK(fgets(words, sizeof(words), enabled) != NULL);
        fclose(enabled);
    }
    return words[0] != '\0' && strstr(words, "[never]") == NULL;
}

void fill_ram(const MigrationIncomingState *vm, uint8_t byte)
{
    for (unsigned i = 0; i < vm->block_count; i++) {
        memset(vm->blocks[i]->host, byte, vm->blocks[i]->length);
    }
}

void check_filled(const char *where, const MigrationIncomingState *vm, uint8_t byte)
{
    for (unsigned i = 0; i < vm->block_count; i++) {
        const RAMBlock *rb = vm->blocks[i];

        for (size_t offset = 0; offset < rb->length; offset++) {
            if (rb->host[offset] != byte) {
                check_fail(where, "block %s, offset %zu: expected %#x as before, saw %#x", rb->idstr, offset,
                           byte, rb->host[offset]);
            }
        }
    }
}
