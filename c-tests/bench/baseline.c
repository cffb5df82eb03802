/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "baseline.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cpus.h"

#define BATCH 64

static int open_userfaultfd(const struct ram *ram)
{
    struct uffdio_api api = { .api = UFFD_API };
    struct uffdio_register range = {
        .range = { .start = (uintptr_t)ram->host, .len = ram->length },
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

    if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) != 0 || ioctl(uffd, UFFDIO_REGISTER, &range) != 0) {
        err(2, "userfaultfd");
    }
    return uffd;
}

/* Another thread may have been faster with a page: then whoever waits for it is woken, and all is well. */
static void copy(int uffd, uint8_t *to, const uint8_t *from, size_t length)
{
    while (length > 0) {
        struct uffdio_copy copy = { .dst = (uintptr_t)to, .src = (uintptr_t)from, .len = length };
        size_t done = length;

        if (ioctl(uffd, UFFDIO_COPY, &copy) != 0) {
            if (errno == EAGAIN) {
                done = copy.copy > 0 ? (size_t)copy.copy : 0;
            } else if (errno == EEXIST) {
                struct uffdio_range page = { .start = (uintptr_t)to, .len = PAGE };

                if (ioctl(uffd, UFFDIO_WAKE, &page) != 0) {
                    err(2, "UFFDIO_WAKE");
                }
                done = PAGE;
            } else {
                err(2, "UFFDIO_COPY");
            }
        }
        to += done;
        from += done;
        length -= done;
    }
}

static void fill(int uffd, const struct image *image, const struct ram *ram, size_t unit,
                 const atomic_bool *quit)
{
    uint8_t *buffer = aligned_alloc(PAGE, unit);

    if (!buffer) {
        err(2, "aligned_alloc");
    }
    for (size_t at = 0; at < ram->length && !(quit && atomic_load(quit)); at += unit) {
        read_exactly(image->fd, buffer, unit, image->pages_at + (off_t)at);
        copy(uffd, ram->host + at, buffer, unit);
    }
    free(buffer);
}

static void *run_background(void *opaque)
{
    struct baseline *baseline = opaque;

    fill(baseline->uffd, baseline->image, baseline->ram, HUGE, &baseline->quit);
    atomic_store(&baseline->background_done, true);
    return NULL;
}

static void sleep_in_poll(const struct baseline *baseline)
{
    struct pollfd fds[] = {
        { .fd = baseline->uffd, .events = POLLIN },
        { .fd = baseline->wake_up, .events = POLLIN },
    };

    if (poll(fds, 2, -1) < 0 && errno != EINTR) {
        err(2, "poll");
    }
}

static void *serve(void *opaque)
{
    struct baseline *baseline = opaque;
    bool spins = baseline->kind == BASELINE_SPIN || baseline->kind == BASELINE_SPIN_READING;
    bool reads = baseline->kind != BASELINE_SPIN && baseline->kind != BASELINE_NEAR;
    size_t most = spins ? BATCH : 1;
    struct uffd_msg messages[BATCH];
    uint8_t page[PAGE] __attribute__((aligned(4096)));

    while (!atomic_load(&baseline->quit)) {
        if (!spins) {
            sleep_in_poll(baseline);
        }
        ssize_t got = read(baseline->uffd, messages, most * sizeof(*messages));

        if (got < 0 && errno != EAGAIN) {
            err(2, "read");
        }
        for (ssize_t i = 0; i < got / (ssize_t)sizeof(*messages); i++) {
            uint8_t *address = (uint8_t *)(uintptr_t)(messages[i].arg.pagefault.address & ~(PAGE - 1));
            size_t at = (size_t)(address - baseline->ram->host);
            const uint8_t *from = baseline->image->in_memory + at;

            if (reads) {
                read_exactly(baseline->image->fd, page, PAGE, baseline->image->pages_at + (off_t)at);
                from = page;
            }
            copy(baseline->uffd, address, from, PAGE);
        }
    }
    return NULL;
}

void baseline_start(struct baseline *baseline, enum baseline_kind kind, const struct image *image,
                    const struct ram *ram, int near_cpu, bool background)
{
    *baseline = (struct baseline){ .kind = kind, .image = image, .ram = ram, .has_background = background };
    baseline->uffd = open_userfaultfd(ram);
    baseline->wake_up = eventfd(0, EFD_CLOEXEC);
    if (baseline->wake_up < 0) {
        err(2, "eventfd");
    }
    bool near = kind == BASELINE_NEAR || kind == BASELINE_NEAR_READING;

    baseline->server = thread_start(serve, baseline, near ? near_cpu : -1);
    if (background) {
        baseline->background = thread_start(run_background, baseline, -1);
    }
}

void baseline_stop(struct baseline *baseline)
{
    atomic_store(&baseline->quit, true);
    if (eventfd_write(baseline->wake_up, 1) != 0) {
        err(2, "eventfd_write");
    }
    thread_join(baseline->server);
    if (baseline->has_background) {
        thread_join(baseline->background);
    }
    if (close(baseline->uffd) != 0 || close(baseline->wake_up) != 0) {
        err(2, "close");
    }
}

void baseline_loop4k(const struct image *image, const struct ram *ram)
{
    int uffd = open_userfaultfd(ram);

    fill(uffd, image, ram, PAGE, NULL);
    if (close(uffd) != 0) {
        err(2, "close");
    }
}

void baseline_read(const struct image *image, const struct ram *ram)
{
    read_exactly(image->fd, ram->host, ram->length, image->pages_at);
}

void baseline_mmap(const struct image *image, const struct ram *ram)
{
    if (mmap(ram->host, ram->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, image->fd,
             image->pages_at) == MAP_FAILED) {
        err(2, "mmap");
    }
}
