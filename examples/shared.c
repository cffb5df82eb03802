/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * RAM that another process maps, too, as a vhost-user back end does. The back end registers its mapping with a userfaultfd of its
 * own and passes that to the VMM, whose library then serves the faults of both.
 * Build: cc shared.c $(pkg-config --cflags --libs uffd-incoming)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <uffd-incoming.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 1024

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void check(int result)
{
    if (result < 0) {
        fprintf(stderr, "%s\n", uffd_incoming_error());
        exit(1);
    }
}

static uint8_t *map_ram(int memfd)
{
    uint8_t *ram = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);

    if (ram == MAP_FAILED) {
        die("mmap");
    }
    return ram;
}

static uint8_t byte_of(size_t page)
{
    return (uint8_t)(page % 251 + 1);
}

/* Sends or receives the address at which the back end maps the RAM, and with it its userfaultfd. */
static int exchange(int socket, uint64_t *base, int fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
    struct iovec bytes = { .iov_base = base, .iov_len = sizeof(*base) };
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room),
    };

    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    const ssize_t length = fd >= 0 ? sendmsg(socket, &message, 0) : recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (length != sizeof(*base) || CMSG_FIRSTHDR(&message) == NULL) {
        die("passing the userfaultfd");
    }
    memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
    return fd;
}

/* The back end */

static int run_back_end(int memfd, int socket)
{
    uint8_t *ram = map_ram(memfd);
    uint64_t base = (uintptr_t)ram;
    struct uffdio_api api = { .api = UFFD_API };
    struct uffdio_register registration = {
        .range = { .start = base, .len = PAGES * PAGE },
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    size_t wrong = 0;
    const int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

    if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) != 0 || ioctl(uffd, UFFDIO_REGISTER, &registration) != 0) {
        die("userfaultfd");
    }
    exchange(socket, &base, uffd);
    /* A page that the VMM has not placed is missing in this mapping as well: the read waits for it. */
    for (size_t i = 0; i < PAGES; i++) {
        const size_t page = i * 7 % PAGES;

        wrong += ((volatile uint8_t *)ram)[page * PAGE] != byte_of(page);
    }
    printf("the back end read %d pages, %zu of them wrong\n", PAGES, wrong);
    return wrong != 0;
}

/* The VMM */

struct vm {
    uint8_t *ram;
    uint64_t base; /* where the back end maps it */
};

static RAMBlock *ram_block(struct vm *vm)
{
    return (RAMBlock *)vm->ram; /* like the mis, only a handle */
}

/* For a page that a thread of either process waits for. It is made up here; a migration would ask its source. */
static int bring_page(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *address)
{
    struct vm *vm = (struct vm *)mis;
    void *page = uffd_incoming_temp_page(mis, 0);

    (void)address;
    memset(page, byte_of(offset / PAGE), PAGE);
    return uffd_incoming_place_page(mis, rb, vm->ram + offset, page);
}

/* The back end has touched a page, at its own address. */
static int back_end_touched(UffdSharedFd *shared, void *message)
{
    const struct uffd_msg *fault = message;
    struct vm *vm = shared->data;
    const uint64_t address = fault->arg.pagefault.address;

    if (fault->event != UFFD_EVENT_PAGEFAULT) {
        return 0;
    }
    return uffd_incoming_request_shared_page((MigrationIncomingState *)vm, shared->fd, ram_block(vm), address,
                                             address - vm->base);
}

/* A page has been placed: the back end may be waiting for it. */
static int wake_back_end(UffdSharedFd *shared, RAMBlock *rb, uint64_t offset)
{
    struct vm *vm = shared->data;

    return uffd_incoming_wake_shared((MigrationIncomingState *)vm, shared->fd, rb, vm->base + offset);
}

static void run_vmm(struct vm *vm, int uffd, pid_t back_end)
{
    MigrationIncomingState *mis = (MigrationIncomingState *)vm;
    const UffdIncomingConfig config = { .size = sizeof(config), .page_handler = bring_page };
    const UffdRamBlock block = {
        .size = sizeof(block), .idstr = "ram", .host = vm->ram, .length = PAGES * PAGE, .page_size = PAGE,
    };
    const UffdSharedFd shared = {
        .fd = uffd, .data = vm, .handler = back_end_touched, .waker = wake_back_end, .idstr = "back end",
    };
    int status;

    check(uffd_incoming_attach(mis, &config));
    check(uffd_incoming_add_ram_block(mis, ram_block(vm), &block));
    check(uffd_incoming_add_shared_fd(mis, &shared));
    check(postcopy_ram_incoming_setup(mis));
    if (waitpid(back_end, &status, 0) != back_end || status != 0) {
        fprintf(stderr, "the back end failed\n");
        exit(1);
    }
    for (size_t page = 0; page < PAGES; page++) {
        if (vm->ram[page * PAGE] != byte_of(page)) {
            fprintf(stderr, "page %zu is wrong\n", page);
            exit(1);
        }
    }
    check(uffd_incoming_cleanup(mis));
    check(uffd_incoming_remove_shared_fd(mis, uffd));
    check(uffd_incoming_detach(mis));
}

int main(void)
{
    struct vm vm;
    int sockets[2];
    const int memfd = memfd_create("ram", MFD_CLOEXEC);

    if (memfd < 0 || ftruncate(memfd, PAGES * PAGE) != 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) != 0) {
        die("preparing");
    }
    /* A real back end is another program, and gets the memfd through a socket. */
    const pid_t back_end = fork();
    if (back_end < 0) {
        die("fork");
    }
    if (back_end == 0) {
        return run_back_end(memfd, sockets[1]);
    }
    vm.ram = map_ram(memfd);
    const int uffd = exchange(sockets[0], &vm.base, -1);
    run_vmm(&vm, uffd, back_end);
    close(uffd);
    puts("served");
    return 0;
}
