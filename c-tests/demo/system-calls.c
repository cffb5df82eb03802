/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "system-calls.h"

#include <err.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the lower half of an argument is taken to come first"
#endif
#ifdef __x86_64__
#define THIS_ARCH AUDIT_ARCH_X86_64
#else
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

/* What this machine has no such call for. */
#define ABSENT (-1)
#ifndef SYS_poll
#define SYS_poll ABSENT
#endif

static const struct {
    const char *name;
    long number;
} numbers[] = {
    { "brk", SYS_brk },
    { "cachestat", 451 }, /* on all machines; headers may not know it yet */
    { "clock_gettime", SYS_clock_gettime },
    { "close", SYS_close },
    { "exit", SYS_exit },
    { "fadvise64", SYS_fadvise64 },
    { "fcntl", SYS_fcntl },
    { "fstat", SYS_fstat },
    { "futex", SYS_futex },
    { "getpid", SYS_getpid },
    { "getrandom", SYS_getrandom },
    { "gettid", SYS_gettid },
    { "ioctl", SYS_ioctl },
    { "lseek", SYS_lseek },
    { "madvise", SYS_madvise },
    { "mincore", SYS_mincore },
    { "mmap", SYS_mmap },
    { "mprotect", SYS_mprotect },
    { "mremap", SYS_mremap },
    { "munlock", SYS_munlock },
    { "munmap", SYS_munmap },
    { "newfstatat", SYS_newfstatat },
    { "openat", SYS_openat },
    { "poll", SYS_poll },
    { "ppoll", SYS_ppoll },
    { "pread64", SYS_pread64 },
    { "preadv2", SYS_preadv2 },
    { "process_vm_readv", SYS_process_vm_readv },
    { "read", SYS_read },
    { "rseq", SYS_rseq },
    { "rt_sigprocmask", SYS_rt_sigprocmask },
    { "sched_getaffinity", SYS_sched_getaffinity },
    { "sched_getscheduler", SYS_sched_getscheduler },
    { "sched_setaffinity", SYS_sched_setaffinity },
    { "sched_yield", SYS_sched_yield },
    { "set_robust_list", SYS_set_robust_list },
    { "sigaltstack", SYS_sigaltstack },
    { "statx", SYS_statx },
    { "tgkill", SYS_tgkill },
    { "uname", SYS_uname },
    { "write", SYS_write },
};

/* An entry of the list. */
struct call {
    char thread[16]; /* without the number behind it */
    char text[64];
    long number;
    uint32_t request; /* of an ioctl */
    atomic_bool seen;
};

#define MOST_CALLS 256
static struct call calls[MOST_CALLS];
static size_t call_count;
static const char *list_path, *seen_path;

static long number_of(const char *name)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        if (strcmp(numbers[i].name, name) == 0) {
            return numbers[i].number;
        }
    }
    errx(2, "%s: no known system call: '%s'", list_path, name);
}

static void add_call(const char *thread, const char *line)
{
    struct call *call = &calls[call_count];
    char name[32], request_name[32];
    unsigned request = 0;
    int words = sscanf(line, "%31s %31s %x", name, request_name, &request);

    if (thread[0] == '\0' || call_count == MOST_CALLS || words < 1) {
        errx(2, "%s: cannot make sense of '%s'", list_path, line);
    }
    const bool is_ioctl = strcmp(name, "ioctl") == 0;
    if (is_ioctl && words != 3) {
        errx(2, "%s: an ioctl without the name and number of its request: '%s'", list_path, line);
    }
    call->number = number_of(name);
    call->request = is_ioctl ? request : 0;
    strcpy(call->thread, thread);
    snprintf(call->text, sizeof(call->text), "%s%s%s", name, is_ioctl ? " " : "", is_ioctl ? request_name : "");
    call_count++;
}

static void append_seen(void)
{
    FILE *file = fopen(seen_path, "a");

    if (file == NULL) {
        err(2, "%s", seen_path);
    }
    for (size_t i = 0; i < call_count; i++) {
        if (calls[i].seen || calls[i].number == ABSENT) {
            fprintf(file, "%s %s\n", calls[i].thread, calls[i].text);
        }
    }
    fclose(file);
}

void system_calls_read(const char *list)
{
    char line[256], thread[16] = "";

    list_path = list;
    FILE *file = fopen(list, "r");
    if (file == NULL) {
        err(2, "%s", list);
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        if (sscanf(line, "thread %15s", thread) != 1) {
            add_call(thread, line);
        }
    }
    fclose(file);

    seen_path = getenv("SYSTEM_CALLS_SEEN");
    if (seen_path != NULL) {
        atexit(append_seen);
    }
}

/* The threads "uffd/fault0" and "uffd/fault1" are listed as "uffd/fault". */
static bool is_listed_as(const char *thread, const char *listed)
{
    const size_t length = strlen(listed);

    return strncmp(thread, listed, length) == 0 &&
           strspn(thread + length, "0123456789") == strlen(thread + length);
}

/* Watches over a thread. */
struct watch {
    char thread[16];
    _Atomic int listener; /* what the kernel tells about the thread's calls by */
};

static void watch_call(const struct watch *watch, const struct seccomp_data *data)
{
    for (size_t i = 0; i < call_count; i++) {
        struct call *call = &calls[i];

        if (is_listed_as(watch->thread, call->thread) && call->number == data->nr &&
            (data->nr != SYS_ioctl || call->request == (uint32_t)data->args[1])) {
            call->seen = true;
            return;
        }
    }
    fprintf(stderr, "thread %s makes system call %d (arguments %#llx, %#llx, %#llx), which is not in %s\n",
            watch->thread, data->nr, (unsigned long long)data->args[0], (unsigned long long)data->args[1],
            (unsigned long long)data->args[2], list_path);
    kill(getpid(), SIGSYS);
    pause();
}

static void *watch_run(void *opaque)
{
    struct watch *watch = opaque;

    while (watch->listener < 0) {
        usleep(100);
    }
    for (;;) {
        struct pollfd fd = { .fd = watch->listener, .events = POLLIN };
        struct seccomp_notif call = { 0 };

        if (poll(&fd, 1, -1) == 1 && !(fd.revents & POLLIN)) {
            break; /* the thread is gone */
        }
        if (ioctl(watch->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
            continue; /* interrupted */
        }
        watch_call(watch, &call.data);
        struct seccomp_notif_resp go_on = { .id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
        ioctl(watch->listener, SECCOMP_IOCTL_NOTIF_SEND, &go_on);
    }
    close(watch->listener);
    free(watch);
    return NULL;
}

/* A VMM would put SECCOMP_RET_KILL_PROCESS where this has what it wants to hear of, and need no watch. */
#define OTHERWISE SECCOMP_RET_USER_NOTIF

#define LOAD(what) (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))
#define IF_EQUAL(value, then, otherwise) \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise)
#define RETURN(action) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, action)

static unsigned short make_filter(const char *thread, struct sock_filter *filter)
{
    unsigned short length = 0;

    filter[length++] = LOAD(arch);
    filter[length++] = IF_EQUAL(THIS_ARCH, 1, 0);
    filter[length++] = RETURN(SECCOMP_RET_KILL_PROCESS);
    for (size_t i = 0; i < call_count && seen_path == NULL; i++) {
        const uint32_t number = (uint32_t)calls[i].number, request = calls[i].request;
        const bool is_ioctl = calls[i].number == SYS_ioctl;

        if (!is_listed_as(thread, calls[i].thread) || calls[i].number == ABSENT) {
            continue;
        }
        filter[length++] = LOAD(nr);
        filter[length++] = IF_EQUAL(number, 0, is_ioctl ? 3 : 1);
        if (is_ioctl) {
            filter[length++] = LOAD(args[1]);
            filter[length++] = IF_EQUAL(request, 0, 1);
        }
        filter[length++] = RETURN(SECCOMP_RET_ALLOW);
    }
    filter[length++] = RETURN(OTHERWISE);
    return length;
}

void system_calls_confine(MigrationIncomingState *mis, const char *thread)
{
    struct sock_filter filter[4 + 5 * MOST_CALLS];
    struct sock_fprog program = { .len = make_filter(thread, filter), .filter = filter };
    struct watch *watch = calloc(1, sizeof(*watch));
    pthread_t watcher;

    (void)mis;
    if (watch == NULL) {
        err(2, "watching over %s", thread);
    }
    strncpy(watch->thread, thread, sizeof(watch->thread) - 1);
    watch->listener = -1;
    errno = pthread_create(&watcher, NULL, watch_run, watch);
    if (errno != 0 || pthread_detach(watcher) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        err(2, "watching over %s", thread);
    }
    int listener =
        (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0) {
        err(2, "confining %s", thread);
    }
    /* The last thing that is done, and no system call: the watch is not on duty yet. */
    watch->listener = listener;
}
