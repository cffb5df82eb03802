/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "ours.h"

#include <err.h>

void ours_check(const char *call, int returned)
{
    if (returned < 0) {
        errx(2, "%s: %s", call, uffd_incoming_error());
    }
}

void ours_attach(const struct ram *ram, struct ours how)
{
    UffdIncomingConfig config = {
        .size = sizeof(config),
        .fault_threads = how.fault_threads,
        .spin_us = how.spin_us,
    };
    UffdRamBlock block = {
        .size = sizeof(block),
        .idstr = "ram",
        .host = ram->host,
        .length = ram->length,
        .page_size = PAGE,
    };

    OURS(uffd_incoming_attach(OURS_MIS(ram), &config));
    OURS(uffd_incoming_add_ram_block(OURS_MIS(ram), OURS_BLOCK(ram), &block));
}

void ours_load(const struct image *image, const struct ram *ram, struct ours how)
{
    UffdLoadConfig load = {
        .size = sizeof(load),
        .flags = (how.background ? 0 : UFFD_LOAD_NO_BACKGROUND) | (how.direct_io ? UFFD_LOAD_DIRECT_IO : 0) |
                 (how.map_private ? UFFD_LOAD_MAP_PRIVATE : 0),
        .loader_threads = how.loader_threads,
        .working_set_record = how.record,
        .working_set_replay = how.replay,
    };

    UffdSnapshot *snapshot = uffd_snapshot_open(image->path);

    if (!snapshot) {
        errx(2, "%s: %s", image->path, uffd_incoming_error());
    }
    OURS(uffd_incoming_load_snapshot(OURS_MIS(ram), snapshot, &load));
    uffd_snapshot_close(snapshot);
}

void ours_wait(const struct ram *ram)
{
    OURS(uffd_incoming_wait(OURS_MIS(ram), -1));
}

void ours_stop(const struct ram *ram)
{
    OURS(uffd_incoming_abort(OURS_MIS(ram)));
    OURS(uffd_incoming_detach(OURS_MIS(ram)));
}
