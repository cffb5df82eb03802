/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A VM to be: a mis with its configuration and RAM blocks, and a page handler that serves from the blocks'
 * sources. As in a VMM, struct MigrationIncomingState is the program's own.
 */
#ifndef VM_H
#define VM_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "ram.h"
#include "toucher.h"
#include "uffd-incoming.h"

struct vm_event {
    int what;
    int error;
    pid_t thread; /* on which the callback ran */
};

struct MigrationIncomingState {
    UffdIncomingConfig config; /* a test changes it before vm_attach() */
    RAMBlock *blocks[8];
    unsigned block_count;
    atomic_uint handled; /* calls of vm_serve_page() */
    struct vm_event events[16];
    atomic_uint event_count;
    pthread_mutex_t event_lock;
    sem_t preempt_quit; /* of vm_want_preempt_thread() */
};

/*
 * A VM whose configuration has vm_serve_page() for a handler and vm_record_event() for events. The environment
 * can change the engine's settings: UFFD_TEST_USER_MODE_ONLY=1, UFFD_TEST_TRACK_DISCARDS=1, UFFD_TEST_FAULT_THREADS=n, UFFD_TEST_SPIN_US=n,
 * UFFD_TEST_WITHOUT_MOVE=1 (as on Linux before 6.8), UFFD_TEST_WITHOUT_HUGE_PAGES=1 (no transparent ones). See ram.c for
 * UFFD_TEST_UNALIGNED.
 */
MigrationIncomingState *vm_new(void);
/* Whether a load moves units of RAM that asks for huge pages (UFFDIO_MOVE). Otherwise each page goes by itself. */
bool vm_moves_units(void);
/* How many fault threads it is to have. */
unsigned vm_fault_threads(const MigrationIncomingState *vm);
/* The same, and those that wake them, or else the one that reads events. */
unsigned vm_threads(const MigrationIncomingState *vm);
void vm_attach(MigrationIncomingState *vm);

/* Configures a preempt thread, which does nothing until it is told to quit. */
void vm_want_preempt_thread(MigrationIncomingState *vm);

/* Maps RAM and adds it. */
RAMBlock *vm_add_ram(MigrationIncomingState *vm, enum ram_kind kind, size_t pages);
void vm_add_block(MigrationIncomingState *vm, RAMBlock *rb);

/*
 * vm_new(), vm_attach(), vm_add_ram() of anonymous pages: what most tests start with. `handler` NULL:
 * vm_serve_page().
 */
MigrationIncomingState *vm_with_ram(PostcopyPageHandler handler, size_t pages);

/* uffd_setup_incoming() with the configuration's handler and one channel. */
void vm_setup(MigrationIncomingState *vm);

/* Cleans up, detaches, unmaps the RAM. */
void vm_end(MigrationIncomingState *vm);

/* A PostcopyPageHandler: places the page from the block's source. */
int vm_serve_page(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address);

/* A PostcopyPageHandler: another thread places the page later. */
int vm_serve_later(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address);

/* Places a page from the block's source. */
void vm_place(MigrationIncomingState *vm, RAMBlock *rb, size_t page);

void vm_record_event(MigrationIncomingState *vm, int what, int error);
/* How many of these events there have been. */
unsigned vm_events(MigrationIncomingState *vm, int what, int error);

/* A log callback for where there is nothing to complain of. */
void vm_no_message(MigrationIncomingState *vm, int level, const char *message);

UffdIncomingStats vm_stats(MigrationIncomingState *vm);

/* How many waits for pages have ended: all that the histogram of latencies has. */
uint64_t waits_that_ended(const UffdIncomingStats *stats);
int vm_received(MigrationIncomingState *vm, RAMBlock *rb, size_t page);

#endif
