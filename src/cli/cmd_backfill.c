/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <string.h>

#include "cli/backfill.h"
#include "cli/journal_options.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/timespan.h"

static void print_help(void)
{
    printf("Usage: azmonlog backfill --since TIME --until TIME [OPTION...]\n\n"
           "Exports a stretch of the past, beside the running azmonlog and without moving\n"
           "its position. What was exported before arrives again with the same\n"
           "log.record.uid.\n"
           "When it is interrupted, by whatever, the same command goes on with the rest.\n\n"
           "      --since TIME            what was received from this time on: yesterday,\n"
           "                              2026-01-31 12:00, 09:30 (today), -2h\n"
           "      --until TIME            and before this one\n"
           "      --dry-run               send nothing; say how many records, requests and\n"
           "                              bytes it would be, and what Azure would bill\n"
           "  -c, --config FILE           configuration (default\n"
           "                              " AZM_DEFAULT_CONFIG ")\n"
           "      --endpoint URL          [destination] endpoint=\n" CLI_JOURNAL_HELP
           "      --state-directory DIR   [state] directory=; its own is in backfill there\n"
           "  -v, --verbose               more messages\n"
           "  -h, --help                  this text\n\n"
           "Exit codes: 0 all of it is exported, 75 not all of it yet.\n");
}

/* For a shell. */
static int add_quoted(struct azm_buf *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,=";
    int r;

    if (*word && strspn(word, plain) == strlen(word))
        return azm_buf_printf(out, " %s", word);
    r = azm_buf_printf(out, " '");
    for (; *word && r == 0; word++)
        r = *word == '\'' ? azm_buf_printf(out, "'\\''") : azm_buf_append(out, word, 1);
    return r < 0 ? r : azm_buf_printf(out, "'");
}

/* The command as it was given, but for the times, which may have been relative ones, as a string: 0 or -ENOMEM. */
static int describe(const char *path, const struct cli_overrides *o, uint64_t since_usec, uint64_t until_usec,
                    struct azm_buf *out)
{
    char since[AZM_TIME_TEXT_MAX], until[AZM_TIME_TEXT_MAX];
    int r;

    azm_time_print(since_usec, since);
    azm_time_print(until_usec, until);
    r = azm_buf_printf(out, "azmonlog backfill --since %s --until %s", *since ? since : "@0", until);
    if (r == 0 && path) {
        r = azm_buf_printf(out, " --config");
        if (r == 0)
            r = add_quoted(out, path);
    }
    for (size_t i = 0; i < o->n && r == 0; i++) {
        const struct cli_override *item = &o->items[i];

        if (!*item->value) /* that clears a list */
            continue;
        r = azm_buf_printf(out, " %s", item->option);
        if (r == 0 && strcmp(item->key, "scope") != 0)
            r = add_quoted(out, item->value);
    }
    return r < 0 ? r : azm_buf_append(out, "", 1);
}

static bool parse_time(const char *option, const char *value, uint64_t now_usec, uint64_t *ret)
{
    if (azm_parse_time(value, now_usec, ret) == 0)
        return true;
    azm_log(AZM_LOG_ERROR, "%s: '%s' is not a time such as -2h, yesterday, 09:30 or 2026-01-31T12:00:00Z", option,
            value);
    return false;
}

/* Says what is wrong with the stretch. */
static bool is_past(uint64_t since_usec, uint64_t until_usec, uint64_t now_usec)
{
    char since[AZM_TIME_TEXT_MAX], until[AZM_TIME_TEXT_MAX];

    azm_time_print(since_usec, since);
    azm_time_print(until_usec, until);
    if (until_usec > now_usec)
        azm_log(
            AZM_LOG_ERROR,
            "--until: %s is in the future; a stretch of the past ends now at the latest (--until now), and what comes "
            "later is the affair of azmonlog run",
            until);
    else if (since_usec >= until_usec)
        azm_log(AZM_LOG_ERROR, "--since %s is not before --until %s", *since ? since : "@0", *until ? until : "@0");
    return until_usec <= now_usec && since_usec < until_usec;
}

int cmd_backfill(int argc, char **argv)
{
    enum { OPT_SINCE = 256, OPT_UNTIL, OPT_DRY_RUN };
    static const struct option options[] = {
        {"since", required_argument, NULL, OPT_SINCE},
        {"until", required_argument, NULL, OPT_UNTIL},
        {"dry-run", no_argument, NULL, OPT_DRY_RUN},
        {"config", required_argument, NULL, 'c'},
        {"endpoint", required_argument, NULL, CLI_OPT_ENDPOINT},
        CLI_JOURNAL_LONG_OPTIONS,
        {"state-directory", required_argument, NULL, CLI_OPT_STATE_DIRECTORY},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    _cleanup_(azm_config_free) struct azm_config config = {0};
    _cleanup_(azm_buf_free) struct azm_buf command = {0};
    struct cli_overrides overrides = {0};
    struct backfill b = {.overrides = &overrides, .config = &config};
    const char *since = NULL, *until = NULL;
    uint64_t now = azm_realtime_usec(&azm_system_clock);
    int c, r;

    while ((c = getopt_long(argc, argv, "c:vh" CLI_JOURNAL_SHORT_OPTIONS, options, NULL)) >= 0)
        switch (c) {
        case OPT_SINCE:
            since = optarg;
            break;
        case OPT_UNTIL:
            until = optarg;
            break;
        case OPT_DRY_RUN:
            b.dry_run = true;
            break;
        case 'c':
            b.config_path = optarg;
            break;
        case 'v':
            azm_log_init(AZM_LOG_DEBUG);
            break;
        case 'h':
            print_help();
            return AZM_EXIT_OK;
        default:
            if (cli_config_option(&overrides, c, optarg) || cli_journal_option(&overrides, c, optarg))
                break;
            return cli_bad_option("backfill");
        }
    if (optind < argc)
        return cli_no_argument("backfill", argv[optind]);
    if (!since || !until) {
        azm_log(AZM_LOG_ERROR, "backfill needs both --since TIME and --until TIME; azmonlog backfill --help");
        return AZM_EXIT_USAGE;
    }
    if (!parse_time("--since", since, now, &b.since_usec) || !parse_time("--until", until, now, &b.until_usec) ||
        !is_past(b.since_usec, b.until_usec, now))
        return AZM_EXIT_USAGE;
    if (describe(b.config_path, &overrides, b.since_usec, b.until_usec, &command) < 0) {
        azm_log(AZM_LOG_ERROR, "out of memory");
        return AZM_EXIT_FAILURE;
    }
    b.command = (const char *)command.data;
    r = cli_load_config(&config, b.config_path, &overrides);
    if (r == 0)
        r = cli_check_destination(&config, b.config_path);
    return r != 0 ? r : backfill_run(&b);
}
