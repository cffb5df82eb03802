/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The source of a postcopy: a page handler that places at once, has pages placed later, or fails.
 */
#ifndef POSTCOPY_H
#define POSTCOPY_H

#include "machine.h"

/* The PostcopyPageHandler. */
int postcopy_handle(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *fault_address);

/* Makes some pages of the block's source zeros. */
void postcopy_choose_zeros(struct machine *machine, struct memory *memory);

/* Bodies of UffdIncomingConfig.preempt_run and _quit: one more placer. */
void postcopy_preempt_run(MigrationIncomingState *mis);
void postcopy_preempt_quit(MigrationIncomingState *mis);

/* Marks a page received that was not placed: it becomes zeros, or keeps its content. */
void postcopy_mark(struct machine *machine, struct memory *memory, size_t page);

/* Has all requested pages placed that the handler had lost. Call it when no other page is to be placed. */
void postcopy_ask_again(struct machine *machine);

#endif
