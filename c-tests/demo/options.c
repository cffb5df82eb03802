/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "options.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

static const char usage[] =
    "Usage: restore [OPTION]... SNAPSHOT\n"
    "Restores RAM lazily from SNAPSHOT (a file of QEMU's mapped-ram migration, or the description of a flat\n"
    "image) while the threads of a guest use it; then compares every byte with a plain read.\n"
    "\n"
    "  --baselines         measure a full read and a private mapping of the file, too, and draw bars\n"
    "  --cold              with --baselines: drop the file from the page cache before each restore\n"
    "  --working-set=SIZE  how much RAM the guest uses in pieces of 2 MiB, and then in single pages (64M)\n"
    "  --memory=KIND       RAM is anon, memfd or hugetlb; what is no whole huge page stays anon (anon)\n"
    "  --threads=N         threads of the guest (4)\n"
    "  --fault-threads=N   threads of the library that serve their faults (1)\n"
    "  --loader-threads=N  threads of the library that load the rest in the background (1)\n"
    "  --direct-io         the lazy load reads what is not in the page cache past it\n"
    "  --map-private       the lazy load maps the data of private RAM instead of copying it\n"
    "  --seed=N            other seed, other pages in another order (1)\n"
    "  --record=FILE       keep in FILE which pages were waited for\n"
    "  --replay=FILE       load first what FILE says, from an earlier run with --record\n"
    "  --system-calls=FILE confine the library's threads to what FILE lists, with seccomp\n"
    "  --reference=PATH    compare with this snapshot instead\n"
    "  --table             print a line for each RAM block\n"
    "  --help              this\n"
    "\n"
    "All times begin before the snapshot is opened. A thread of the guest runs as soon as there is RAM to run\n"
    "in: after a full read, or at once. It uses 2 MiB pieces of RAM page by page, in an order of its own, and\n"
    "then single pages. It writes to every fourth page.\n"
    "  time to the first page: a thread has read or written its first byte.\n"
    "  time to a working set: the last thread has used all its pieces of 2 MiB.\n"
    "  time to more: the last thread has used all its single pages, too. They lie in nearly every 2 MiB of a\n"
    "    small guest, so that a lazy load has to load nearly all of it for them.\n"
    "  time to all: all data is in memory of the guest's own. A private mapping gets there by\n"
    "    MADV_POPULATE_WRITE, after the guest's threads are done; with --map-private the lazy load does not.\n"
    "  a random read afterwards: how long one read takes. On huge pages the CPU finds the place sooner.\n"
    "  accesses: how long they took, as the guest's threads saw it. Less than 4 us: the page was in place, or\n"
    "    zeros that the kernel gives by itself. More: the thread waited for the page, or for a CPU.\n"
    "  faults: how many the kernel told the library of. One fault can bring many pages.\n"
    "\n"
    "Exit status: 0 when every byte is the same, 1 when one differs, 2 when something failed.\n";

static const char *const memory_names[] = {
    [MEMORY_ANON] = "anon",
    [MEMORY_MEMFD] = "memfd",
    [MEMORY_HUGETLB] = "hugetlb",
};

static enum guest_memory memory_or_exit(const char *name)
{
    for (size_t i = 0; i < sizeof(memory_names) / sizeof(*memory_names); i++) {
        if (strcmp(name, memory_names[i]) == 0) {
            return (enum guest_memory)i;
        }
    }
    errx(2, "--memory: expected anon, memfd or hugetlb, seen '%s'", name);
}

static uint32_t threads_or_exit(const char *text, const char *option)
{
    return (uint32_t)number_or_exit(text, option, 1, 64);
}

struct options options_parse(int argc, char **argv)
{
    static const struct option known[] = {
        { "memory", required_argument, NULL, 'm' },
        { "threads", required_argument, NULL, 't' },
        { "fault-threads", required_argument, NULL, 'f' },
        { "loader-threads", required_argument, NULL, 'l' },
        { "direct-io", no_argument, NULL, 'd' },
        { "map-private", no_argument, NULL, 'P' },
        { "working-set", required_argument, NULL, 'k' },
        { "baselines", no_argument, NULL, 'b' },
        { "cold", no_argument, NULL, 'C' },
        { "table", no_argument, NULL, 'T' },
        { "seed", required_argument, NULL, 's' },
        { "record", required_argument, NULL, 'w' },
        { "replay", required_argument, NULL, 'p' },
        { "system-calls", required_argument, NULL, 'c' },
        { "reference", required_argument, NULL, 'r' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct options options = {
        .memory = MEMORY_ANON,
        .threads = 4,
        .fault_threads = 1,
        .loader_threads = 1,
        .seed = 1,
        .working_set = 64 << 20,
    };
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'm':
            options.memory = memory_or_exit(optarg);
            break;
        case 't':
            options.threads = threads_or_exit(optarg, "--threads");
            break;
        case 'f':
            options.fault_threads = threads_or_exit(optarg, "--fault-threads");
            break;
        case 'l':
            options.loader_threads = threads_or_exit(optarg, "--loader-threads");
            break;
        case 'd':
            options.direct_io = true;
            break;
        case 'P':
            options.map_private = true;
            break;
        case 'k':
            options.working_set = size_or_exit(optarg, "--working-set");
            break;
        case 'T':
            options.table = true;
            break;
        case 'b':
            options.baselines = true;
            break;
        case 'C':
            options.cold = true;
            break;
        case 's':
            options.seed = number_or_exit(optarg, "--seed", 0, UINT64_MAX);
            break;
        case 'w':
            options.record = optarg;
            break;
        case 'p':
            options.replay = optarg;
            break;
        case 'c':
            options.system_calls = optarg;
            break;
        case 'r':
            options.reference = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (argc - optind != 1) {
        fputs(usage, stderr);
        exit(2);
    }
    options.snapshot = argv[optind];
    if (!options.reference) {
        options.reference = options.snapshot;
    }
    return options;
}
