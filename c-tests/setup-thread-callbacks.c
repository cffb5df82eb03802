/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * thread_start and thread_stop run in pairs on every thread of the library. The thread has the name that they get, a
 * default-sized stack, and blocks all signals but synchronous ones.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "vm.h"

static struct {
    pid_t tid;
    char name[32];
    bool stopped;
} threads[16];
static unsigned known; /* of the array above */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint started, stopped;

static void check_signals(void)
{
    static const int synchronous[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
    sigset_t all, blocked;

    sigfillset(&all);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
    for (unsigned i = 0; i < sizeof(synchronous) / sizeof(synchronous[0]); i++) {
        if (sigismember(&blocked, synchronous[i]) != 0) {
            FAIL("expected %s not to be blocked", strsignal(synchronous[i]));
        }
        sigdelset(&all, synchronous[i]);
    }
    for (int signal = 1; signal <= SIGRTMAX; signal++) {
        if (sigismember(&all, signal) == 1 && signal != SIGKILL && signal != SIGSTOP &&
            sigismember(&blocked, signal) != 1) {
            FAIL("expected signal %d (%s) to be blocked", signal, strsignal(signal));
        }
    }
}

static void check_stack(void)
{
    pthread_attr_t usual, own;
    size_t expected, seen;

    CHECK_EQ(pthread_attr_init(&usual), 0);
    CHECK_EQ(pthread_attr_getstacksize(&usual, &expected), 0);
    CHECK_EQ(pthread_getattr_np(pthread_self(), &own), 0);
    CHECK_EQ(pthread_attr_getstacksize(&own, &seen), 0);
    if (seen < expected) {
        FAIL("expected a stack of %zu bytes, saw %zu", expected, seen);
    }
    CHECK_EQ(pthread_attr_destroy(&usual), 0);
    CHECK_EQ(pthread_attr_destroy(&own), 0);
}

static void thread_start(MigrationIncomingState *vm, const char *name)
{
    char seen[16];

    (void)vm;
    pthread_mutex_lock(&lock);
    CHECK(known < 16);
    threads[known].tid = gettid();
    strncpy(threads[known].name, name, sizeof(threads[known].name) - 1);
    known++;
    pthread_mutex_unlock(&lock);
    CHECK_EQ(pthread_getname_np(pthread_self(), seen, sizeof(seen)), 0);
    if (seen[0] == '\0' || strcmp(seen, name) != 0) {
        FAIL("expected the thread to be named '%s', saw '%s'", name, seen);
    }
    check_signals();
    check_stack();
    started++;
}

static void thread_stop(MigrationIncomingState *vm, const char *name)
{
    (void)vm;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < known; i++) {
        if (threads[i].tid == gettid() && !threads[i].stopped) {
            CHECK_EQ(strcmp(threads[i].name, name), 0);
            threads[i].stopped = true;
            stopped++;
        }
    }
    pthread_mutex_unlock(&lock);
}

/* How many threads of the library there are, by their names: a sanitizer has one of its own. */
static unsigned library_threads(void)
{
    char path[64], name[16];
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/task");

    CHECK(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            count += fgets(name, sizeof(name), file) != NULL && strncmp(name, "uffd/", 5) == 0;
            fclose(file);
        }
    }
    closedir(directory);
    return count;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_want_preempt_thread(vm);
    vm->config.fault_threads = 2;
    const unsigned all = vm_threads(vm) + 1;
    vm->config.thread_start = thread_start;
    vm->config.thread_stop = thread_stop;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, 1);
    for (unsigned round = 1; round <= 2; round++) {
        CHECK_OK(postcopy_ram_incoming_setup(vm));
        AWAIT(started == round * all);
        CHECK_EQ(library_threads(), all);
        CHECK_EQ(stopped, (round - 1) * all);
        CHECK_OK(uffd_incoming_cleanup(vm));
        CHECK_EQ(started, round * all);
        CHECK_EQ(stopped, round * all);
        AWAIT(library_threads() == 0);
    }
    vm_end(vm);
    return 0;
}
