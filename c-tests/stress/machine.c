/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "machine.h"

#include <errno.h>

struct memory *machine_memory(struct machine *machine, const RAMBlock *rb)
{
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        if (machine->memories[i].rb == rb) {
            return &machine->memories[i];
        }
    }
    return NULL;
}

struct random machine_random(const struct machine *machine, unsigned number)
{
    return random_of(machine->plan->seed + machine->setup, number);
}

bool machine_poisons(const struct machine *machine)
{
    return machine->plan->flags & UFFD_INCOMING_POISON;
}

bool machine_tracks(const struct machine *machine)
{
    return machine->plan->flags & UFFD_INCOMING_TRACK_DISCARDS;
}

bool machine_may_map(const struct machine *machine, const struct memory *memory)
{
    return machine->plan->map_private && memory->kind == RAM_ANON;
}

struct memory *machine_pick(struct machine *machine, struct random *random, size_t *page)
{
    struct memory *memory = &machine->memories[random_below(random, machine->plan->block_count)];

    *page = random_below(random, memory->rb->pages);
    return memory;
}

void machine_lose(struct machine *machine, struct memory *memory)
{
    memory->leaving = true;
    for (size_t page = 0; page < memory->rb->pages; page++) {
        if (uffd_incoming_page_received(&machine->vm, memory->rb, page * memory->rb->page_size) != 1) {
            memory_may_be_zeros(memory, page);
        }
    }
}

bool machine_excuses(const struct machine *machine, const struct memory *memory, int error)
{
    return (machine->ending && error == -EINVAL) || (memory->leaving && error == -ENOENT);
}

bool machine_waits_for_huge_pages(const struct memory *memory, int error)
{
    return error == -ENOMEM && memory->kind >= RAM_HUGETLB_PRIVATE;
}
