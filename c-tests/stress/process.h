/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A client that is another process, as a vhost-user back end is: this program, started once more. It knows nothing of the
 * model, and reads what it is told to.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "ram.h"

/* The program's argument that makes it one. */
#define PROCESS_ARGUMENT "client"

struct process;

/* Starts it, gives it the block's file, and is given its userfaultfd and where it maps the block. */
struct process *process_start(const RAMBlock *rb, int *uffd, uint64_t *base);

/* Makes it read; false if it was killed before it had read. One thread at a time. */
bool process_read(struct process *process, size_t offset, uint8_t *bytes, size_t length);

/* Kills it at any moment. */
void process_kill(struct process *process);

/* Ends it, and waits for its end. No thread makes it read any more. */
void process_free(struct process *process);

/* What it does. */
void process_live(void);

#endif
