/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

/* libFuzzer's program: all targets in one, which goes by the name that it is called by (`make fuzz` makes links). */

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *slash = strrchr((*argv)[0], '/'), *name = slash ? slash + 1 : (*argv)[0];

    (void)argc;
    target = fuzz_targets();
    while (target && strcmp(target->name, name) != 0)
        target = target->next;
    if (!target) {
        fprintf(stderr, "there is no fuzz target %s\n", name);
        exit(64);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_run(target, data, size);
    return 0;
}
