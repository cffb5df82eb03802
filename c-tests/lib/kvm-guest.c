/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "kvm-guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* What stands for the sum of a page that has not been visited yet; nothing that a test checks adds up to it. */
#define NO_SUM 0x5a5a5a5au

#if defined(__x86_64__)

/* Where the guest sees what: its code, the lists and sums of each vCPU, and the RAM blocks, with gaps between them. */
#define CODE_AT 0x1000u
#define TABLES_AT 0x10000u
#define WALK_AT(number) (0x01000000u * (1 + (number)))
#define MOST_PLACES ((size_t)1 << 20)
#define RAM_AT 0x10000000u
#define RAM_GAP 0x00400000u

/* Used by KVM itself on some processors. */
#define IDENTITY_MAP_AT 0xfeffc000u
#define TSS_AT 0xfeffd000u

/* Where there is no memory: it is a write to there that ends a walk. */
#define DONE_AT 0xd0000000u

/* rbx: the list; rdi: the sums; ecx: how many; ebp: with what to flip the first word; r8: where to say that it is done. */
static const uint8_t code[] = {
    0x8b, 0x33,                   /* page: mov  esi, [rbx]        */
    0x48, 0x83, 0xc3, 0x04,       /*       add  rbx, 4            */
    0x85, 0xed,                   /*       test ebp, ebp          */
    0x74, 0x02,                   /*       jz   read              */
    0x31, 0x2e,                   /*       xor  [rsi], ebp        */
    0x31, 0xc0,                   /* read: xor  eax, eax          */
    0xba, 0x00, 0x04, 0x00, 0x00, /*       mov  edx, 1024         */
    0xd1, 0xc0,                   /* word: rol  eax, 1            */
    0x03, 0x06,                   /*       add  eax, [rsi]        */
    0x48, 0x83, 0xc6, 0x04,       /*       add  rsi, 4            */
    0xff, 0xca,                   /*       dec  edx               */
    0x75, 0xf4,                   /*       jnz  word              */
    0x89, 0x07,                   /*       mov  [rdi], eax        */
    0x48, 0x83, 0xc7, 0x04,       /*       add  rdi, 4            */
    0xff, 0xc9,                   /*       dec  ecx               */
    0x75, 0xd7,                   /*       jnz  page              */
    0x41, 0x89, 0x00,             /*       mov  [r8], eax         */
};

static uint8_t *shared_memory(size_t length)
{
    uint8_t *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(memory != MAP_FAILED);
    return memory;
}

/* A call that KVM, once it works at all, has to obey. */
static int call(int fd, unsigned long request, const char *name, uintptr_t argument)
{
    const int result = ioctl(fd, request, argument);

    if (result < 0) {
        FAIL("%s: %s", name, strerror(errno));
    }
    return result;
}
#define CALL(fd, request, argument) call((fd), (request), #request, (uintptr_t)(argument))

static void add_memory(struct guest *guest, uint32_t at, void *memory, size_t length)
{
    const struct kvm_userspace_memory_region region = {
        .slot = guest->slots++,
        .guest_phys_addr = at,
        .memory_size = length,
        .userspace_addr = (uintptr_t)memory,
    };

    CALL(guest->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static void open_kvm(struct guest *guest)
{
    guest->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (guest->kvm < 0) {
        SKIP("/dev/kvm: %s; access to it, and a host with KVM, are needed", strerror(errno));
    }
    guest->fd = ioctl(guest->kvm, KVM_CREATE_VM, 0);
    if (guest->fd < 0) {
        SKIP("/dev/kvm: KVM_CREATE_VM: %s; a host on which KVM works is needed", strerror(errno));
    }
}

/* Page tables that show the first 4 GiB as they are, in pages of 2 MiB. */
static void add_page_tables(struct guest *guest)
{
    enum { PRESENT = 1, WRITABLE = 2, OF_USER = 4, LARGE = 0x80, ENTRIES = 512, DIRECTORIES = 4 };
    uint64_t *tables = (uint64_t *)(void *)shared_memory((2 + DIRECTORIES) * GUEST_PAGE);
    uint64_t *pointers = tables + ENTRIES, *directories = tables + (size_t)2 * ENTRIES;

    tables[0] = (TABLES_AT + GUEST_PAGE) | PRESENT | WRITABLE | OF_USER;
    for (size_t i = 0; i < DIRECTORIES; i++) {
        pointers[i] = (TABLES_AT + (2 + i) * GUEST_PAGE) | PRESENT | WRITABLE | OF_USER;
    }
    for (size_t i = 0; i < (size_t)DIRECTORIES * ENTRIES; i++) {
        directories[i] = (i * HUGE_PAGE) | PRESENT | WRITABLE | OF_USER | LARGE;
    }
    add_memory(guest, TABLES_AT, tables, (2 + DIRECTORIES) * GUEST_PAGE);
}

static void set_cpuid(struct vcpu *vcpu)
{
    static struct {
        struct kvm_cpuid2 head;
        struct kvm_cpuid_entry2 entries[256];
    } cpuid;

    cpuid.head.nent = 256;
    CALL(vcpu->guest->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid);
    CALL(vcpu->fd, KVM_SET_CPUID2, &cpuid);
}

enum privilege { SUPERVISOR = 0, USER = 3 };

/*
 * 64 bits, with paging. In user mode: where the processor does not support KVM (in a guest of another KVM, say), the kernel runs
 * that as it is, and may emulate all else.
 */
static void set_mode(struct vcpu *vcpu, enum privilege privilege)
{
    enum { READ_WRITE = 3, EXECUTE = 11 };
    const struct kvm_segment data = {
        .limit = 0xffffffff, .selector = (uint16_t)(0x10 | privilege), .type = READ_WRITE, .present = 1,
        .dpl = (uint8_t)privilege, .db = 1, .s = 1, .g = 1,
    };
    struct kvm_segment text = data;
    struct kvm_sregs sregs;

    text.selector = (uint16_t)(0x08 | privilege);
    text.type = EXECUTE;
    text.db = 0;
    text.l = 1;
    CALL(vcpu->fd, KVM_GET_SREGS, &sregs);
    sregs.cs = text;
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
    sregs.cr3 = TABLES_AT;
    sregs.cr4 |= 1 << 5;            /* PAE */
    sregs.cr0 |= 1u | 1u << 31;     /* protection, paging */
    sregs.efer |= 1 << 8 | 1 << 10; /* 64 bits */
    CALL(vcpu->fd, KVM_SET_SREGS, &sregs);
}

void vcpu_emulate(struct vcpu *vcpu)
{
    set_mode(vcpu, SUPERVISOR);
}

static void make_vcpu(struct guest *guest, unsigned number)
{
    struct vcpu *vcpu = &guest->vcpus[number];
    const struct kvm_mp_state runs = { .mp_state = KVM_MP_STATE_RUNNABLE };
    const size_t length = MOST_PLACES * sizeof(uint32_t);

    vcpu->guest = guest;
    vcpu->number = number;
    vcpu->fd = CALL(guest->fd, KVM_CREATE_VCPU, number);
    vcpu->run = mmap(NULL, (size_t)CALL(guest->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
                     MAP_SHARED, vcpu->fd, 0);
    CHECK(vcpu->run != MAP_FAILED);
    vcpu->places = (uint32_t *)(void *)shared_memory(2 * length);
    vcpu->sums = vcpu->places + MOST_PLACES;
    add_memory(guest, WALK_AT(number), vcpu->places, 2 * length);
    set_cpuid(vcpu);
    set_mode(vcpu, USER);
    /* With an interrupt controller in the kernel, all but the first vCPU wait to be told to start. */
    CALL(vcpu->fd, KVM_SET_MP_STATE, &runs);
}

struct guest *guest_new(MigrationIncomingState *vm, bool irqchip)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    const uint64_t identity_map = IDENTITY_MAP_AT;
    uint32_t at = RAM_AT;

    CHECK(guest != NULL);
    guest->vm = vm;
    open_kvm(guest);
    CALL(guest->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map);
    CALL(guest->fd, KVM_SET_TSS_ADDR, TSS_AT);
    if (irqchip) {
        CALL(guest->fd, KVM_CREATE_IRQCHIP, 0);
    }
    uint8_t *text = shared_memory(GUEST_PAGE);
    memcpy(text, code, sizeof(code));
    add_memory(guest, CODE_AT, text, GUEST_PAGE);
    add_page_tables(guest);
    for (unsigned i = 0; i < vm->block_count; i++) {
        const RAMBlock *rb = vm->blocks[i];

        /* As far from a huge page as in the host. */
        guest->ram_at[i] = at + (uint32_t)((uintptr_t)rb->host % HUGE_PAGE);
        add_memory(guest, guest->ram_at[i], rb->host, rb->length);
        at += (uint32_t)(rb->length + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE + RAM_GAP;
        CHECK(at < TSS_AT);
    }
    for (unsigned number = 0; number < GUEST_VCPUS; number++) {
        make_vcpu(guest, number);
    }
    return guest;
}

static uint32_t where_guest_sees(const struct guest *guest, const struct guest_page *page)
{
    unsigned i = 0;

    while (guest->vm->blocks[i] != page->rb) {
        i++;
    }
    return guest->ram_at[i] + (uint32_t)page->offset;
}

static void reset(struct vcpu *vcpu, uint32_t flip)
{
    const struct kvm_regs regs = {
        .rip = CODE_AT,
        .rflags = 0x202, /* interrupts are on: else no page fault is asynchronous */
        .rbx = WALK_AT(vcpu->number),
        .rdi = WALK_AT(vcpu->number) + MOST_PLACES * sizeof(uint32_t),
        .rcx = vcpu->count,
        .rbp = flip,
        .r8 = DONE_AT,
    };

    CHECK(vcpu->count > 0);
    for (size_t i = 0; i < vcpu->count; i++) {
        vcpu->places[i] = where_guest_sees(vcpu->guest, &vcpu->pages[i]);
        vcpu->sums[i] = NO_SUM;
    }
    CALL(vcpu->fd, KVM_SET_REGS, &regs);
}

/* Where the host has what the guest sees at an address; NULL where that is no RAM. */
static uint8_t *host_of(const struct guest *guest, uint64_t address)
{
    for (unsigned i = 0; i < guest->vm->block_count; i++) {
        const RAMBlock *rb = guest->vm->blocks[i];

        if (address >= guest->ram_at[i] && address - guest->ram_at[i] < rb->length) {
            return rb->host + (address - guest->ram_at[i]);
        }
    }
    return NULL;
}

/* KVM has left an access to RAM to the VMM, since it could not make it itself: the page is poisoned. */
static bool access_for_guest(struct vcpu *vcpu, uint8_t *host)
{
    struct kvm_run *run = vcpu->run;

    vcpu->mmio++;
    if (vcpu->on_poison == NULL || !vcpu->on_poison(vcpu, host)) {
        return false;
    }
    if (run->mmio.is_write) {
        memcpy(host, run->mmio.data, run->mmio.len);
    } else {
        memcpy(run->mmio.data, host, run->mmio.len);
    }
    return true;
}

/* Whether KVM_RUN is to be called again. */
static bool after_exit(struct vcpu *vcpu)
{
    const struct kvm_run *run = vcpu->run;
    uint8_t *host = NULL;

    if (run->exit_reason == KVM_EXIT_MMIO) {
        if (run->mmio.phys_addr == DONE_AT && run->mmio.is_write) {
            return false;
        }
        host = host_of(vcpu->guest, run->mmio.phys_addr);
    }
    if (host == NULL) {
        FAIL("vCPU %u: KVM_RUN ended for the reason %u", vcpu->number, run->exit_reason);
    }
    return access_for_guest(vcpu, host);
}

/* Whether KVM_RUN is to be called again after a signal. */
static bool after_signal(struct vcpu *vcpu)
{
    void *at = vcpu->sigbus_at;

    if (at != NULL) {
        vcpu->sigbus_at = NULL;
        vcpu->sigbus++;
        return vcpu->on_poison != NULL && vcpu->on_poison(vcpu, at);
    }
    return !vcpu->stop;
}

static bool run_once(struct vcpu *vcpu)
{
    if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
        return after_exit(vcpu);
    }
    if (errno == EINTR) {
        return after_signal(vcpu);
    }
    vcpu->error = errno;
    return false;
}

static _Thread_local struct vcpu *this_vcpu;

static void *run(void *opaque)
{
    struct vcpu *vcpu = opaque;

    this_vcpu = vcpu;
    if (vcpu->cpu >= 0) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(vcpu->cpu, &set);
        CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
    }
    vcpu->tid = gettid();
    while (run_once(vcpu)) {
    }
    vcpu->ended = true;
    return NULL;
}

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    if (this_vcpu == NULL || info->si_code != BUS_MCEERR_AR) {
        FAIL("expected SIGBUS for a poisoned page on a vCPU's thread only, saw one with si_code %d at %p", info->si_code,
             info->si_addr);
    }
    this_vcpu->sigbus_at = info->si_addr;
}

void guest_handle_sigbus(void)
{
    struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

    CHECK_EQ(sigaction(SIGBUS, &action, NULL), 0);
}

/* Should KVM_RUN not have been called yet, it will not run the guest. */
static void on_stop(int signal)
{
    (void)signal;
    this_vcpu->run->immediate_exit = 1;
}

void vcpu_stop(struct vcpu *vcpu)
{
    struct sigaction action = { .sa_handler = on_stop };

    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    AWAIT(vcpu->tid != 0);
    vcpu->stop = true;
    CHECK_EQ(pthread_kill(vcpu->thread, SIGUSR1), 0);
    vcpu_finish(vcpu);
}

void vcpu_go_on(struct vcpu *vcpu)
{
    vcpu->run->immediate_exit = 0;
    vcpu->tid = 0;
    vcpu->error = 0;
    vcpu->stop = false;
    vcpu->ended = false;
    CHECK_EQ(pthread_create(&vcpu->thread, NULL, run, vcpu), 0);
}

void vcpu_start(struct vcpu *vcpu, int cpu, uint32_t flip)
{
    reset(vcpu, flip);
    vcpu->cpu = cpu;
    vcpu_go_on(vcpu);
}

#else

static void only_on_x86(void)
{
    SKIP("the guest's code is for x86-64 only");
}

struct guest *guest_new(MigrationIncomingState *vm, bool irqchip)
{
    (void)vm;
    (void)irqchip;
    only_on_x86();
    return NULL;
}

void vcpu_start(struct vcpu *vcpu, int cpu, uint32_t flip)
{
    (void)vcpu;
    (void)cpu;
    (void)flip;
    only_on_x86();
}

void vcpu_go_on(struct vcpu *vcpu)
{
    (void)vcpu;
    only_on_x86();
}

void vcpu_stop(struct vcpu *vcpu)
{
    (void)vcpu;
    only_on_x86();
}

void vcpu_emulate(struct vcpu *vcpu)
{
    (void)vcpu;
    only_on_x86();
}

void guest_handle_sigbus(void)
{
    only_on_x86();
}

#endif

void guest_free(struct guest *guest)
{
    for (unsigned number = 0; number < GUEST_VCPUS; number++) {
        close(guest->vcpus[number].fd);
        free(guest->vcpus[number].pages);
    }
    close(guest->fd);
    close(guest->kvm);
    free(guest);
}

void vcpu_visits(struct vcpu *vcpu, RAMBlock *rb, size_t offset)
{
    if (vcpu->count == vcpu->room) {
        vcpu->room = vcpu->room == 0 ? 1024 : 2 * vcpu->room;
        vcpu->pages = realloc(vcpu->pages, vcpu->room * sizeof(*vcpu->pages));
        CHECK(vcpu->pages != NULL);
    }
    vcpu->pages[vcpu->count++] = (struct guest_page) { .rb = rb, .offset = offset };
}

void vcpu_visits_all(struct vcpu *vcpu)
{
    const MigrationIncomingState *vm = vcpu->guest->vm;

    for (unsigned i = 0; i < vm->block_count; i++) {
        for (size_t offset = 0; offset < vm->blocks[i]->length; offset += GUEST_PAGE) {
            vcpu_visits(vcpu, vm->blocks[i], offset);
        }
    }
}

static void swap(struct vcpu *vcpu, size_t one, size_t other)
{
    const struct guest_page page = vcpu->pages[one];

    vcpu->pages[one] = vcpu->pages[other];
    vcpu->pages[other] = page;
}

void vcpu_visits_all_backwards(struct vcpu *vcpu)
{
    size_t from = vcpu->count;

    vcpu_visits_all(vcpu);
    for (size_t to = vcpu->count; from + 1 < to; from++, to--) {
        swap(vcpu, from, to - 1);
    }
}

void vcpu_visits_all_shuffled(struct vcpu *vcpu, unsigned short seed)
{
    const size_t from = vcpu->count;
    unsigned short state[3] = { seed, seed, seed };

    vcpu_visits_all(vcpu);
    for (size_t i = vcpu->count; i > from + 1; i--) {
        swap(vcpu, i - 1, from + (size_t)nrand48(state) % (i - from));
    }
}

void vcpu_stays(struct vcpu *vcpu)
{
    vcpu->count = 0;
}

size_t vcpu_visited(const struct vcpu *vcpu)
{
    const volatile uint32_t *sums = vcpu->sums;
    size_t visited = 0;

    while (visited < vcpu->count && sums[visited] != NO_SUM) {
        visited++;
    }
    return visited;
}

void vcpu_finish(struct vcpu *vcpu)
{
    CHECK_EQ(pthread_join(vcpu->thread, NULL), 0);
}

uint32_t guest_sum(const uint8_t *bytes, uint32_t flip)
{
    uint32_t sum = 0;

    for (size_t at = 0; at < GUEST_PAGE; at += sizeof(uint32_t)) {
        uint32_t word;

        memcpy(&word, bytes + at, sizeof(word));
        sum = (sum << 1 | sum >> 31) + (at == 0 ? word ^ flip : word);
    }
    return sum;
}

void vcpu_check_done(const char *where, const struct vcpu *vcpu)
{
    if (vcpu->error != 0) {
        check_fail(where, "vCPU %u: KVM_RUN failed: %s", vcpu->number, strerror(vcpu->error));
    }
    if (vcpu_visited(vcpu) != vcpu->count) {
        check_fail(where, "vCPU %u: has visited %zu pages of %zu", vcpu->number, vcpu_visited(vcpu), vcpu->count);
    }
}

void vcpu_check_walk(const char *where, const struct vcpu *vcpu, uint32_t flip)
{
    vcpu_check_done(where, vcpu);
    for (size_t i = 0; i < vcpu->count; i++) {
        const struct guest_page *page = &vcpu->pages[i];
        const uint32_t expected = guest_sum(page->rb->source + page->offset, flip);

        if (vcpu->sums[i] != expected) {
            check_fail(where, "vCPU %u, block %s, offset %#zx: expected the sum %#x, saw %#x", vcpu->number,
                       page->rb->idstr, page->offset, expected, vcpu->sums[i]);
        }
    }
}

int host_cpu(unsigned number)
{
    cpu_set_t set;
    int cpu = 0;

    CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
    for (number %= (unsigned)CPU_COUNT(&set); !CPU_ISSET(cpu, &set) || number-- > 0; cpu++) {
    }
    return cpu;
}
