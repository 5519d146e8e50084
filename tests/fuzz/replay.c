/* SPDX-License-Identifier: MIT */
#include <dirent.h>

#include "core/cleanup.h"
#include "tests/fuzz/fuzz.h"

/* Replays every input in seeds/TARGET and regressions/TARGET, and prints TAP: one test for each target, which must have
 * seeds. Inputs are named as comments, so that the last one before a crash is known. */

static void read_file(const char *path, struct azm_buf *ret)
{
    _cleanup_fclose_ FILE *f = fopen(path, "re");
    size_t n;

    require(f);
    azm_buf_clear(ret);
    do {
        require(azm_buf_reserve(ret, 65536) == 0);
        n = fread(ret->data + ret->len, 1, 65536, f);
        ret->len += n;
    } while (n > 0);
}

static int is_visible(const struct dirent *d)
{
    return *d->d_name != '.';
}

/* How many there were. */
static int replay_folder(const struct fuzz_target *t, const char *kind, struct azm_buf *input)
{
    const char *srcdir = getenv("srcdir");
    char folder[PATH_MAX], path[PATH_MAX + 256];
    struct dirent **names = NULL;
    int n;

    snprintf(folder, sizeof folder, "%s/tests/fuzz/%s/%s", srcdir ? srcdir : ".", kind, t->name);
    n = scandir(folder, &names, is_visible, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        printf("# %s/%s/%s\n", kind, t->name, names[i]->d_name);
        fflush(stdout);
        read_file(path, input);
        fuzz_run(t, input->data, input->len);
        free(names[i]);
    }
    free(names);
    return MAX(n, 0);
}

int main(void)
{
    _cleanup_(azm_buf_free) struct azm_buf input = {0};
    int number = 0, failed = 0;

    for (const struct fuzz_target *t = fuzz_targets(); t; t = t->next) {
        int seeds = replay_folder(t, "seeds", &input), regressions = replay_folder(t, "regressions", &input);

        fuzz_run(t, NULL, 0);
        failed += seeds == 0;
        printf("%sok %d - %s: %d seeds, %d regressions\n", seeds > 0 ? "" : "not ", ++number, t->name, seeds,
               regressions);
    }
    printf("1..%d\n", number);
    return failed > 0;
}
