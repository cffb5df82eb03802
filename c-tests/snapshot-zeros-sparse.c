/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * 64 GiB of private RAM with one page of data in each 64 MiB. The runs of zeros between them are not registered, and
 * take no page tables.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flat-file.h"
#include "snapshot-load.h"

#define GIB ((size_t)1 << 30)
#define LENGTH (64 * GIB)
#define EACH ((size_t)64 << 20)
#define PAGES (LENGTH / 4096)

/* In bytes, of the whole process. */
static size_t page_tables(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    size_t bytes = 0;

    CHECK(status != NULL);
    while (fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "VmPTE:", 6) == 0) {
            bytes = strtoul(line + 6, NULL, 10) * 1024;
        }
    }
    fclose(status);
    CHECK(bytes > 0);
    return bytes;
}

static void write_image(const struct flat_file *file, const RAMBlock *rb)
{
    uint8_t page[4096];
    char text[128];

    for (size_t at = 5 * 4096; at < LENGTH; at += EACH) {
        memset(page, (int)(1 + at / EACH % 255), sizeof(page));
        CHECK_EQ(pwrite(file->image_fd, page, sizeof(page), (off_t)at), sizeof(page));
    }
    snprintf(text, sizeof(text), "uffd-incoming flat 1\nimage image\nblock 0 %zu %s\n", LENGTH, rb->idstr);
    flat_file_describe(file, text);
}

int main(void)
{
    struct flat_file file = flat_file_new(LENGTH);
    MigrationIncomingState *vm = vm_new();
    RAMBlock *rb = ram_new_sparse(RAM_ANON, PAGES);

    vm_attach(vm);
    vm_add_block(vm, rb);
    write_image(&file, rb);
    UffdSnapshot *snapshot = open_snapshot(file.description);
    const size_t before = page_tables();

    load(vm, snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    /* A table for each page of data, and a few more. */
    CHECK(page_tables() - before < (size_t)16 << 20);
    for (size_t at = 0; at < LENGTH; at += EACH) {
        const uint8_t *unit = rb->host + at;

        CHECK_EQ(unit[4 * 4096], 0);
        CHECK_EQ(unit[5 * 4096], 1 + at / EACH % 255);
        CHECK_EQ(unit[6 * 4096 - 1], 1 + at / EACH % 255);
        CHECK_EQ(unit[6 * 4096], 0);
        CHECK_EQ(unit[EACH - 1], 0);
    }
    uffd_snapshot_close(snapshot);
    vm_end(vm);
    flat_file_remove(&file);
    return 0;
}
