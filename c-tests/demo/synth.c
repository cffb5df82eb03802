/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * synth: writes a mapped-ram snapshot of any size, to try things with: random data, runs of zero pages, and
 * stale bytes where some of the zero pages lie.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "mapped-ram-write.h"
#include "number.h"
#include "synthetic-pages.h"

/* Blocks are whole huge pages, so that they can be restored into RAM of any kind. */
#define BLOCK_ALIGNMENT (2ULL << 20)
#define MAX_BLOCKS 16
#define TARGET_PAGE_SIZE 4096

static const char usage[] =
    "Usage: synth [OPTION]... SIZE FILE\n"
    "Writes FILE, a mapped-ram snapshot of SIZE bytes of RAM (4G, 512M: powers of 1024).\n"
    "\n"
    "  --blocks=N        in N RAM blocks, each with half of what is left (3)\n"
    "  --zero-percent=N  about N of 100 pages are zero (30)\n"
    "  --stale-percent=N about N of 100 zero pages have old bytes in the file, as pages have that the guest\n"
    "                    cleared after they were saved (25)\n"
    "  --seed=N          other seed, other data (1)\n"
    "  --help            this\n";

/* Cuts `size` into blocks: each takes half of what the others leave, the last one all of it. */
static void divide(uint64_t size, struct mapped_ram_block *blocks, size_t count)
{
    static char names[MAX_BLOCKS][32];
    uint64_t units = size / BLOCK_ALIGNMENT;

    if (units < count) {
        errx(2, "%zu blocks need at least %zuM", count, (size_t)(count * (BLOCK_ALIGNMENT >> 20)));
    }
    for (size_t i = 0; i < count; i++) {
        const size_t others = count - 1 - i;
        const uint64_t taken = others > 0 ? (units - others + 1) / 2 : units;

        snprintf(names[i], sizeof(names[i]), "ram%zu", i);
        blocks[i] = (struct mapped_ram_block){ .idstr = names[i], .length = taken * BLOCK_ALIGNMENT };
        units -= taken;
    }
}

/* How many bytes of the file hold something, about: pages with data, and zero pages that are stale. */
static uint64_t needed(uint64_t size, const struct synthetic_pages *pages)
{
    return size / 10000 * (10000 - pages->zero_percent * (100 - pages->stale_percent));
}

/* Removes a file that is not whole; a device stays. */
static void remove_file(const char *path)
{
    struct stat status;

    if (lstat(path, &status) == 0 && S_ISREG(status.st_mode)) {
        unlink(path);
    }
}

/* Before an older file of that name is changed. */
static void check_space(int fd, const char *path, uint64_t bytes)
{
    struct statvfs space;
    struct stat status;

    /* Some file systems do not tell. */
    if (fstatvfs(fd, &space) != 0 || space.f_blocks == 0) {
        return;
    }
    const uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    if (bytes > free_bytes) {
        if (fstat(fd, &status) == 0 && status.st_size == 0) {
            remove_file(path);
        }
        errx(2, "%s: the snapshot takes about %ju bytes, and %ju bytes are free there", path, (uintmax_t)bytes,
             (uintmax_t)free_bytes);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "blocks", required_argument, NULL, 'b' },
        { "zero-percent", required_argument, NULL, 'z' },
        { "stale-percent", required_argument, NULL, 'S' },
        { "seed", required_argument, NULL, 's' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct synthetic_pages pages = {
        .seed = 1,
        .zero_percent = 30,
        .stale_percent = 25,
        .page_size = TARGET_PAGE_SIZE,
    };
    struct mapped_ram_block blocks[MAX_BLOCKS];
    struct mapped_ram_file file = {
        .target_page_size = TARGET_PAGE_SIZE,
        .blocks = blocks,
        .block_count = 3,
        .page = synthetic_page,
        .opaque = &pages,
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'b':
            file.block_count = number_or_exit(optarg, "--blocks", 1, MAX_BLOCKS);
            break;
        case 'z':
            pages.zero_percent = (unsigned int)number_or_exit(optarg, "--zero-percent", 0, 100);
            break;
        case 'S':
            pages.stale_percent = (unsigned int)number_or_exit(optarg, "--stale-percent", 0, 100);
            break;
        case 's':
            pages.seed = number_or_exit(optarg, "--seed", 0, UINT64_MAX);
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (argc - optind != 2) {
        fputs(usage, stderr);
        return 2;
    }

    const char *path = argv[optind + 1];
    const uint64_t size = size_or_exit(argv[optind], "SIZE");
    divide(size, blocks, file.block_count);

    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        err(2, "%s", path);
    }
    check_space(fd, path, needed(size, &pages));
    if (ftruncate(fd, 0) != 0 && errno != EINVAL) {
        err(2, "%s", path);
    }
    if (mapped_ram_write(fd, &file) != 0 || close(fd) != 0) {
        const int error = errno;

        remove_file(path);
        errx(2, "%s: cannot write the snapshot: %s", path, strerror(error));
    }
    return 0;
}
