/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A postcopy whose library threads are confined to the system calls of a list: all that they do in normal work.
 * Arguments: the list; "poison" to have pages poisoned, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../demo/system-calls.h"
#include "sigbus.h"
#include "vm.h"

#define PAGES 64

static RAMBlock *anon, *shared;
static uint8_t *client; /* where a client maps the shared block */
static atomic_bool broken;
static atomic_uint errors;

static void preempt_run(MigrationIncomingState *vm)
{
    (void)vm;
}

/* The first half is placed at once, the second one by the main thread; the source can be broken. */
static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (broken) {
        return -EIO;
    }
    return offset < rb->length / 2 ? vm_serve_page(vm, rb, offset, fault_address) : 0;
}

static void read_page(const uint8_t *page, const uint8_t *source)
{
    struct toucher toucher;

    touch_read(&toucher, page);
    CHECK_EQ(toucher_finish(&toucher), *source);
}

/* One thread faults again and again, pinned: the fault thread follows it. */
static void *walk_pinned(void *opaque)
{
    cpu_set_t cpu;

    (void)opaque;
    CPU_ZERO(&cpu);
    CPU_SET(sched_getcpu(), &cpu);
    CHECK_EQ(sched_setaffinity(0, sizeof(cpu), &cpu), 0);
    for (size_t page = 0; page < PAGES / 2; page++) {
        CHECK_PAGE(anon, page);
    }
    return NULL;
}

static void place_later(MigrationIncomingState *vm, RAMBlock *rb, size_t page)
{
    struct toucher toucher;

    touch_read(&toucher, ram_page(rb, page));
    toucher_await_fault(&toucher);
    vm_place(vm, rb, page);
    CHECK_EQ(toucher_finish(&toucher), *ram_source(rb, page));
}

/* Makes no system call: what a callback does is none of the library's. */
static void count_errors(MigrationIncomingState *vm, int what, int error)
{
    (void)vm;
    (void)error;
    errors += what == UFFD_INCOMING_EVENT_SOURCE_ERROR;
}

static void break_and_resume(MigrationIncomingState *vm)
{
    struct toucher toucher;

    errors = 0;
    broken = true;
    touch_read(&toucher, ram_page(shared, 0));
    AWAIT(errors > 0);
    broken = false;
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(shared, 0));
}

static void break_and_poison(MigrationIncomingState *vm)
{
    broken = true;
    CHECK_SIGBUS(anon, PAGES - 2);
    broken = false;
    vm_place(vm, anon, PAGES - 2);
    CHECK_PAGE(anon, PAGES - 2);
}

static int client_message(UffdSharedFd *shared_fd, void *uffd_msg)
{
    const struct uffd_msg *message = uffd_msg;
    const uint64_t address = message->arg.pagefault.address;

    return uffd_incoming_request_shared_page(shared_fd->data, shared_fd->fd, shared, address,
                                             address - (uintptr_t)client);
}

static int client_wake(UffdSharedFd *shared_fd, RAMBlock *rb, uint64_t offset)
{
    if (rb != shared) {
        return 0;
    }
    return uffd_incoming_wake_shared(shared_fd->data, shared_fd->fd, rb, (uintptr_t)client + offset);
}

static void serve_client(MigrationIncomingState *vm)
{
    struct uffdio_api api = { .api = UFFD_API };
    UffdSharedFd fd = { .data = vm, .handler = client_message, .waker = client_wake, .idstr = "client" };

    client = mmap(NULL, shared->length, PROT_READ | PROT_WRITE, MAP_SHARED, shared->fd, 0);
    CHECK(client != MAP_FAILED);
    const int user_mode_only = vm->config.flags & UFFD_INCOMING_USER_MODE_ONLY ? 1 : 0;
    fd.fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | user_mode_only);
    CHECK(fd.fd >= 0);
    CHECK_EQ(ioctl(fd.fd, UFFDIO_API, &api), 0);
    struct uffdio_register registration = {
        .range = { .start = (uintptr_t)client, .len = shared->length },
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    CHECK_EQ(ioctl(fd.fd, UFFDIO_REGISTER, &registration), 0);
    CHECK_OK(uffd_incoming_add_shared_fd(vm, &fd));
    read_page(client + shared->page_size, ram_source(shared, 1));
    CHECK_OK(uffd_incoming_remove_shared_fd(vm, fd.fd));
    close(fd.fd);
    CHECK_EQ(munmap(client, shared->length), 0);
}

int main(int argc, char **argv)
{
    MigrationIncomingState *vm = vm_new();
    pthread_t walker;

    CHECK(argc == 2 || (argc == 3 && strcmp(argv[2], "poison") == 0));
    system_calls_read(argv[1]);
    if (argc == 3) {
        need_poison();
        vm->config.flags |= UFFD_INCOMING_POISON;
    }
    vm->config.flags |= UFFD_INCOMING_PREEMPT | UFFD_INCOMING_BLOCKTIME;
    vm->config.page_handler = serve;
    vm->config.event = count_errors;
    vm->config.preempt_run = preempt_run;
    vm->config.preempt_quit = preempt_run;
    vm->config.thread_start = system_calls_confine;
    vm->config.fault_threads = 2;
    vm->config.spin_us = 20;
    vm->config.vcpus = 1;
    vm_attach(vm);
    anon = vm_add_ram(vm, RAM_ANON, PAGES);
    shared = vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    for (unsigned round = 0; round < 2; round++) {
        CHECK_OK(postcopy_ram_incoming_setup(vm));
        CHECK_EQ(pthread_create(&walker, NULL, walk_pinned, NULL), 0);
        CHECK_EQ(pthread_join(walker, NULL), 0);
        place_later(vm, anon, PAGES - 1);
        ram_discard(anon, 0, 1);
        CHECK_ZEROS(anon, 0);
        serve_client(vm);
        break_and_resume(vm);
        if (argc == 3) {
            break_and_poison(vm);
        }
        CHECK_OK(uffd_incoming_pause(vm));
        CHECK_OK(uffd_incoming_resume(vm));
        CHECK_OK(uffd_incoming_cleanup(vm));
        for (unsigned i = 0; i < vm->block_count; i++) {
            ram_discard(vm->blocks[i], 0, PAGES);
        }
    }
    vm_end(vm);
    return 0;
}
