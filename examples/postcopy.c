/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A postcopy between two processes. The source has the RAM and sends it on two sockets: all pages in order on one, and the pages
 * that the destination asks for on the other, so that they overtake the rest. The destination's vCPUs run from the start.
 * Build: cc postcopy.c $(pkg-config --cflags --libs uffd-incoming) -pthread
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <uffd-incoming.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 16384
#define VCPUS 2

/* The state of the VM; its address is the mis. */
struct vm {
    uint8_t *ram;
    int stream; /* all pages, in order */
    int urgent; /* requests to the source, and the pages that were asked for */
    _Atomic uint32_t threads[VCPUS];
};

/* What goes before each page. */
struct header {
    uint64_t offset;
};

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

static bool receive(int socket, void *to, size_t length)
{
    return recv(socket, to, length, MSG_WAITALL) == (ssize_t)length;
}

static bool transmit(int socket, const void *from, size_t length)
{
    return send(socket, from, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* The source */

static uint8_t byte_of(size_t page)
{
    return (uint8_t)(page % 251 + 1);
}

static bool send_page(int socket, uint64_t offset)
{
    const struct header header = { .offset = offset };
    uint8_t page[PAGE];

    memset(page, byte_of(offset / PAGE), PAGE);
    return transmit(socket, &header, sizeof(header)) && transmit(socket, page, PAGE);
}

static void *send_all(void *stream)
{
    for (uint64_t page = 0; page < PAGES; page++) {
        if (!send_page(*(int *)stream, page * PAGE)) {
            die("sending the RAM");
        }
    }
    shutdown(*(int *)stream, SHUT_WR);
    return NULL;
}

static void run_source(int stream, int urgent)
{
    pthread_t thread;
    uint64_t offset;

    if (pthread_create(&thread, NULL, send_all, &stream) != 0) {
        die("pthread_create");
    }
    /* The destination hangs up once it has all pages, even if requests are unanswered. */
    while (receive(urgent, &offset, sizeof(offset)) && send_page(urgent, offset)) {
    }
    pthread_join(thread, NULL);
}

/* The destination */

static RAMBlock *ram_block(struct vm *vm)
{
    return (RAMBlock *)vm->ram; /* like the mis, only a handle */
}

/* On a fault thread, for a page that a vCPU waits for. */
static int ask_for_page(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *address)
{
    struct vm *vm = (struct vm *)mis;
    const uint64_t wanted = offset;

    (void)rb;
    (void)address;
    return transmit(vm->urgent, &wanted, sizeof(wanted)) ? 0 : -errno;
}

/* Places what arrives until the other side, or preempt_quit(), shuts the socket down. */
static void place_pages(struct vm *vm, int socket, unsigned channel)
{
    MigrationIncomingState *mis = (MigrationIncomingState *)vm;
    void *page = uffd_incoming_temp_page(mis, channel);
    struct header header;

    while (receive(socket, &header, sizeof(header)) && receive(socket, page, PAGE)) {
        check(uffd_incoming_place_page(mis, ram_block(vm), vm->ram + header.offset, page));
    }
}

static void preempt_run(MigrationIncomingState *mis)
{
    struct vm *vm = (struct vm *)mis;

    place_pages(vm, vm->urgent, 1);
}

static void preempt_quit(MigrationIncomingState *mis)
{
    shutdown(((struct vm *)mis)->urgent, SHUT_RDWR);
}

static int vcpu_index(MigrationIncomingState *mis, uint32_t thread_id)
{
    struct vm *vm = (struct vm *)mis;

    for (int i = 0; i < VCPUS; i++) {
        if (vm->threads[i] == thread_id) {
            return i;
        }
    }
    return -1;
}

struct vcpu {
    struct vm *vm;
    unsigned number;
    pthread_t thread;
    size_t wrong;
};

/* Reads pages all over the RAM, and checks that they hold the source's bytes. */
static void *run_vcpu(void *opaque)
{
    struct vcpu *vcpu = opaque;

    vcpu->vm->threads[vcpu->number] = (uint32_t)gettid();
    for (size_t i = 0; i < PAGES; i++) {
        const size_t page = (i * 7919 + vcpu->number * (PAGES / VCPUS)) % PAGES;

        vcpu->wrong += ((volatile uint8_t *)vcpu->vm->ram)[page * PAGE + i % PAGE] != byte_of(page);
    }
    return NULL;
}

static void report(MigrationIncomingState *mis)
{
    UffdIncomingStats stats = { .size = sizeof(stats) };
    uint64_t waited[VCPUS];
    UffdIncomingBlocktime blocktime = { .size = sizeof(blocktime), .vcpus = VCPUS, .vcpu_ns = waited };

    check(uffd_incoming_get_stats(mis, &stats));
    check(uffd_incoming_get_blocktime(mis, &blocktime));
    printf("%" PRIu64 " pages placed, %" PRIu64 " of them asked for\n", stats.pages_placed, stats.pages_requested);
    for (int i = 0; i < VCPUS; i++) {
        printf("vCPU %d waited %.1f ms\n", i, (double)waited[i] / 1e6);
    }
}

static size_t run_destination(struct vm *vm)
{
    MigrationIncomingState *mis = (MigrationIncomingState *)vm;
    const UffdIncomingConfig config = {
        .size = sizeof(config),
        .flags = UFFD_INCOMING_PREEMPT | UFFD_INCOMING_BLOCKTIME,
        .page_handler = ask_for_page,
        .preempt_run = preempt_run,
        .preempt_quit = preempt_quit,
        .vcpu_index = vcpu_index,
        .vcpus = VCPUS,
    };
    const UffdRamBlock block = {
        .size = sizeof(block), .idstr = "ram", .host = vm->ram, .length = PAGES * PAGE, .page_size = PAGE,
    };
    struct vcpu vcpus[VCPUS];
    size_t wrong = 0;

    check(uffd_incoming_attach(mis, &config));
    check(uffd_incoming_add_ram_block(mis, ram_block(vm), &block));
    check(postcopy_ram_incoming_setup(mis));
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i] = (struct vcpu) { .vm = vm, .number = i };
        if (pthread_create(&vcpus[i].thread, NULL, run_vcpu, &vcpus[i]) != 0) {
            die("pthread_create");
        }
    }
    place_pages(vm, vm->stream, 0); /* until the source has sent everything */
    check(uffd_incoming_cleanup(mis)); /* waits for the pages that were asked for */
    for (unsigned i = 0; i < VCPUS; i++) {
        pthread_join(vcpus[i].thread, NULL);
        wrong += vcpus[i].wrong;
    }
    report(mis);
    check(uffd_incoming_detach(mis));
    return wrong;
}

int main(void)
{
    struct vm vm = { 0 };
    int streams[2], urgents[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, streams) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, urgents) != 0) {
        die("socketpair");
    }
    const pid_t source = fork();
    if (source < 0) {
        die("fork");
    }
    if (source == 0) {
        close(streams[0]);
        close(urgents[0]);
        run_source(streams[1], urgents[1]);
        return 0;
    }
    close(streams[1]);
    close(urgents[1]);
    vm.stream = streams[0];
    vm.urgent = urgents[0];
    vm.ram = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (vm.ram == MAP_FAILED) {
        die("mmap");
    }
    const size_t wrong = run_destination(&vm);
    int status;
    if (waitpid(source, &status, 0) != source || status != 0) {
        fprintf(stderr, "the source failed\n");
        return 1;
    }
    printf("%zu wrong bytes\n", wrong);
    return wrong != 0;
}
