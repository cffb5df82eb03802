/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "faulting.h"

#include <err.h>
#include <stdlib.h>

#include "cpus.h"

static void *wait_for_load(void *opaque)
{
    struct served *served = opaque;

    /* Or until served_stop() ends it. */
    atomic_store(&served->background_done, uffd_incoming_wait(OURS_MIS(&served->ram), -1) == 0);
    return NULL;
}

void served_start(struct served *served, const struct way *way, const struct image *image, int near_cpu,
                  bool background)
{
    *served = (struct served){ .way = way, .image = image, .has_background = background };
    served->ram = ram_new(image->length, false);
    if (way->is_ours) {
        struct ours how = way->ours;

        how.background = background;
        ours_attach(&served->ram, how);
        ours_load(image, &served->ram, how);
        if (background) {
            served->waiter = thread_start(wait_for_load, served, -1);
        }
    } else {
        baseline_start(&served->baseline, way->baseline, image, &served->ram, near_cpu, background);
    }
}

bool served_background_done(const struct served *served)
{
    return atomic_load(served->way->is_ours ? &served->background_done : &served->baseline.background_done);
}

void served_stop(struct served *served)
{
    if (served->way->is_ours) {
        ours_stop(&served->ram);
        if (served->has_background) {
            thread_join(served->waiter);
        }
    } else {
        baseline_stop(&served->baseline);
    }
    ram_free(&served->ram);
}

size_t *shuffled(size_t count, uint64_t seed)
{
    size_t *order = malloc(count * sizeof(*order));
    uint64_t state = seed * 0x9e3779b97f4a7c15u | 1;

    if (!order) {
        err(2, "malloc");
    }
    for (size_t i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        size_t other = state % (i + 1);

        order[i] = order[other];
        order[other] = i;
    }
    return order;
}
