/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Restores the RAM of a VM from a snapshot, on demand: restore FILE
 * Build: cc restore.c $(pkg-config --cflags --libs uffd-incoming)
 */
#define _DEFAULT_SOURCE /* for MAP_ANONYMOUS with -std=c11 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <uffd-incoming.h>

static void check(int result)
{
    if (result < 0) {
        fprintf(stderr, "%s\n", uffd_incoming_error());
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static char vm; /* stands for your VM's state: the library uses only its address */
    MigrationIncomingState *mis = (MigrationIncomingState *)&vm;
    UffdSnapshot *snapshot = uffd_snapshot_open(argc > 1 ? argv[1] : "vm.mapped-ram");
    UffdSnapshotBlock saved = { .size = sizeof(saved) };

    check(snapshot ? 0 : -1);
    check(uffd_incoming_attach(mis, NULL));
    for (size_t i = 0; uffd_snapshot_block(snapshot, i, &saved) == 0; i++) {
        void *ram = mmap(NULL, saved.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        UffdRamBlock block = { .size = sizeof(block), .idstr = saved.idstr, .host = ram,
                               .length = saved.length, .page_size = 4096 };
        if (ram == MAP_FAILED) {
            perror("mmap");
            exit(1);
        }
        check(uffd_incoming_add_ram_block(mis, (RAMBlock *)ram, &block));
    }
    check(uffd_incoming_load_snapshot(mis, snapshot, NULL));

    /* Run the vCPUs here: a missing page arrives when a vCPU touches it. */

    check(uffd_incoming_wait(mis, -1)); /* until every page is in place */
    check(uffd_incoming_cleanup(mis));
    check(uffd_incoming_detach(mis));
    uffd_snapshot_close(snapshot);
    puts("restored");
}
