/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "mapped-ram-write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The stream's vocabulary. */
#define FILE_VERSION 3
#define SECTION_START 0x01
#define SECTION_END 0x03
#define SUBSECTION 0x05
#define CONFIGURATION 0x07
#define SECTION_FOOTER 0x7e
#define END_OF_FILE 0x00

#define RAM_SECTION_ID 1
#define RAM_SECTION_VERSION 4
#define RAM_FLAG_MEM_SIZE 0x04
#define RAM_FLAG_EOS 0x10
#define MAPPED_RAM_VERSION 1

/* Pages begin at multiples of this. */
#define PAGES_ALIGNMENT (1 << 20)

/* Neighbouring pages are gathered up to this many bytes and written at once. */
#define GATHER_BYTES (1 << 20)

/* The place in the file that is written next, and the first failure: after it nothing is written any more. */
struct stream {
    int fd;
    uint64_t at;
    int error;
};

static void put_at(struct stream *out, uint64_t at, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;

    while (length > 0 && out->error == 0) {
        ssize_t written = pwrite(out->fd, from, length, (off_t)at);
        if (written > 0) {
            from += written;
            at += (uint64_t)written;
            length -= (size_t)written;
        } else if (written == 0 || errno != EINTR) {
            out->error = written == 0 ? ENOSPC : errno;
        }
    }
}

static void put_bytes(struct stream *out, const void *bytes, size_t length)
{
    put_at(out, out->at, bytes, length);
    out->at += length;
}

/* Numbers are big-endian. */
static void put_number(struct stream *out, uint64_t number, unsigned int length)
{
    uint8_t bytes[sizeof(number)];

    for (unsigned int i = 0; i < length; i++) {
        bytes[i] = (uint8_t)(number >> (8 * (length - 1 - i)));
    }
    put_bytes(out, bytes, length);
}

static void put_u8(struct stream *out, uint8_t number)
{
    put_number(out, number, 1);
}

static void put_u32(struct stream *out, uint32_t number)
{
    put_number(out, number, 4);
}

static void put_u64(struct stream *out, uint64_t number)
{
    put_number(out, number, 8);
}

/* A string with its length in one byte before it. */
static void put_name(struct stream *out, const char *name)
{
    put_u8(out, (uint8_t)strlen(name));
    put_bytes(out, name, strlen(name));
}

static size_t count_capabilities(const struct mapped_ram_file *file)
{
    size_t count = 0;

    while (file->capabilities && file->capabilities[count]) {
        count++;
    }
    return count;
}

static void put_configuration(struct stream *out, const struct mapped_ram_file *file)
{
    static const char machine[] = "pc-synthetic";
    size_t others = count_capabilities(file);

    put_u8(out, CONFIGURATION);
    put_u32(out, sizeof(machine) - 1);
    put_bytes(out, machine, sizeof(machine) - 1);
    put_u8(out, SUBSECTION);
    put_name(out, "configuration/capabilities");
    put_u32(out, 1);
    put_u32(out, (uint32_t)others + 1);
    for (size_t i = 0; i < others; i++) {
        put_name(out, file->capabilities[i]);
    }
    put_name(out, "mapped-ram");
}

/* Writes the pages of a block and notes in `bitmap` which of them hold data. */
static void put_pages(struct stream *out, const struct mapped_ram_file *file, size_t block,
                      uint8_t *gathered, uint8_t *bitmap)
{
    const uint64_t page_size = file->target_page_size;
    const uint64_t pages = file->blocks[block].length / page_size;
    uint64_t at = file->blocks[block].pages_offset;
    size_t filled = 0;

    for (uint64_t page = 0; page < pages && out->error == 0; page++) {
        enum page_kind kind = file->page(file->opaque, block, page, gathered + filled);

        if (kind == PAGE_DATA) {
            bitmap[page / 8] |= (uint8_t)(1 << page % 8);
        }
        if (kind != PAGE_ZERO) {
            filled += page_size;
        }
        if (kind == PAGE_ZERO || filled + page_size > GATHER_BYTES) {
            put_at(out, at, gathered, filled);
            at += filled + (kind == PAGE_ZERO ? page_size : 0);
            filled = 0;
        }
    }
    put_at(out, at, gathered, filled);
}

static uint64_t round_up(uint64_t number, uint64_t power_of_two)
{
    return (number + power_of_two - 1) & ~(power_of_two - 1);
}

static void put_block(struct stream *out, const struct mapped_ram_file *file, size_t index, uint8_t *gathered)
{
    struct mapped_ram_block *block = &file->blocks[index];
    /* Whole longs, one bit a page. */
    const size_t bitmap_bytes = (size_t)((block->length / file->target_page_size + 63) / 64 * 8);
    uint8_t *bitmap = calloc(1, bitmap_bytes);

    if (!bitmap) {
        out->error = ENOMEM;
        return;
    }
    block->idstr_offset = out->at;
    put_name(out, block->idstr);
    block->length_offset = out->at;
    put_u64(out, block->length);
    if (block->host_page_size != 0) {
        put_u64(out, block->host_page_size);
    }

    block->header_offset = out->at;
    block->bitmap_offset = block->header_offset + 4 + 3 * 8;
    block->pages_offset = round_up(block->bitmap_offset + bitmap_bytes, PAGES_ALIGNMENT);
    put_u32(out, MAPPED_RAM_VERSION);
    put_u64(out, file->target_page_size);
    put_u64(out, block->bitmap_offset);
    put_u64(out, block->pages_offset);

    put_pages(out, file, index, gathered, bitmap);
    put_at(out, block->bitmap_offset, bitmap, bitmap_bytes);
    out->at = block->pages_offset + block->length;
    free(bitmap);
}

static void put_section_footer(struct stream *out)
{
    put_u8(out, SECTION_FOOTER);
    put_u32(out, RAM_SECTION_ID);
}

static void put_ram_section(struct stream *out, struct mapped_ram_file *file, uint8_t *gathered)
{
    uint64_t total = 0;

    for (size_t i = 0; i < file->block_count; i++) {
        total += file->blocks[i].length;
    }
    file->ram_section_offset = out->at;
    put_u8(out, SECTION_START);
    put_u32(out, RAM_SECTION_ID);
    put_name(out, "ram");
    put_u32(out, 0); /* the instance */
    put_u32(out, RAM_SECTION_VERSION);
    put_u64(out, total | RAM_FLAG_MEM_SIZE);
    for (size_t i = 0; i < file->block_count && out->error == 0; i++) {
        put_block(out, file, i, gathered);
    }
    put_u64(out, RAM_FLAG_EOS);
    put_section_footer(out);
}

int mapped_ram_write(int fd, struct mapped_ram_file *file)
{
    struct stream out = { .fd = fd, .at = file->start };
    uint8_t *gathered = malloc(GATHER_BYTES);

    if (!gathered) {
        return -1;
    }
    put_bytes(&out, "QEVM", 4);
    put_u32(&out, FILE_VERSION);
    put_configuration(&out, file);
    put_ram_section(&out, file, gathered);
    free(gathered);

    put_u8(&out, SECTION_END);
    put_u32(&out, RAM_SECTION_ID);
    put_u64(&out, RAM_FLAG_EOS);
    put_section_footer(&out);
    put_u8(&out, END_OF_FILE);

    errno = out.error;
    return out.error == 0 ? 0 : -1;
}
