/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counters.h"
#include "sigbus.h"
#include "watch.h"

#define HISTORY (sizeof(((struct page *)0)->history) / sizeof(struct operation))
#define NO_WORD SIZE_MAX

void memory_init(struct memory *memory, RAMBlock *rb, enum ram_kind kind)
{
    *memory = (struct memory) { .rb = rb, .kind = kind };
    memory->bytes = calloc(1, rb->length);
    memory->pages = calloc(rb->pages, sizeof(*memory->pages));
    CHECK(memory->bytes != NULL && memory->pages != NULL);
    for (size_t page = 0; page < rb->pages; page++) {
        pthread_rwlock_init(&memory->pages[page].contents, NULL);
        pthread_mutex_init(&memory->pages[page].placing, NULL);
        pthread_mutex_init(&memory->pages[page].noting, NULL);
    }
}

void memory_free(struct memory *memory)
{
    for (size_t page = 0; page < memory->rb->pages; page++) {
        pthread_rwlock_destroy(&memory->pages[page].contents);
        pthread_mutex_destroy(&memory->pages[page].placing);
        pthread_mutex_destroy(&memory->pages[page].noting);
    }
    free(memory->pages);
    free(memory->bytes);
}

void memory_note(struct memory *memory, size_t page, const char *what, int64_t number)
{
    struct page *it = &memory->pages[page];
    const struct operation operation = { .what = what, .number = number, .time = watch_time(), .thread = gettid() };

    CHECK_EQ(pthread_mutex_lock(&it->noting), 0);
    it->history[it->operations++ % HISTORY] = operation;
    CHECK_EQ(pthread_mutex_unlock(&it->noting), 0);
}

static void say_history(struct page *page)
{
    CHECK_EQ(pthread_mutex_lock(&page->noting), 0);
    const unsigned end = page->operations, first = end > HISTORY ? end - HISTORY : 0;

    for (unsigned i = first; i < end; i++) {
        const struct operation *operation = &page->history[i % HISTORY];

        fprintf(stderr, "  %8u us, thread %d: %s (%jd)\n", operation->time, (int)operation->thread,
                operation->what, (intmax_t)operation->number);
    }
    CHECK_EQ(pthread_mutex_unlock(&page->noting), 0);
}

static uint8_t *bytes_of(const struct memory *memory, size_t page)
{
    return memory->bytes + page * memory->rb->page_size;
}

static const uint8_t *seen_at(const struct memory *memory, const uint8_t *view, size_t page)
{
    return view + page * memory->rb->page_size;
}

static void say_page(struct memory *memory, size_t page)
{
    const RAMBlock *rb = memory->rb;

    fprintf(stderr, "page %zu of block %s (%zu pages of %zu bytes, at %p%s), the last that happened to it:\n", page,
            rb->idstr, rb->pages, rb->page_size, (void *)rb->host, memory->removed ? ", removed" : "");
    say_history(&memory->pages[page]);
}

static void find(struct memory *memory, const uint8_t *seen, size_t page, size_t from, size_t length)
{
    const RAMBlock *rb = memory->rb;
    const uint8_t *expected = bytes_of(memory, page) + from;
    size_t i = 0;

    while (i < length - 1 && ((volatile const uint8_t *)seen)[i] == expected[i]) {
        i++;
    }
    const uint8_t byte = ((volatile const uint8_t *)seen)[i];
    const int again = memcmp(seen, expected, length);
    say_page(memory, page);
    FAIL("block %s, page %zu, byte %zu: expected %#x (or %d), saw %#x, which is%s the source's%s, seen by %s%s", rb->idstr,
         page, from + i, expected[i], memory->pages[page].other, byte,
         byte == ram_source(rb, page)[from + i] ? "" : " not", byte == 0 ? " and zero" : "",
         seen == ram_page(rb, page) + from ? "the guest" : "the client",
         again == 0 ? "; a moment later all was well" : "");
}

bool memory_is_there(struct memory *memory, size_t page)
{
    struct page *it = &memory->pages[page];

    if (!memory->poisonable || it->in_place) {
        return true;
    }
    if (!is_sigbus(ram_page(memory->rb, page))) {
        it->in_place = true;
        return true;
    }
    memory_note(memory, page, "SIGBUS", it->lost);
    if (!it->lost) {
        say_page(memory, page);
        FAIL("block %s, page %zu: expected its bytes, saw SIGBUS", memory->rb->idstr, page);
    }
    counters.sigbus++;
    return false;
}

static uint64_t other_word(const struct memory *memory, size_t page, enum other other, size_t word)
{
    return other == OTHER_SOURCE ? ((const uint64_t *)ram_source(memory->rb, page))[word] : 0;
}

/* Whether the words are those of the other contents, but for the one that was written since. */
static bool holds_other(const struct memory *memory, const uint8_t *seen, size_t page, enum other other, size_t written,
                        size_t from, size_t length)
{
    const uint64_t *words = (const uint64_t *)seen, *bytes = (const uint64_t *)bytes_of(memory, page);
    const size_t first = from / sizeof(*words);

    for (size_t word = first; word < first + length / sizeof(*words); word++) {
        if (words[word - first] != (word == written ? bytes[word] : other_word(memory, page, other, word))) {
            return false;
        }
    }
    return other != OTHER_NONE;
}

void memory_check(struct memory *memory, const uint8_t *seen, size_t page, size_t from, size_t length)
{
    if (memcmp(seen, bytes_of(memory, page) + from, length) != 0 &&
        !holds_other(memory, seen, page, memory->pages[page].other, NO_WORD, from, length)) {
        find(memory, seen, page, from, length);
    }
}

/*
 * Finds out which of the two a page holds. What it may hold is taken first: if its block is let go meanwhile, that is
 * told anew, and looking at the page decides it. What was freed is not decided before something is written to it.
 */
static void settle(struct memory *memory, const uint8_t *view, size_t page, size_t written)
{
    const size_t size = memory->rb->page_size;
    const uint8_t *seen = seen_at(memory, view, page);
    uint64_t *bytes = (uint64_t *)bytes_of(memory, page);

    if (memory->pages[page].other == OTHER_FREED && written == NO_WORD) {
        return;
    }
    const enum other other = atomic_exchange(&memory->pages[page].other, OTHER_NONE);
    if (other == OTHER_NONE || memcmp(seen, bytes, size) == 0) {
        return;
    }
    if (!holds_other(memory, seen, page, other, written, 0, size)) {
        find(memory, seen, page, 0, size);
    }
    for (size_t word = 0; word < size / sizeof(*bytes); word++) {
        if (word != written) {
            bytes[word] = other_word(memory, page, other, word);
        }
    }
    memory_note(memory, page, "turned out to be the other", other);
}

void memory_write(struct memory *memory, uint8_t *view, size_t page, size_t word, uint64_t value)
{
    settle(memory, view, page, NO_WORD);
    *(volatile uint64_t *)(view + page * memory->rb->page_size + word * sizeof(value)) = value;
    ((uint64_t *)bytes_of(memory, page))[word] = value;
    settle(memory, view, page, word);
}

void memory_discarded(struct memory *memory, size_t page, enum other other)
{
    memset(bytes_of(memory, page), 0, memory->rb->page_size);
    memory->pages[page].other = other;
    memory->pages[page].in_place = true;
}

void memory_freed(struct memory *memory, size_t page)
{
    memory->pages[page].other = OTHER_FREED;
    memory->pages[page].in_place = true;
}

void memory_keep_freed(struct memory *memory)
{
    for (size_t page = 0; page < memory->rb->pages; page++) {
        if (memory->pages[page].other == OTHER_FREED) {
            memory_lock(memory, page, true);
            memory_write(memory, memory->rb->host, page, 0, page);
            memory_unlock(memory, page);
        }
    }
}

void memory_may_be_zeros(struct memory *memory, size_t page)
{
    int none = OTHER_NONE;

    atomic_compare_exchange_strong(&memory->pages[page].other, &none, OTHER_ZEROS);
}

void memory_becomes_source(struct memory *memory, size_t page)
{
    memcpy(bytes_of(memory, page), ram_source(memory->rb, page), memory->rb->page_size);
    memory->pages[page].other = OTHER_NONE;
}

void memory_becomes(struct memory *memory, size_t page, uint8_t byte)
{
    memset(bytes_of(memory, page), byte, memory->rb->page_size);
    memset(ram_page(memory->rb, page), byte, memory->rb->page_size);
    memory->pages[page].other = OTHER_NONE;
}

size_t memory_check_all(struct memory *memory)
{
    size_t bytes = 0;

    for (size_t page = 0; page < memory->rb->pages; page++) {
        watch_doing("compares", memory->rb, page);
        memory_lock(memory, page, true);
        if (memory_is_there(memory, page)) {
            settle(memory, memory->rb->host, page, NO_WORD);
            memory_check(memory, ram_page(memory->rb, page), page, 0, memory->rb->page_size);
            bytes += memory->rb->page_size;
        }
        memory_unlock(memory, page);
        watch_progress();
    }
    return bytes;
}

void memory_lock(struct memory *memory, size_t page, bool exclusively)
{
    pthread_rwlock_t *contents = &memory->pages[page].contents;

    CHECK_EQ(exclusively ? pthread_rwlock_wrlock(contents) : pthread_rwlock_rdlock(contents), 0);
}

void memory_unlock(struct memory *memory, size_t page)
{
    CHECK_EQ(pthread_rwlock_unlock(&memory->pages[page].contents), 0);
}
