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

/* For the preempt thread: ram_load_postcopy(), and -EIO when there is no channel. */
int uffd_glue_load_urgent(QEMUFile *file, int channel);

/* Waits until the preempt thread, however late it is, reads from the channel that a pause is about to close. */
void uffd_glue_before_channel_closes(void);

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
bool uffd_glue_is_loading(void);                            /* from then on until it is completed, or has failed */
bool uffd_glue_recover(MigrationIncomingState *mis);        /* migrate-recover, any thread; true: it was for a snapshot load */
void uffd_glue_forget(MigrationIncomingState *mis);         /* the incoming migration is over, one way or the other */

/* The snapshot was saved with another setting of a capability that has to be the same. */
void uffd_glue_capability_differs(int capability, bool saved_with);

/* What cannot be while RAM arrives, by a load or by a postcopy: true, and an error that says so. */
bool uffd_glue_refuses(const char *what, Error **errp);

/* Monitor's own thread: a command waits until the main thread has time for it, which may be never. */
void uffd_glue_command_queued(const char *command);

/* query-migrate: progress of a load, under way or completed; and all that can be told without the big lock. */
void uffd_glue_fill_info(MigrationInfo *info);
MigrationInfo *uffd_glue_query(void);

#endif
