/* SPDX-License-Identifier: MIT */
#include <sys/stat.h>
#include <unistd.h>

#include "auth/arc_key.h"
#include "tests/fuzz/fuzz.h"

/* The path of a key in the challenge of Azure Arc's agent, behind the agent's folder or as it is. Only a key in its
 * folder of tokens is read, whatever else may be there. */

#define KEY "the-key-that-may-be-read"

static void make_files(void)
{
    require(mkdir(fuzz_path("tokens"), 0700) == 0 && mkdir(fuzz_path("tokens/d"), 0700) == 0);
    fuzz_write("tokens/a.key", AZM_TEXT(KEY "\n"));
    fuzz_write("secret.key", AZM_TEXT("forbidden"));
    fuzz_write("tokens/d/b.key", AZM_TEXT("forbidden"));
    fuzz_write("tokens/plain", AZM_TEXT("forbidden"));
    require(symlinkat("../secret.key", fuzz_dir_fd(), "tokens/link.key") == 0);
    require(mkfifo(fuzz_path("tokens/pipe.key"), 0600) == 0);
}

FUZZ_TARGET(arc_challenge)
{
    static bool made;
    char path[8192];
    struct azm_secret *ret = NULL;
    struct azm_error err = {""};
    int r;

    if (!made)
        make_files();
    made = true;
    snprintf(path, sizeof path, "%s%s", fuzz_byte(&in) & 1 ? "" : fuzz_dir(), fuzz_string(&in));
    require(azm_secret_new(AZM_ARC_KEY_MAX_BYTES, &ret) == 0);
    r = azm_arc_key_read(fuzz_dir(), path, ret, &err);
    require(r <= 0 && (r < 0) == (*err.words != '\0'));
    require(strcmp(azm_secret_text(ret), r == 0 ? KEY : "") == 0);
    azm_secret_unref(ret);
}
