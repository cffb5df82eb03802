/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Private anonymous RAM that is loaded in the background ends up on huge pages where it is mostly data; without
 * UFFDIO_MOVE it is copied, and without huge pages it is moved in small ones.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "snapshot-file.h"

#define UFFD_FEATURE_MOVE_BIT (1ULL << 16) /* Linux 6.8 */
#define PAGES 8192

/* How many bytes of the block are on huge pages. */
static size_t huge_bytes(const RAMBlock *rb)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;
    size_t sum = 0, kib;

    CHECK(smaps != NULL);
    while (fgets(line, sizeof(line), smaps) != NULL) {
        unsigned long start, end;

        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
            inside = start < (uintptr_t)rb->host + rb->length && end > (uintptr_t)rb->host;
        } else if (inside && sscanf(line, "AnonHugePages: %zu kB", &kib) == 1) {
            sum += kib * 1024;
        }
    }
    fclose(smaps);
    return sum;
}

static bool has_huge_pages(void)
{
    FILE *enabled = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    char words[64] = "";

    if (enabled != NULL) {
        CHECK(fgets(words, sizeof(words), enabled) != NULL);
        fclose(enabled);
    }
    return words[0] != '\0' && strstr(words, "[never]") == NULL;
}

int main(void)
{
    UffdIncomingHost host = { .size = sizeof(host) };

    CHECK_OK(uffd_incoming_probe(&host));
    if (!(host.features & UFFD_FEATURE_MOVE_BIT) || !has_huge_pages()) {
        SKIP("this host has no UFFDIO_MOVE (Linux 6.8), or transparent huge pages are off");
    }
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    if (getenv("UFFD_TEST_WITHOUT_MOVE") != NULL || getenv("UFFD_TEST_WITHOUT_HUGE_PAGES") != NULL) {
        CHECK_EQ(huge_bytes(rb), 0);
    } else {
        /* Of every four units, one is zeros and at most one more is lost at a border. */
        CHECK(huge_bytes(rb) >= rb->length / 2);
    }
    CHECK_RAM(vm);
    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
