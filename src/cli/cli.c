/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "config/azure_env.h"
#include "config/config_file.h"
#include "config/otel_env.h"
#include "core/clock.h"
#include "core/log.h"
#include "export/destination.h"

void cli_override(struct cli_overrides *o, const char *section, const char *key, const char *value, const char *option)
{
    if (o->n == CLI_OVERRIDES_MAX) {
        o->too_many = true;
        return;
    }
    o->items[o->n++] = (struct cli_override){.section = section, .key = key, .value = value, .option = option};
}

bool cli_config_option(struct cli_overrides *o, int option, const char *value)
{
    switch (option) {
    case CLI_OPT_ENDPOINT:
        cli_override(o, "destination", "endpoint", value, "--endpoint");
        return true;
    case CLI_OPT_STATE_DIRECTORY:
        cli_override(o, "state", "directory", value, "--state-directory");
        return true;
    case CLI_OPT_CONTROL:
        cli_override(o, "state", "control", value, "--control");
        return true;
    default:
        return false;
    }
}

int cli_fail(int error, const struct azm_error *err)
{
    azm_log(AZM_LOG_ERROR, "%s", err->words);
    switch (-error) {
    case ECONNREFUSED: /* only from cli/control_client.h */
        return AZM_EXIT_NOT_RUNNING;
    case EACCES:
    case EPERM:
        return AZM_EXIT_NO_PERMISSION;
    default:
        return AZM_EXIT_FAILURE;
    }
}

int cli_bad_option(const char *command)
{
    azm_log(AZM_LOG_ERROR, "azmonlog %s --help lists the options", command);
    return AZM_EXIT_USAGE;
}

int cli_no_argument(const char *command, const char *argument)
{
    azm_log(AZM_LOG_ERROR, "%s takes no argument '%s'; azmonlog %s --help", command, argument, command);
    return AZM_EXIT_USAGE;
}

uint64_t cli_deadline(uint64_t span_usec)
{
    uint64_t deadline;

    return __builtin_add_overflow(azm_monotonic_usec(&azm_system_clock), span_usec, &deadline) ? AZM_USEC_INFINITY
                                                                                               : deadline;
}

static int set_for_client(void *userdata, const char *section, const char *key, const char *value, const char *where,
                          bool is_public, struct azm_error *err)
{
    if (strcmp(section, "journal") != 0 && strcmp(section, "state") != 0)
        return 0;
    return azm_config_set(userdata, section, key, value, where, is_public, err);
}

static int load(struct azm_config *c, const char *path, bool client, struct azm_error *err)
{
    const char *file = path ? path : AZM_DEFAULT_CONFIG;
    int r;

    r = azm_config_init(c);
    if (r < 0)
        return azm_error_set(err, r, "out of memory");
    if (client)
        return azm_config_file_read(file, !path, set_for_client, c, err);
    r = azm_config_read(c, file, !path, err);
    if (r >= 0)
        r = azm_azure_env_apply(c, err);
    if (r >= 0)
        r = azm_otel_env_apply(c, err);
    return r;
}

static int apply(struct azm_config *c, const struct cli_overrides *o, struct azm_error *err)
{
    if (o->too_many)
        return azm_error_set(err, E2BIG, "more than %d options; write them into a configuration file (--config)",
                             CLI_OVERRIDES_MAX);
    for (size_t i = 0; i < o->n; i++) {
        const struct cli_override *item = &o->items[i];
        int r = strcmp(item->key, "endpoint") == 0 ? azm_config_forget_destination(c) : 0;

        if (r < 0)
            return azm_error_set(err, r, "out of memory");
        r = azm_config_set(c, item->section, item->key, item->value, item->option, false, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_config(struct azm_config *c, const char *path, const struct cli_overrides *o, bool client,
                       struct azm_error *err)
{
    int code = 0;

    if (load(c, path, client, err) < 0)
        code = AZM_EXIT_CONFIG;
    else if (apply(c, o, err) < 0)
        code = AZM_EXIT_USAGE;
    else if (azm_config_check(c, err) < 0)
        code = AZM_EXIT_CONFIG;
    if (code != 0)
        azm_config_free(c);
    return code;
}

int cli_read_config(struct azm_config *c, const char *path, const struct cli_overrides *o, struct azm_error *err)
{
    return read_config(c, path, o, false, err);
}

static int load_config(struct azm_config *c, const char *path, const struct cli_overrides *o, bool client)
{
    struct azm_error err;
    int code = read_config(c, path, o, client, &err);

    if (code != 0)
        azm_log(AZM_LOG_ERROR, "%s", err.words);
    return code;
}

int cli_load_config(struct azm_config *c, const char *path, const struct cli_overrides *o)
{
    return load_config(c, path, o, false);
}

int cli_load_client_config(struct azm_config *c, const char *path, const struct cli_overrides *o)
{
    return load_config(c, path, o, true);
}

static int look_for_destination(void *userdata, const char *section, const char *key, const char *value,
                                const char *where, bool is_public, struct azm_error *err)
{
    (void)where;
    (void)is_public;
    (void)err;
    if (azm_config_names_destination(section, key) && *value)
        *(bool *)userdata = true;
    return 0;
}

bool cli_names_destination(const char *path)
{
    struct azm_error err;
    bool found = false;

    return azm_config_file_read(path ? path : AZM_DEFAULT_CONFIG, !path, look_for_destination, &found, &err) >= 0 &&
           found;
}

char *cli_control_path(const struct azm_config *c)
{
    char *path;

    if (*c->control)
        return strdup(c->control);
    if (strcmp(c->state_directory, AZM_DEFAULT_STATE_DIRECTORY) == 0)
        return strdup("/run/azmonlog/control");
    return asprintf(&path, "%s/control", c->state_directory) < 0 ? NULL : path;
}

int cli_no_destination(const char *path, struct azm_error *err)
{
    return azm_error_set(err, ENOENT,
                         "no destination: set endpoint=, dce= and dcr=, or connection_string= in section [destination] "
                         "of %s, or use --endpoint URL",
                         path ? path : AZM_DEFAULT_CONFIG);
}

static int check_destination(const struct azm_config *c, const char *path, struct azm_error *err)
{
    int r;

    if (!azm_config_has_destination(c))
        return cli_no_destination(path, err);
    r = azm_destination_check(c, AZM_LOGS, err);
    return r >= 0 && azm_config_sends_metrics(c) ? azm_destination_check(c, AZM_METRICS, err) : r;
}

int cli_check_destination(const struct azm_config *c, const char *path)
{
    struct azm_error err;

    if (check_destination(c, path, &err) >= 0)
        return 0;
    azm_log(AZM_LOG_ERROR, "%s", err.words);
    return AZM_EXIT_CONFIG;
}
