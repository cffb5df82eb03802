/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The model: the value that every byte of a RAM block must have, at any time and for any reader.
 *
 * A thread that touches a page holds its `contents`: shared to read, exclusively to write or discard. A thread that places a page,
 * or marks it received, holds its `placing` while it decides and calls. No thread waits for `contents` while it holds `placing`,
 * since a toucher holds `contents` while it waits for its page.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <pthread.h>
#include <stdatomic.h>

#include "ram.h"

/* What a page may hold instead of its bytes: all of it, and for good once a thread has seen which it is. */
enum other {
    OTHER_NONE,
    OTHER_ZEROS,  /* it was missing, or being placed, when its block was removed or aborted, or the page was marked received */
    OTHER_SOURCE, /* it was discarded while the source's bytes might be on their way for a second time */
    OTHER_FREED,  /* zeros, as soon as the kernel likes, until it is written to: it was given back by MADV_FREE */
};

/* What `what` happened to a page, told in a finding. */
struct operation {
    const char *what; /* a string constant */
    int64_t number;   /* that goes with it */
    uint32_t time;
    pid_t thread;
};

struct page {
    pthread_rwlock_t contents;
    pthread_mutex_t placing;
    atomic_int other;
    bool settled; /* by discarding or marking, under `placing`: there is no data to place any more */
    bool kept;    /* it held something before the set-up */
    atomic_bool lost;     /* the source cannot be expected to have it */
    atomic_bool in_place; /* it has been seen, and so it cannot be poisoned any more */
    atomic_uint calls;
    pthread_mutex_t noting; /* a leaf lock, held for a moment; any other lock may be held */
    unsigned operations;
    struct operation history[8];
};

struct memory {
    RAMBlock *rb;
    enum ram_kind kind;
    uint8_t *bytes; /* what the RAM must hold; rb->source says what arrives */
    struct page *pages;
    uint8_t *alias;      /* where a client maps the same RAM, or NULL */
    bool poisonable;     /* what is lost may be poisoned */
    bool added;          /* before a set-up */
    atomic_bool leaving; /* it is being removed */
    atomic_bool removed; /* the library does not know it any more */
};

void memory_init(struct memory *memory, RAMBlock *rb, enum ram_kind kind);
void memory_free(struct memory *memory);

void memory_note(struct memory *memory, size_t page, const char *what, int64_t number);

/* Sets what the page holds, while no other thread uses it. */
void memory_becomes_source(struct memory *memory, size_t page);
void memory_becomes(struct memory *memory, size_t page, uint8_t byte);

/* Whether a page is there to be touched, or comes; else it is SIGBUS, and has to be lost. `contents` is held. */
bool memory_is_there(struct memory *memory, size_t page);

/* Compares so many bytes of a page, seen through whatever mapping; `contents` is held. */
void memory_check(struct memory *memory, const uint8_t *seen, size_t page, size_t from, size_t length);

/* Writes an aligned word; `contents` is held exclusively. */
void memory_write(struct memory *memory, uint8_t *view, size_t page, size_t word, uint64_t value);

/* After a discard: zeros, or what else; `contents` is held exclusively. */
void memory_discarded(struct memory *memory, size_t page, enum other other);
void memory_freed(struct memory *memory, size_t page);

/* Writes to every page that MADV_FREE has freed: the kernel does not take it any more. */
void memory_keep_freed(struct memory *memory);

/* What is missing in the page may be zeros from here on, before that becomes true. */
void memory_may_be_zeros(struct memory *memory, size_t page);

/* Takes `contents` of every page in turn and compares every byte, but for those of poisoned pages. How many those were. */
size_t memory_check_all(struct memory *memory);

void memory_lock(struct memory *memory, size_t page, bool exclusively);
void memory_unlock(struct memory *memory, size_t page);

#endif
