/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Measures the library beside what VMMs do without it, in one process, interleaved:
 * bench DIRECTORY [MIB [ROUNDS [GROUP...]]]
 * The table goes to stdout, bench.json and the data of the picture to DIRECTORY. The snapshot has MIB mebibytes.
 * Exit status: 0 whether or not the goals are met, 1 for wrong contents, 2 for what failed.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "number.h"
#include "report.h"

#define WATCHDOG_SECONDS 540

static void on_timeout(int signal)
{
    static const char text[] = "bench: FAIL: hangs, or the machine is far too slow\n";

    (void)signal;
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
        _exit(3);
    }
    _exit(2);
}

static bool wanted(int argc, char **argv, const char *group)
{
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], group) == 0) {
            return true;
        }
    }
    return argc <= 4;
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = on_timeout };
    char *path;

    if (argc < 2) {
        errx(2, "usage: bench DIRECTORY [MIB [ROUNDS [latency|following|throughput|loading|memory|resume|clones|arming|idle]...]]");
    }
    size_t length = (argc > 2 ? number_or_exit(argv[2], "MIB", 64, 1 << 20) : 512) << 20;
    int rounds = argc > 3 ? (int)number_or_exit(argv[3], "ROUNDS", 1, 1000) : 5;

    if (sigaction(SIGALRM, &action, NULL) != 0) {
        err(2, "sigaction");
    }
    alarm(WATCHDOG_SECONDS);
    report_begin(argv[1]);
    bench_waking();
    if (wanted(argc, argv, "arming")) {
        bench_arming(rounds); /* first: what is free in the heap would hide what it takes */
    }
    level_memory(2 * length);
    if (asprintf(&path, "%s/bench.mapped-ram", argv[1]) < 0) {
        err(2, "asprintf");
    }
    struct image image = image_new(path, length, ZEROS_NONE);

    if (wanted(argc, argv, "latency")) {
        bench_latency(&image, rounds);
    }
    if (wanted(argc, argv, "following")) {
        bench_following(&image, rounds);
    }
    if (wanted(argc, argv, "throughput")) {
        bench_throughput(&image, rounds);
    }
    if (wanted(argc, argv, "loading")) {
        bench_loading(&image, rounds);
    }
    if (wanted(argc, argv, "memory")) {
        bench_memory(image.path, length, rounds);
    }
    if (wanted(argc, argv, "resume")) {
        bench_resume(&image, rounds);
    }
    if (wanted(argc, argv, "clones")) {
        bench_clones(&image, rounds);
    }
    if (wanted(argc, argv, "idle")) {
        bench_idle(&image);
    }
    image_free(&image);
    free(path);
    report_end();
    return 0;
}
