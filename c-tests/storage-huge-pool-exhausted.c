/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The host has no free huge page. Linux then says that the page exists (EEXIST), though it is missing. It does not
 * count as placed: placing fails and says what is lacking, a load pauses, and continues once there are huge pages. A
 * page that another mapping of the file has brought does exist, and counts as present.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 4
#define TAKEN 2 /* by another user of the pool */

/* A hugetlbfs of our own with room for PAGES huge pages, of which another user takes two. */
static char directory[] = "/tmp/uffd-test-huge-XXXXXX";
static int taker;

static int new_file(const char *name)
{
    char path[sizeof(directory) + 16];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(unlink(path), 0);
    return fd;
}

static void take(void)
{
    CHECK_EQ(fallocate(taker, 0, 0, TAKEN * HUGE_PAGE), 0);
}

static void give_back(void)
{
    CHECK_EQ(ftruncate(taker, 0), 0);
}

static void unmount(void)
{
    umount2(directory, MNT_DETACH);
    rmdir(directory);
}

static void mount_pool(void)
{
    char options[64];

    CHECK(mkdtemp(directory) != NULL);
    CHECK_EQ(unshare(CLONE_NEWNS), 0);
    CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    snprintf(options, sizeof(options), "pagesize=2M,size=%zu", PAGES * HUGE_PAGE);
    CHECK_EQ(mount("none", directory, "hugetlbfs", 0, options), 0);
    check_before_end(unmount);
    taker = new_file("taken");
}

/* The VM's RAM is mapped anew, from this file system, and without a reservation. */
static MigrationIncomingState *new_vm(int flags)
{
    enum ram_kind kind = flags & MAP_SHARED ? RAM_HUGETLB_SHARED : RAM_HUGETLB_PRIVATE;
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *ram = ram_new(kind, PAGES);
    close(ram->fd);
    ram->fd = new_file("ram");
    CHECK_EQ(ftruncate(ram->fd, ram->length), 0);
    CHECK(mmap(ram->host, ram->length, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE, ram->fd, 0) ==
          ram->host);
    vm_add_block(vm, ram);
    return vm;
}

static void check_placing(int flags)
{
    MigrationIncomingState *vm = new_vm(flags);
    RAMBlock *ram = vm->blocks[0];
    struct toucher toucher;

    take();
    vm_setup(vm);
    vm_place(vm, ram, 0);
    vm_place(vm, ram, 1);
    CHECK_ERRNO(uffd_incoming_place_page(vm, ram, ram_page(ram, 2), ram_source(ram, 2)), -ENOMEM);
    CHECK_ERROR_HAS("huge page");
    CHECK_ERROR_HAS("vm.nr_hugepages");
    CHECK_EQ(vm_received(vm, ram, 2), 0);
    CHECK_ERRNO(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, 2)), -ENOMEM);
    CHECK_EQ(vm_received(vm, ram, 2), 0);

    /* A thread waits for it. */
    touch_read(&toucher, ram_page(ram, 2));
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -ENOMEM) == 1);
    CHECK_WAITS(&toucher);
    give_back();
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, 2));

    /* And one that is there. */
    vm_place(vm, ram, 3);
    CHECK_OK(uffd_incoming_place_page(vm, ram, ram_page(ram, 3), ram_source(ram, 0)));
    for (size_t page = 0; page < PAGES; page++) {
        CHECK_PAGE(ram, page);
    }
    vm_end(vm);
}

static void check_page_of_another_mapping(void)
{
    MigrationIncomingState *vm = new_vm(MAP_SHARED);
    RAMBlock *ram = vm->blocks[0];
    uint8_t *other = mmap(NULL, ram->length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, ram->fd, 0);

    CHECK(other != MAP_FAILED);
    vm_setup(vm);
    memcpy(other + HUGE_PAGE, ram_source(ram, 1), HUGE_PAGE);
    CHECK_OK(uffd_incoming_place_page(vm, ram, ram_page(ram, 1), ram_source(ram, 0)));
    CHECK_EQ(vm_received(vm, ram, 1), 1);
    CHECK_PAGE(ram, 1);
    CHECK_EQ(munmap(other, ram->length), 0);
    vm_end(vm);
}

static void check_load(int flags)
{
    MigrationIncomingState *vm = new_vm(flags);
    struct snapshot_file *file = snapshot_file_new(vm);

    file->layout.page = snapshot_data_page;
    snapshot_file_write(file);
    snapshot_file_open(file);
    take();
    load(vm, file->snapshot, 0);
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -ENOMEM);
    CHECK_ERROR_HAS("huge page");
    CHECK_EQ(vm_stats(vm).complete, 0);
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);
    give_back();
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    mount_pool();
    check_placing(MAP_PRIVATE);
    check_placing(MAP_SHARED);
    check_page_of_another_mapping();
    check_load(MAP_PRIVATE);
    check_load(MAP_SHARED);
    unmount();
    return 0;
}
