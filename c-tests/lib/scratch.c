/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static char *directory;

/* Calls `each` with the path of every file; how many there were. */
static unsigned for_each_file(int (*each)(const char *path))
{
    DIR *open = opendir(directory);
    struct dirent *entry;
    unsigned count = 0;

    CHECK(open != NULL);
    while ((entry = readdir(open)) != NULL) {
        char *path;

        if (entry->d_name[0] == '.') {
            continue;
        }
        count++;
        if (each != NULL) {
            CHECK(asprintf(&path, "%s/%s", directory, entry->d_name) > 0);
            CHECK_EQ(each(path), 0);
            free(path);
        }
    }
    closedir(open);
    return count;
}

static void remove_directory(void)
{
    for_each_file(remove);
    CHECK_EQ(remove(directory), 0);
    free(directory);
}

static void make_directory(void)
{
    const char *parent = getenv("TMPDIR");

    CHECK(asprintf(&directory, "%s/uffd-incoming-test.XXXXXX", parent != NULL ? parent : "/tmp") > 0);
    CHECK(mkdtemp(directory) != NULL);
    CHECK_EQ(atexit(remove_directory), 0);
}

char *scratch_path(const char *name)
{
    static pthread_once_t made = PTHREAD_ONCE_INIT;
    char *path;

    CHECK_EQ(pthread_once(&made, make_directory), 0);
    CHECK(asprintf(&path, "%s/%s", directory, name) > 0);
    return path;
}

int scratch_file(void)
{
    char *path = scratch_path("nameless.XXXXXX");
    const int fd = mkostemp(path, O_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_EQ(unlink(path), 0);
    free(path);
    return fd;
}

unsigned scratch_files(void)
{
    return for_each_file(NULL);
}
