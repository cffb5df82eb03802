/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "concurrent-faulters.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define THREADS 4
#define NO_WORKING_SET "/no-such-working-set"

static pthread_mutex_t loader = PTHREAD_MUTEX_INITIALIZER;

struct turns {
    const RAMBlock *rb;
    size_t count;
    size_t (*page_of)(size_t turn); /* NULL: the discarded page of this number */
    atomic_size_t next;
};

static void *fault_by_turns(void *opaque)
{
    struct turns *turns = opaque;
    size_t turn;

    while ((turn = turns->next++) < turns->count) {
        if (turns->page_of != NULL) {
            CHECK_PAGE(turns->rb, turns->page_of(turn));
        } else {
            CHECK_EQ(*(volatile uint8_t *)ram_page(turns->rb, turn), 0);
        }
    }
    return NULL;
}

static void take_turns(struct turns *turns)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, fault_by_turns, turns), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
}

struct snapshot_file *faulters_snapshot(MigrationIncomingState *vm, size_t pages)
{
    vm->config.fault_threads = 1;
    hold_loader(vm);
    vm_attach(vm);
    vm_add_block(vm, ram_new_aligned(RAM_ANON, pages, true));
    struct snapshot_file *file = snapshot_file_new(vm);
    file->layout.page = snapshot_data_page;
    snapshot_file_write(file);
    return file;
}

void place_first_pages(MigrationIncomingState *vm, RAMBlock *rb, size_t count)
{
    for (size_t page = 0; page < count; page++) {
        vm_place(vm, rb, page);
    }
}

void fault_concurrently(const RAMBlock *rb, size_t count)
{
    struct turns turns = { .rb = rb, .count = count };

    ram_discard(rb, 0, count);
    take_turns(&turns);
}

/* The loader tells, before it loads anything, that it cannot read the working set. */
static void wait_in_loader(MigrationIncomingState *vm, int level, const char *message)
{
    char name[16];

    (void)vm;
    (void)level;
    CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
    if (strncmp(name, "uffd/load", strlen("uffd/load")) == 0 && strstr(message, NO_WORKING_SET) != NULL) {
        CHECK_EQ(pthread_mutex_lock(&loader), 0);
        CHECK_EQ(pthread_mutex_unlock(&loader), 0);
    } else {
        fprintf(stderr, "%s\n", message);
    }
}

UffdLoadConfig held_loader_config(uint64_t flags)
{
    return (UffdLoadConfig) {
        .size = sizeof(UffdLoadConfig), .flags = flags, .working_set_replay = NO_WORKING_SET
    };
}

void hold_loader(MigrationIncomingState *vm)
{
    vm->config.log = wait_in_loader;
    CHECK_EQ(pthread_mutex_lock(&loader), 0);
}

void release_loader(void)
{
    CHECK_EQ(pthread_mutex_unlock(&loader), 0);
}

void read_concurrently(const RAMBlock *rb, size_t count, size_t (*page_of)(size_t turn))
{
    struct turns turns = { .rb = rb, .count = count, .page_of = page_of };

    take_turns(&turns);
}

bool are_received(MigrationIncomingState *vm, RAMBlock *rb, size_t page, size_t count)
{
    const size_t end = page + count;

    while (page < end && vm_received(vm, rb, page) == 1) {
        page++;
    }
    return page == end;
}
