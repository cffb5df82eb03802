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

size_t smaps_bytes(const RAMBlock *rb, const char *start)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;
    size_t sum = 0;

    CHECK(smaps != NULL);
    while (fgets(line, sizeof(line), smaps) != NULL) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            inside = from < (uintptr_t)rb->host + rb->length && to > (uintptr_t)rb->host;
        } else if (inside && strncmp(line, start, strlen(start)) == 0) {
            sum += strtoul(line + strlen(start), NULL, 10) * 1024;
        }
    }
    fclose(smaps);
    return sum;
}

size_t smaps_flags(const RAMBlock *rb, const char *flag)
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
        } else if (strncmp(line, "VmFlags:", strlen("VmFlags:")) == 0 && strstr(line, flag) != NULL) {
            sum += inside;
        }
    }
    fclose(smaps);
    return sum;
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
