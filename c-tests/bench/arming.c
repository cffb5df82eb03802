/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What it takes to arm much RAM that is empty.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <err.h>
#include <errno.h>
#include <sys/mman.h>

#include "measure.h"
#include "ours.h"
#include "proc.h"
#include "report.h"

#define BLOCKS 4
#define BLOCK_GIB 16
#define BLOCK_BYTES ((size_t)BLOCK_GIB << 30)

static int never_called(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    (void)mis;
    (void)rb;
    (void)offset;
    (void)fault_address;
    return -EIO;
}

static void add_blocks(MigrationIncomingState *mis, uint8_t *host)
{
    static const char *const names[BLOCKS] = { "ram0", "ram1", "ram2", "ram3" };

    for (int i = 0; i < BLOCKS; i++) {
        UffdRamBlock block = {
            .size = sizeof(block),
            .idstr = names[i],
            .host = host + (size_t)i * BLOCK_BYTES,
            .length = BLOCK_BYTES,
            .page_size = PAGE,
        };

        OURS(uffd_incoming_add_ram_block(mis, (RAMBlock *)block.host, &block));
    }
}

static uint64_t resident_kib(void)
{
    return proc_number("/proc/self/status", "VmRSS:");
}

static void arm(uint32_t fault_threads, struct series *took, struct series *grown)
{
    UffdIncomingConfig config = { .size = sizeof(config), .fault_threads = fault_threads };
    uint8_t *host = mmap(NULL, BLOCKS * BLOCK_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    MigrationIncomingState *mis = (MigrationIncomingState *)host;

    if (host == MAP_FAILED) {
        err(2, "mmap");
    }
    uint64_t before = resident_kib();

    OURS(uffd_incoming_attach(mis, &config));
    add_blocks(mis, host);
    double start = now_us();

    OURS(uffd_setup_incoming(mis, never_called, 1));
    series_add(took, (now_us() - start) / 1e3);
    series_add(grown, ((double)resident_kib() - (double)before) / (BLOCKS * BLOCK_GIB));
    OURS(uffd_incoming_cleanup(mis));
    OURS(uffd_incoming_detach(mis));
    if (munmap(host, BLOCKS * BLOCK_BYTES) != 0) {
        err(2, "munmap");
    }
}

void bench_arming(int rounds)
{
    static const char *const names[] = { "set-up, 1 fault thread", "set-up, 2 fault threads" };
    static const char *const memory[] = {
        "bookkeeping per GiB, 1 fault thread",
        "bookkeeping per GiB, 2 fault threads",
    };

    report_section("Arming 64 GiB of sparse RAM in 4 blocks");
    for (uint32_t threads = 1; threads <= 2; threads++) {
        struct series took = { 0 }, grown = { 0 };

        for (int round = 0; round < rounds; round++) {
            arm(threads, &took, &grown);
        }
        report_row(names[threads - 1], &took, "ms", NULL, NULL, goal_at_most(5));
        report_row(memory[threads - 1], &grown, "KiB", NULL, NULL, goal_at_most(128));
        series_free(&took);
        series_free(&grown);
    }
}
