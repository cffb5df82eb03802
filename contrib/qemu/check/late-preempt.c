/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Preloaded into QEMU, delays the thread that receives the urgent pages of a postcopy: it sleeps for LATE_MS milliseconds when it
 * starts, and at each of its first locks. Plain QEMU needs -name debug-threads=on for this.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LATE_LOCKS 6

/* How often to look for the thread's name, which is set soon after its start. */
#define LOOKS 64

static __thread int left, looks, seen_name;

static void be_late(void)
{
    const char *ms = getenv("LATE_MS");

    usleep(1000 * (ms ? (unsigned)atoi(ms) : 300));
}

/* Whatever gave it its name. */
static int is_preempt_thread(void)
{
    char name[16] = "";

    return prctl(PR_GET_NAME, name) == 0 && strstr(name, "preempt") != NULL && strstr(name, "src") == NULL;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*lock)(pthread_mutex_t *);

    if (!lock) {
        lock = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_lock");
    }
    if (!seen_name && looks < LOOKS && (looks++, is_preempt_thread())) {
        seen_name = 1;
        left = LATE_LOCKS;
    }
    if (left > 0) {
        left--;
        be_late();
    }
    return lock(mutex);
}
