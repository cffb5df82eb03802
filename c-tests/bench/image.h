/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The snapshot that everything here loads, the RAM it is loaded into, and what must then be in that RAM.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE ((size_t)4096)
#define HUGE ((size_t)2 << 20)

struct image {
    char *path;
    int fd;
    size_t length;       /* of the RAM */
    off_t pages_at;      /* where its first page lies in the file */
    uint8_t *in_memory;  /* a copy of all pages, for the baselines that copy from memory */
};

struct ram {
    uint8_t *host;
    size_t length;
    int memfd; /* or -1: private anonymous memory */
};

/* Which pages of an image are zeros. The file holds them as data, as a raw dump does. */
enum zeros {
    ZEROS_NONE,
    ZEROS_UNITS, /* every second 2 MiB */
    ZEROS_MOST,  /* four pages of seven */
    ZEROS_FEW,   /* one page of four */
};

/* Writes a mapped-ram file of one block that has `length` bytes. */
struct image image_new(const char *path, size_t length, enum zeros zeros);
void image_drop_cache(const struct image *image);

/* Where the disk is read, a round takes ten times as long: of so many rounds at most three. */
int image_cold_rounds(int rounds);
void image_free(struct image *image);

/*
 * Before what is timed, and takes so much memory at most: gives the kernel much free memory in huge pages that the host of a
 * virtual machine has backed already. Else a run would pay, or not, for what the one before it left behind.
 */
void level_memory(size_t length);

/* Fresh and empty. Huge pages are asked for, as VMMs do. */
struct ram ram_new(size_t length, bool memfd);
void ram_free(struct ram *ram);

bool is_zero_page(enum zeros zeros, size_t page);

/* Touches a page's first and last word; ends the program when they are not the image's. */
void check_page(const uint8_t *host, size_t page);
void check_all_pages(const uint8_t *host, size_t length);

/* Exact, or exits. */
void read_exactly(int fd, void *to, size_t length, off_t at);

#endif
