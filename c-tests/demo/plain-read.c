/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#define _GNU_SOURCE /* SEEK_DATA, SEEK_HOLE */
#include "plain-read.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLAT_SIGNATURE "uffd-incoming flat 1\n"
#define FLAT_PAGE_SIZE 4096

/* The place in a mapped-ram stream that is read next. */
struct stream {
    const struct plain_snapshot *snapshot;
    uint64_t at;
};

static void read_at(const struct plain_snapshot *snapshot, uint64_t at, void *to, size_t length)
{
    uint8_t *into = to;

    while (length > 0) {
        ssize_t got = pread(snapshot->fd, into, length, (off_t)at);
        if (got > 0) {
            into += got;
            at += (uint64_t)got;
            length -= (size_t)got;
        } else if (got == 0) {
            errx(2, "%s: ends before offset %" PRIu64, snapshot->path, at + length);
        } else if (errno != EINTR) {
            err(2, "%s: cannot read at offset %" PRIu64, snapshot->path, at);
        }
    }
}

static void get_bytes(struct stream *in, void *to, size_t length)
{
    read_at(in->snapshot, in->at, to, length);
    in->at += length;
}

/* Numbers are big-endian. */
static uint64_t get_number(struct stream *in, unsigned int length)
{
    uint8_t bytes[sizeof(uint64_t)];
    uint64_t number = 0;

    get_bytes(in, bytes, length);
    for (unsigned int i = 0; i < length; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

/* A string with its length in one byte before it. */
static void get_name(struct stream *in, char name[256])
{
    size_t length = get_number(in, 1);

    get_bytes(in, name, length);
    name[length] = '\0';
}

static void expect(struct stream *in, const char *what, unsigned int length, uint64_t expected)
{
    uint64_t at = in->at;
    uint64_t seen = get_number(in, length);

    if (seen != expected) {
        errx(2, "%s: offset %" PRIu64 ": expected %s %#" PRIx64 ", seen %#" PRIx64, in->snapshot->path, at,
             what, expected, seen);
    }
}

static struct plain_block *add_block(struct plain_snapshot *snapshot)
{
    size_t count = snapshot->block_count + 1;
    struct plain_block *blocks = realloc(snapshot->blocks, count * sizeof(*blocks));

    if (!blocks) {
        err(2, "realloc");
    }
    snapshot->blocks = blocks;
    snapshot->block_count = count;
    blocks[count - 1] = (struct plain_block){ 0 };
    return &blocks[count - 1];
}

uint64_t plain_pages(const struct plain_block *block)
{
    return block->length / block->page_size;
}

/* Room for one bit a page, in whole 64-bit words. */
static size_t bitmap_bytes(const struct plain_block *block)
{
    return (plain_pages(block) + 63) / 64 * 8;
}

static void allocate_bitmap(struct plain_block *block)
{
    block->bitmap = calloc(1, bitmap_bytes(block));
    if (!block->bitmap) {
        err(2, "%s: no memory for the bitmap", block->idstr);
    }
}

static bool lies_in_file(const struct plain_block *block, uint64_t page)
{
    return block->bitmap[page / 8] >> page % 8 & 1;
}

/* Returns whether postcopy-ram was on, which adds a field to RAM blocks. */
static bool read_configuration(struct stream *in)
{
    bool postcopy_ram = false;
    char name[256];

    expect(in, "configuration", 1, 0x07);
    in->at += get_number(in, 4); /* the machine's name */
    while (get_number(in, 1) == 0x05) {
        get_name(in, name);
        if (strcmp(name, "configuration/capabilities") != 0) {
            errx(2, "%s: unknown subsection %s", in->snapshot->path, name);
        }
        expect(in, "version", 4, 1);
        for (uint64_t left = get_number(in, 4); left > 0; left--) {
            get_name(in, name);
            postcopy_ram |= strcmp(name, "postcopy-ram") == 0;
        }
    }
    in->at--; /* that was no subsection any more */
    return postcopy_ram;
}

static void open_mapped_ram(struct plain_snapshot *snapshot)
{
    struct stream in = { .snapshot = snapshot };
    char name[256];

    expect(&in, "magic", 4, 0x5145564d);
    expect(&in, "version", 4, 3);
    const bool postcopy_ram = read_configuration(&in);

    expect(&in, "section start", 1, 0x01);
    in.at += 4; /* the section's id */
    get_name(&in, name);
    if (strcmp(name, "ram") != 0) {
        errx(2, "%s: the first section is %s, not ram", snapshot->path, name);
    }
    in.at += 4; /* its instance */
    expect(&in, "version", 4, 4);

    for (uint64_t left = get_number(&in, 8) & ~0xfffULL; left > 0;) {
        struct plain_block *block = add_block(snapshot);

        get_name(&in, block->idstr);
        block->length = get_number(&in, 8);
        if (postcopy_ram) {
            /* A page size is there when it is not the host's; the header begins with the number 1. */
            in.at += get_number(&in, 4) == 1 ? -4 : 4;
        }
        expect(&in, "mapped-ram version", 4, 1);
        block->page_size = get_number(&in, 8);
        uint64_t bitmap_offset = get_number(&in, 8);
        block->pages_offset = get_number(&in, 8);
        if (block->length > left || block->page_size == 0 || block->length % block->page_size != 0) {
            errx(2, "%s: %s: %" PRIu64 " bytes in pages of %" PRIu64 " make no sense", snapshot->path,
                 block->idstr, block->length, block->page_size);
        }

        allocate_bitmap(block);
        read_at(snapshot, bitmap_offset, block->bitmap, bitmap_bytes(block));
        in.at = block->pages_offset + block->length;
        left -= block->length;
    }
}

/* The pages that lie in the file are those which its file system knows to hold data. */
static void find_data(struct plain_snapshot *snapshot, struct plain_block *block)
{
    const off_t start = (off_t)block->pages_offset;
    const off_t end = start + (off_t)block->length;
    off_t data = lseek(snapshot->fd, start, SEEK_DATA);

    allocate_bitmap(block);
    while (data >= 0 && data < end) {
        off_t hole = lseek(snapshot->fd, data, SEEK_HOLE);
        off_t stop = hole < end ? hole : end;
        for (off_t page = (data - start) / FLAT_PAGE_SIZE; page * FLAT_PAGE_SIZE < stop - start; page++) {
            block->bitmap[page / 8] |= (uint8_t)(1 << page % 8);
        }
        data = lseek(snapshot->fd, hole, SEEK_DATA);
    }
}

/* Opens the image that a description names: relative to the description. */
static void open_image(struct plain_snapshot *snapshot, const char *image)
{
    char directory[4096], path[8200];

    snprintf(directory, sizeof(directory), "%s", snapshot->path);
    if (image[0] == '/') {
        snprintf(path, sizeof(path), "%s", image);
    } else {
        snprintf(path, sizeof(path), "%s/%s", dirname(directory), image);
    }
    snapshot->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (snapshot->fd < 0) {
        err(2, "%s: cannot open the image %s", snapshot->path, path);
    }
}

static void open_flat(struct plain_snapshot *snapshot)
{
    FILE *description = fdopen(snapshot->fd, "r");
    char line[4096], image[4096];

    if (!description || !fgets(line, sizeof(line), description) || !fgets(line, sizeof(line), description) ||
        sscanf(line, "image %4095[^\n]", image) != 1) {
        errx(2, "%s: expected the line \"image PATH\"", snapshot->path);
    }
    open_image(snapshot, image);
    while (fgets(line, sizeof(line), description)) {
        struct plain_block *block = add_block(snapshot);
        long long offset, length;

        if (sscanf(line, "block %lli %lli %255[^\n]", &offset, &length, block->idstr) != 3) {
            errx(2, "%s: expected \"block OFFSET LENGTH IDSTR\", seen: %s", snapshot->path, line);
        }
        block->page_size = FLAT_PAGE_SIZE;
        block->pages_offset = (uint64_t)offset;
        block->length = (uint64_t)length;
        find_data(snapshot, block);
    }
    fclose(description);
}

void plain_open(struct plain_snapshot *snapshot, const char *path)
{
    char signature[sizeof(FLAT_SIGNATURE)] = "";

    *snapshot = (struct plain_snapshot){ .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC) };
    if (snapshot->fd < 0 || pread(snapshot->fd, signature, sizeof(signature) - 1, 0) < 0) {
        err(2, "%s", path);
    }
    if (strcmp(signature, FLAT_SIGNATURE) == 0) {
        open_flat(snapshot);
    } else {
        open_mapped_ram(snapshot);
    }
}

const struct plain_block *plain_find(const struct plain_snapshot *snapshot, const char *idstr)
{
    for (size_t i = 0; i < snapshot->block_count; i++) {
        if (strcmp(snapshot->blocks[i].idstr, idstr) == 0) {
            return &snapshot->blocks[i];
        }
    }
    return NULL;
}

uint64_t plain_data_pages(const struct plain_block *block)
{
    uint64_t count = 0;

    for (uint64_t page = 0; page < plain_pages(block); page++) {
        count += lies_in_file(block, page);
    }
    return count;
}

bool plain_next_run(const struct plain_block *block, uint64_t from, uint64_t end, struct plain_run *run)
{
    while (from < end && !lies_in_file(block, from)) {
        from++;
    }
    run->first_page = from;
    while (from < end && lies_in_file(block, from)) {
        from++;
    }
    run->page_count = from - run->first_page;
    return run->page_count > 0;
}

/* Whether the file holds nothing from page `first` of the block to before page `end`. */
static bool is_hole(const struct plain_snapshot *snapshot, const struct plain_block *block, uint64_t first,
                    uint64_t end)
{
    const off_t start = (off_t)(block->pages_offset + first * block->page_size);
    const off_t data = first < end ? lseek(snapshot->fd, start, SEEK_DATA) : -1;

    return data < 0 || data >= start + (off_t)((end - first) * block->page_size);
}

bool plain_zeros_are_holes(const struct plain_snapshot *snapshot, const struct plain_block *block)
{
    const uint64_t pages = plain_pages(block);
    struct plain_run run;
    uint64_t zeros = 0;

    while (plain_next_run(block, zeros, pages, &run)) {
        if (!is_hole(snapshot, block, zeros, run.first_page)) {
            return false;
        }
        zeros = run.first_page + run.page_count;
    }
    return is_hole(snapshot, block, zeros, pages);
}

void plain_read_part(const struct plain_snapshot *snapshot, const struct plain_block *block, uint64_t offset,
                     uint64_t length, uint8_t *to)
{
    const uint64_t end = (offset + length) / block->page_size;
    struct plain_run run;

    for (uint64_t page = offset / block->page_size; plain_next_run(block, page, end, &run);
         page = run.first_page + run.page_count) {
        const uint64_t start = run.first_page * block->page_size;

        read_at(snapshot, block->pages_offset + start, to + start - offset, run.page_count * block->page_size);
    }
}

void plain_read(const struct plain_snapshot *snapshot, const struct plain_block *block, uint8_t *ram)
{
    plain_read_part(snapshot, block, 0, block->length, ram);
}

void plain_close(struct plain_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->block_count; i++) {
        free(snapshot->blocks[i].bitmap);
    }
    free(snapshot->blocks);
    close(snapshot->fd);
}
