/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "proc.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t proc_number(const char *path, const char *field)
{
    FILE *file = fopen(path, "r");
    char line[512];

    if (!file) {
        err(2, "%s", path);
    }
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, field, strlen(field)) == 0) {
            fclose(file);
            return strtoull(line + strlen(field), NULL, 10);
        }
    }
    errx(2, "%s: no %s", path, field);
}
