/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/actions.h"
#include "cli/control_client.h"
#include "config/config.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "store/spool_peek.h"

static int is_name(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static const char *directory(void)
{
    const char *test = secure_getenv("AZMONLOG_TEST_ACTIONS");

    return test ? test : AZM_ACTIONS_DIRECTORY;
}

char *cli_action_control(const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s/control", directory(), name) < 0 ? NULL : path;
}

/* Calls `look` with the name of each action that has, or had, its state there. */
static void for_each(void (*look)(const char *name, void *userdata), void *userdata)
{
    struct dirent **names;
    int n = scandir(directory(), &names, is_name, alphasort); /* often there is no such directory */

    for (int i = 0; i < n; i++) {
        look(names[i]->d_name, userdata);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

/* --- those that run --- */

struct asking {
    json_t *all;
    uint64_t deadline_usec;
};

static void ask(const char *name, void *userdata)
{
    const struct asking *a = userdata;
    _cleanup_free_ char *path = cli_action_control(name);
    struct azm_error err;
    json_t *answer;
    int r;

    if (!path)
        return;
    r = azm_control_call(path, json_pack("{s:s}", "command", "status"), a->deadline_usec, &answer, &err);
    if (r == -ECONNREFUSED)
        return; /* it does not run */
    if (r < 0)
        answer = json_pack("{s:s}", "error", err.words);
    json_object_set_new(answer, "action", json_string(name));
    json_array_append_new(a->all, answer);
}

json_t *cli_ask_actions(uint64_t deadline_usec)
{
    struct asking a = {json_array(), deadline_usec};

    if (a.all)
        for_each(ask, &a);
    return a.all;
}

/* --- those that do not --- */

static bool is_among(const json_t *actions, const char *name)
{
    const json_t *action;
    size_t i;

    json_array_foreach(actions, i, action)
    {
        if (strcmp(json_string_value(json_object_get(action, "action")), name) == 0)
            return true;
    }
    return false;
}

static void find_stranded(const char *name, void *userdata)
{
    _cleanup_free_ char *path = NULL;
    struct azm_spool_peek spool;
    char time[AZM_TIME_TEXT_MAX];
    struct stat st;

    if (asprintf(&path, "%s/%s/spool.db", directory(), name) < 0) {
        path = NULL;
        return;
    }
    if (is_among(userdata, name) || azm_spool_peek(path, &spool) <= 0 || (spool.known && spool.records == 0))
        return;
    azm_time_print(stat(path, &st) >= 0 ? (uint64_t)st.st_mtime * AZM_USEC_PER_SEC : 0, time);
    json_array_append_new(
        userdata,
        json_pack("{s:s, s:{s:s, s:s?, s:s, s:s}, s:{s:b, s:o, s:I}}", "action", name, "health", "condition", "down",
                  "since", *time ? time : NULL, "reason",
                  "rsyslogd does not run, or has no such action any more; what it has not delivered waits in its spool",
                  "remedy", "systemctl status rsyslog; /etc/rsyslog.d must have an action with this name", "spool",
                  "active", 1, "records", spool.known ? json_integer((json_int_t)spool.records) : json_null(), "bytes",
                  (json_int_t)spool.bytes));
}

void cli_find_stranded(json_t *actions)
{
    for_each(find_stranded, actions);
}
