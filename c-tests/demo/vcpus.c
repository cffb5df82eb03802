/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#define _GNU_SOURCE /* nrand48() */
#include "vcpus.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static size_t count_pages(const struct MigrationIncomingState *guest)
{
    size_t count = 0;

    for (size_t i = 0; i < guest->block_count; i++) {
        count += guest->blocks[i].length / guest->blocks[i].page_size;
    }
    return count;
}

static void list_pages(uint8_t **pages, const struct MigrationIncomingState *guest)
{
    for (size_t i = 0; i < guest->block_count; i++) {
        const struct RAMBlock *rb = &guest->blocks[i];

        for (uint64_t offset = 0; offset < rb->length; offset += rb->page_size) {
            *pages++ = rb->host + offset;
        }
    }
}

static void shuffle(uint8_t **pages, size_t count, uint64_t seed)
{
    unsigned short state[3];

    memcpy(state, &seed, sizeof(state));
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)nrand48(state) % i;
        uint8_t *page = pages[i - 1];

        pages[i - 1] = pages[other];
        pages[other] = page;
    }
}

static void *vcpu_run(void *opaque)
{
    struct vcpu *vcpu = opaque;

    sem_wait(&vcpu->go);
    for (size_t i = 0; i < vcpu->page_count; i++) {
        uint64_t before = now_ns();
        (void)*(volatile uint8_t *)vcpu->pages[i];
        uint64_t after = now_ns();

        if (i == 0) {
            vcpu->first_touch_ns = after;
        }
        histogram_add(vcpu->latency, after - before);
    }
    return NULL;
}

struct vcpu *vcpus_create(size_t count, const struct MigrationIncomingState *guest, uint64_t seed)
{
    struct vcpu *vcpus = calloc(count, sizeof(*vcpus));

    if (!vcpus) {
        err(2, "calloc");
    }
    for (size_t i = 0; i < count; i++) {
        struct vcpu *vcpu = &vcpus[i];

        vcpu->page_count = count_pages(guest);
        vcpu->pages = calloc(vcpu->page_count, sizeof(*vcpu->pages));
        if (!vcpu->pages) {
            err(2, "calloc");
        }
        list_pages(vcpu->pages, guest);
        shuffle(vcpu->pages, vcpu->page_count, seed + i);
        sem_init(&vcpu->go, 0, 0);
        errno = pthread_create(&vcpu->thread, NULL, vcpu_run, vcpu);
        if (errno != 0) {
            err(2, "pthread_create");
        }
    }
    return vcpus;
}

void vcpus_start(struct vcpu *vcpus, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sem_post(&vcpus[i].go);
    }
}

void vcpus_join(struct vcpu *vcpus, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pthread_join(vcpus[i].thread, NULL);
    }
}

uint64_t vcpus_first_touch_ns(const struct vcpu *vcpus, size_t count)
{
    uint64_t first = UINT64_MAX;

    for (size_t i = 0; i < count; i++) {
        if (vcpus[i].first_touch_ns < first) {
            first = vcpus[i].first_touch_ns;
        }
    }
    return first;
}

void vcpus_free(struct vcpu *vcpus, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(vcpus[i].pages);
    }
    free(vcpus);
}
