/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rest of QEMU needs of uffd-incoming-glue.c beside the names it has always called. */
#ifndef UFFD_INCOMING_GLUE_H
#define UFFD_INCOMING_GLUE_H

#include "migration.h"

/* Once, when the incoming state exists. */
void uffd_glue_attach(MigrationIncomingState *mis);

/* Tells the library what the capabilities and parameters say now; before each set-up. */
int uffd_glue_configure(MigrationIncomingState *mis);

/* Reports why the set-up failed. */
void uffd_glue_report_setup(void);

/* Postcopy recovery: asks the source again for what was under way, then lets the fault thread go on. */
void uffd_glue_request_again(MigrationIncomingState *mis);
void uffd_glue_resume(MigrationIncomingState *mis);

/*
 * Fast snapshot load: mapped-ram and postcopy-ram together on the incoming side. In the order in which an incoming
 * migration comes by.
 */
bool uffd_glue_is_lazy(void);
void uffd_glue_stream_starts_at(uint64_t offset);
int uffd_glue_load_ram(MigrationIncomingState *mis);        /* the RAM blocks are known: 0 or a negative errno */
int uffd_glue_state_loaded(MigrationIncomingState *mis, int ret); /* what became of loading, RAM considered */
void uffd_glue_before_start(MigrationIncomingState *mis);   /* the guest is about to run */
bool uffd_glue_completes(MigrationIncomingState *mis);      /* the guest runs; true: once RAM is there, the glue completes it */
bool uffd_glue_recover(MigrationIncomingState *mis);        /* migrate-recover, any thread; true: it was for a snapshot load */
void uffd_glue_forget(MigrationIncomingState *mis);         /* the incoming migration is over, one way or the other */

#endif
