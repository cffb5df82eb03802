/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "plain-read.h"
#include "restoration.h"

struct restoration full_read(const struct options *options, struct vcpus *vcpus)
{
    struct restoration done = { 0 };
    struct plain_snapshot snapshot;

    const uint64_t begun = now_ns();
    plain_open(&snapshot, options->snapshot);
    for (size_t i = 0; i < snapshot.block_count; i++) {
        guest_add_block(&done.guest, snapshot.blocks[i].idstr, snapshot.blocks[i].length);
    }
    guest_map(&done.guest, options->memory);
    for (size_t i = 0; i < snapshot.block_count; i++) {
        plain_read(&snapshot, &snapshot.blocks[i], done.guest.blocks[i].host);
    }
    done.all_ns = now_ns() - begun;

    vcpus_start(vcpus, &done.guest);
    vcpus_join(vcpus);
    restoration_add_times(&done, vcpus, begun);
    plain_close(&snapshot);
    return done;
}
