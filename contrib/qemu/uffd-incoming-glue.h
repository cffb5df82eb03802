/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of uffd-incoming-glue.c that QEMU calls in addition to those that it has always called. */
#ifndef UFFD_INCOMING_GLUE_H
#define UFFD_INCOMING_GLUE_H

#include "migration.h"

/* Called once, when the incoming state exists. */
void uffd_glue_attach(MigrationIncomingState *mis);

/* Passes the current capabilities and parameters to the library. Called before each setup. */
int uffd_glue_configure(MigrationIncomingState *mis);

/* Reports why the setup failed. */
void uffd_glue_report_setup(void);

/* Called by the preempt thread: ram_load_postcopy(), or -EIO if there is no channel. */
int uffd_glue_load_urgent(QEMUFile *file, int channel);

/* Waits until the preempt thread reads from its channel, which a pause is about to close. The thread may start late. */
void uffd_glue_before_channel_closes(void);

/* Postcopy recovery: resumes the fault thread, after QEMU has requested the outstanding pages again. */
void uffd_glue_resume(MigrationIncomingState *mis);

/*
 * Fast snapshot load: mapped-ram and postcopy-ram together on the incoming side. An incoming migration calls
 * uffd_glue_stream_starts_at(), _load_ram(), _state_loaded(), _before_start(), _completes() and _forget() in this order;
 * the others may be called at any time.
 */

/* Whether the capabilities ask for a fast snapshot load. */
bool uffd_glue_is_lazy(void);

/* Where the stream starts in the file. */
void uffd_glue_stream_starts_at(uint64_t offset);

/* Called once the RAM blocks are known. Returns 0 or a negative errno value. */
int uffd_glue_load_ram(MigrationIncomingState *mis);

/* Called after device state was loaded, with result `ret`. Returns `ret`, or a negative errno value and *errp if RAM is unreadable. */
int uffd_glue_state_loaded(MigrationIncomingState *mis, int ret, Error **errp);

/* Called before the guest runs. */
void uffd_glue_before_start(MigrationIncomingState *mis);

/* Called once the guest runs. True: the glue completes the migration when all RAM is loaded. */
bool uffd_glue_completes(MigrationIncomingState *mis);

/* True from uffd_glue_load_ram() until the load has completed or failed. */
bool uffd_glue_is_loading(void);

/* For migrate-recover, on any thread. Returns true if a load was resumed: then the caller returns. */
bool uffd_glue_recover(MigrationIncomingState *mis);

/* Called after the incoming migration has ended, with or without success. */
void uffd_glue_forget(MigrationIncomingState *mis);

/* Reports that the snapshot was saved with another setting of a capability that must be the same. */
void uffd_glue_capability_differs(int capability, bool saved_with);

/* Returns true and sets *errp if an action is refused, because RAM arrives by a load or by a postcopy. */
bool uffd_glue_refuses(const char *what, Error **errp);

/* Called on the monitor's thread before it queues a command for the main thread, which may be blocked. */
void uffd_glue_command_queued(const char *command);

/* Adds the progress of a load to the answer to query-migrate. */
void uffd_glue_fill_info(MigrationInfo *info);

/* Answers query-migrate without the big QEMU lock. */
MigrationInfo *uffd_glue_query(void);

#endif
