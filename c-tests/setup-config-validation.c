/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * uffd_incoming_attach() and uffd_incoming_configure() refuse an invalid configuration, say what is wrong, and change
 * nothing.
 */
#include <errno.h>

#include "vm.h"

static MigrationIncomingState *vm;

static void nothing(MigrationIncomingState *mis)
{
    (void)mis;
}

static void check_config(const UffdIncomingConfig *config, int expected, const char *words)
{
    CHECK_ERRNO(uffd_incoming_attach(vm, config), expected);
    CHECK_ERROR_HAS(words);
    CHECK_ERRNO(uffd_incoming_detach(vm), -ENOENT);
}

#define CHECK_CONFIG(words, ...) \
    do { \
        UffdIncomingConfig config = vm->config; \
        __VA_ARGS__; \
        check_config(&config, -EINVAL, words); \
    } while (0)

static void check_sizes(void)
{
    struct {
        UffdIncomingConfig config;
        uint64_t tail[4];
    } larger = { .config = vm->config };

    CHECK_CONFIG("size", config.size = 0);
    CHECK_CONFIG("size", config.size = offsetof(UffdIncomingConfig, fault) - 1);
    larger.config.size = sizeof(larger);
    CHECK_OK(uffd_incoming_attach(vm, &larger.config));
    CHECK_OK(uffd_incoming_detach(vm));
    larger.tail[3] = 1;
    check_config(&larger.config, -E2BIG, "UffdIncomingConfig");
}

static void check_limits(void)
{
    UffdIncomingConfig most = vm->config;

    most.fault_threads = 64;
    most.spin_us = 1000;
    most.flags |= UFFD_INCOMING_BLOCKTIME;
    most.vcpus = 1;
    CHECK_OK(uffd_incoming_attach(vm, &most));
    CHECK_OK(uffd_incoming_detach(vm));
    CHECK_CONFIG("65 fault threads", config.fault_threads = 65);
    CHECK_CONFIG("1001", config.spin_us = 1001);
}

int main(void)
{
    vm = vm_new();
    check_sizes();
    check_limits();
    CHECK_CONFIG("flag", config.flags |= 1 << 5);
    CHECK_CONFIG("flag", config.flags |= UINT64_C(1) << 63);
    CHECK_CONFIG("reserved", config.reserved = 1);
    CHECK_CONFIG("preempt_run", config.flags |= UFFD_INCOMING_PREEMPT, config.preempt_quit = nothing);
    CHECK_CONFIG("preempt_quit", config.flags |= UFFD_INCOMING_PREEMPT, config.preempt_run = nothing);
    CHECK_CONFIG("`vcpus` is 0", config.flags |= UFFD_INCOMING_BLOCKTIME);

    /* Refused by configure, the old one stays. */
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 1);
    UffdIncomingConfig bad = vm->config;
    bad.page_handler = vm_serve_later;
    bad.reserved = 1;
    CHECK_ERRNO(uffd_incoming_configure(vm, &bad), -EINVAL);
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    CHECK_PAGE(ram, 0);
    vm_end(vm);
    return 0;
}
