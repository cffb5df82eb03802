/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "vcpus.h"

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGES_PER_WRITE 4

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool replace(uint8_t *host, uint8_t *expected, uint8_t byte)
{
    return __atomic_compare_exchange_n(host, expected, byte, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Writes without a change. The first access is a write already, and it is atomic: other vCPUs may do the same. */
static void write_same(uint8_t *host)
{
    uint8_t byte = 0;

    if (!replace(host, &byte, 0)) {
        replace(host, &byte, byte);
    }
}

static void access_page(uint8_t *host, uint64_t page)
{
    if (page % PAGES_PER_WRITE == 0) {
        write_same(host);
    } else {
        (void)__atomic_load_n(host, __ATOMIC_RELAXED);
    }
}

static void use_piece(struct vcpu *vcpu, const struct piece *piece)
{
    uint8_t *host = vcpu->guest->blocks[piece->block].host;

    for (uint64_t page = piece->first_page; page < piece->first_page + piece->page_count; page++) {
        uint64_t before = now_ns();
        access_page(host + page * vcpu->page_size, page);
        uint64_t after = now_ns();

        if (vcpu->first_page_ns == 0) {
            vcpu->first_page_ns = after;
        }
        histogram_add(vcpu->latency, after - before);
    }
}

static void *vcpu_run(void *opaque)
{
    struct vcpu *vcpu = opaque;

    sem_wait(&vcpu->go);
    for (size_t i = 0; vcpu->guest && i < vcpu->piece_count; i++) {
        if (i == vcpu->local_count) {
            vcpu->local_ns = now_ns();
        }
        use_piece(vcpu, &vcpu->pieces[i]);
    }
    vcpu->scattered_ns = now_ns();
    return NULL;
}

static void list_pieces(struct vcpu *vcpu, const struct working_set *local, const struct working_set *scattered,
                        uint64_t seed)
{
    vcpu->local_count = local->piece_count;
    vcpu->piece_count = local->piece_count + scattered->piece_count;
    vcpu->pieces = calloc(vcpu->piece_count, sizeof(*vcpu->pieces));
    if (!vcpu->pieces) {
        err(2, "calloc");
    }
    memcpy(vcpu->pieces, local->pieces, local->piece_count * sizeof(*local->pieces));
    memcpy(vcpu->pieces + vcpu->local_count, scattered->pieces, scattered->piece_count * sizeof(*scattered->pieces));
    working_set_shuffle(vcpu->pieces, local->piece_count, seed);
    working_set_shuffle(vcpu->pieces + vcpu->local_count, scattered->piece_count, seed);
}

struct vcpus vcpus_create(size_t count, const struct working_set *local, const struct working_set *scattered,
                          uint64_t seed)
{
    struct vcpus vcpus = { .each = calloc(count, sizeof(*vcpus.each)), .count = count };

    if (!vcpus.each) {
        err(2, "calloc");
    }
    for (size_t i = 0; i < count; i++) {
        struct vcpu *vcpu = &vcpus.each[i];

        vcpu->page_size = local->page_size;
        list_pieces(vcpu, local, scattered, seed + i);
        sem_init(&vcpu->go, 0, 0);
        errno = pthread_create(&vcpu->thread, NULL, vcpu_run, vcpu);
        if (errno != 0) {
            err(2, "pthread_create");
        }
    }
    return vcpus;
}

void vcpus_start(struct vcpus *vcpus, const struct MigrationIncomingState *guest)
{
    for (size_t i = 0; i < vcpus->count; i++) {
        vcpus->each[i].guest = guest;
        sem_post(&vcpus->each[i].go);
    }
}

void vcpus_join(struct vcpus *vcpus)
{
    for (size_t i = 0; i < vcpus->count; i++) {
        pthread_join(vcpus->each[i].thread, NULL);
    }
}

uint64_t vcpus_first_page_ns(const struct vcpus *vcpus)
{
    uint64_t first = UINT64_MAX;

    for (size_t i = 0; i < vcpus->count; i++) {
        first = vcpus->each[i].first_page_ns < first ? vcpus->each[i].first_page_ns : first;
    }
    return first;
}

uint64_t vcpus_local_ns(const struct vcpus *vcpus)
{
    uint64_t last = 0;

    for (size_t i = 0; i < vcpus->count; i++) {
        last = vcpus->each[i].local_ns > last ? vcpus->each[i].local_ns : last;
    }
    return last;
}

uint64_t vcpus_scattered_ns(const struct vcpus *vcpus)
{
    uint64_t last = 0;

    for (size_t i = 0; i < vcpus->count; i++) {
        last = vcpus->each[i].scattered_ns > last ? vcpus->each[i].scattered_ns : last;
    }
    return last;
}

void vcpus_add_latency(const struct vcpus *vcpus, uint64_t latency[HISTOGRAM_BUCKETS])
{
    for (size_t i = 0; i < vcpus->count; i++) {
        for (size_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
            latency[bucket] += vcpus->each[i].latency[bucket];
        }
    }
}

void vcpus_free(struct vcpus *vcpus)
{
    for (size_t i = 0; i < vcpus->count; i++) {
        sem_destroy(&vcpus->each[i].go);
        free(vcpus->each[i].pieces);
    }
    free(vcpus->each);
}
