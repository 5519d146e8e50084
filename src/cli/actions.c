/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/control_client.h"
#include "config/config.h"
#include "core/cleanup.h"

static int is_name(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* What the action with this name says; NULL: it does not run, or memory is out. */
static json_t *ask(const char *directory, const char *name, uint64_t deadline_usec)
{
    _cleanup_free_ char *path = NULL;
    struct azm_error err;
    json_t *answer;
    int r;

    if (asprintf(&path, "%s/%s/control", directory, name) < 0) {
        path = NULL;
        return NULL;
    }
    r = azm_control_call(path, json_pack("{s:s}", "command", "status"), deadline_usec, &answer, &err);
    if (r == -ECONNREFUSED)
        return NULL;
    if (r < 0)
        return json_pack("{s:s, s:s}", "action", name, "error", err.words);
    json_object_set_new(answer, "action", json_string(name));
    return answer;
}

json_t *cli_ask_actions(uint64_t deadline_usec)
{
    const char *directory = secure_getenv("AZMONLOG_TEST_ACTIONS");
    struct dirent **names;
    json_t *all = json_array();
    int n;

    if (!directory)
        directory = AZM_ACTIONS_DIRECTORY;
    n = all ? scandir(directory, &names, is_name, alphasort) : -1; /* often there is no such directory */
    for (int i = 0; i < n; i++) {
        json_t *action = ask(directory, names[i]->d_name, deadline_usec);

        if (action)
            json_array_append_new(all, action);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    return all;
}
