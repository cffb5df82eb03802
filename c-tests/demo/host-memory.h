/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Puts the memory of this host into the same state before each restore, so that the ways can be compared.
 */

#ifndef HOST_MEMORY_H
#define HOST_MEMORY_H

#include <stdint.h>

#include "plain-read.h"

/*
 * Takes that much memory, until give_back_memory(). In a virtual machine, free memory may not be backed by memory of
 * the host. Without this, a restore would wait for the host.
 */
void *take_memory(uint64_t bytes);

void give_back_memory(void *memory, uint64_t bytes);

/* Reads all data of the snapshot, so that the page cache holds it. */
void fill_page_cache(const struct plain_snapshot *snapshot);

/* Drops the file of the snapshot from the page cache. Exits with a message if the file system keeps it there. */
void empty_page_cache(const struct plain_snapshot *snapshot);

#endif
