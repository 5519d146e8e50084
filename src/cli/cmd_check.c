/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "cli/cli.h"
#include "core/log.h"
#include "export/http.h"

static const struct {
    const char *name;
    int exit_code;
} steps[] = {
    [CHECK_CONFIGURATION] = {"configuration", AZM_EXIT_CONFIG},
    [CHECK_JOURNAL] = {"journal", 10},
    [CHECK_POSITION] = {"position", 11},
    [CHECK_DNS] = {"dns", 12},
    [CHECK_PROXY] = {"proxy", 13},
    [CHECK_TCP] = {"tcp", 14},
    [CHECK_TLS] = {"tls", 15},
    [CHECK_CREDENTIAL] = {"credential", 16},
    [CHECK_TOKEN] = {"token", 17},
    [CHECK_PERMISSION] = {"permission", 18},
    [CHECK_SEND] = {"send", 19},
    [CHECK_METRICS] = {"metrics", 20},
    [CHECK_RSYSLOG] = {"rsyslog", 0},
};

/* --- what is printed --- */

/* Further lines stand below the first one. */
static void print_words(const char *words)
{
    for (const char *line = words; *line;) {
        size_t len = strcspn(line, "\n");

        printf("%s%.*s\n", line == words ? "" : "                            ", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

static void put_step(struct check *c, enum check_id id, const char *mark, const char *result, double seconds,
                     const char *words, const char *remedy)
{
    if (c->json) {
        json_array_append_new(c->steps,
                              json_pack("{s:s, s:s, s:o, s:s, s:s?, s:s?}", "step", steps[id].name, "result", result,
                                        "seconds", seconds >= 0 ? json_real(seconds) : json_null(), "detail", words,
                                        "remedy", remedy && *remedy ? remedy : NULL, "destination", c->place));
        return;
    }
    printf("%-4s %-13s ", mark, steps[id].name);
    if (seconds >= 0)
        printf("%6.0f ms ", seconds * 1000);
    else
        printf("%9s ", "");
    print_words(words);
    if (remedy && *remedy) {
        printf("%27s ", "what to do:");
        print_words(remedy);
    }
    fflush(stdout); /* the next step may take its time */
}

static double span(const struct check *c, uint64_t usec)
{
    if (usec == AZM_USEC_INFINITY)
        usec = azm_monotonic_usec(&azm_system_clock) - c->begun_usec;
    return (double)usec / (double)AZM_USEC_PER_SEC;
}

void check_ok(struct check *c, enum check_id id, uint64_t usec, const char *format, ...)
{
    char words[2048];
    va_list ap;

    va_start(ap, format);
    vsnprintf(words, sizeof words, format, ap);
    va_end(ap);
    put_step(c, id, c->utf8 ? "\u2714" : "ok", "ok", span(c, usec), words, NULL);
}

void check_failed(struct check *c, enum check_id id, uint64_t usec, const char *reason, const char *remedy)
{
    put_step(c, id, c->utf8 ? "\u2718" : "FAIL", "failed", span(c, usec), reason, remedy);
    if (c->exit_code == 0)
        c->exit_code = steps[id].exit_code;
}

void check_ok_if(struct check *c, enum check_id id, const char *words, const char *condition)
{
    put_step(c, id, c->utf8 ? "\u2714" : "ok", "ok", span(c, AZM_USEC_INFINITY), words, condition);
}

void check_skipped(struct check *c, enum check_id id, const char *reason)
{
    put_step(c, id, "-", "skipped", -1, reason, NULL);
}

/* --- the steps --- */

static bool check_configuration(struct check *c, struct azm_config *config, const char *path,
                                const struct cli_overrides *overrides, struct azm_destination *d)
{
    struct azm_error err = {0};
    bool ok;

    check_begin(c);
    ok = cli_read_config(config, path, overrides, &err) == 0;
    if (ok && !azm_config_has_destination(config)) {
        cli_no_destination(path, &err);
        ok = false;
    }
    if (ok)
        ok = azm_destination_init(d, config, AZM_LOGS, &err) >= 0;
    if (ok && d->n_places > 1)
        check_ok(c, CHECK_CONFIGURATION, AZM_USEC_INFINITY, "records of this host go to %s, number %zu of %zu (%s)",
                 d->name, d->place + 1, d->n_places, config->destination_from);
    else if (ok)
        check_ok(c, CHECK_CONFIGURATION, AZM_USEC_INFINITY, "records go to %s (%s)", d->name, config->destination_from);
    else
        check_failed(c, CHECK_CONFIGURATION, AZM_USEC_INFINITY, err.words,
                     strstr(err.words, "unknown") ? "azmonlog.conf(5) lists the keys" : NULL);
    return ok;
}

static void check_destination(struct check *c, const struct azm_destination *d, const struct azm_config *config,
                              bool send, char **ret_query)
{
    bool connected = check_connection(c, d), known = check_identity(c, d);

    if (connected && known) {
        check_send(c, d, config, send, ret_query);
        return;
    }
    check_skipped(c, CHECK_PERMISSION, connected ? "there is no token to ask with" : "there is no connection");
    if (send)
        check_skipped(c, CHECK_SEND, "nothing was sent");
}

/* Hosts that have the same configuration send there. One that does not let them in is better found here. */
static void check_other_places(struct check *c, const struct azm_destination *own, const struct azm_config *config)
{
    for (size_t i = 0; i < own->n_places; i++) {
        _cleanup_(azm_destination_free) struct azm_destination d = {0};
        struct azm_error err;

        if (i == own->place)
            continue;
        if (azm_destination_init_place(&d, config, i, &err) < 0) {
            check_failed(c, CHECK_CONFIGURATION, 0, err.words, NULL);
            continue;
        }
        c->place = d.name;
        if (!c->json)
            printf("\nOther hosts send to %s, number %zu of %zu:\n", d.name, i + 1, d.n_places);
        check_destination(c, &d, config, false, NULL);
        c->place = NULL;
    }
}

static void print_end(const struct check *c, const char *query)
{
    if (c->json) {
        json_t *all = json_pack("{s:b, s:i, s:O, s:s?}", "ok", c->exit_code == 0, "exit_code", c->exit_code, "steps",
                                c->steps, "query", query);

        json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(all);
    } else if (query)
        printf("\nThis finds the record; it may take some minutes until it is there:\n\n%s\n", query);
}

static int check(const char *path, const struct cli_overrides *overrides, bool json, bool send)
{
    _cleanup_(azm_config_free) struct azm_config config = {0};
    _cleanup_(azm_destination_free) struct azm_destination d = {0};
    _cleanup_free_ char *query = NULL;
    struct check c = {.json = json};
    struct azm_error err;

    azm_log_init(AZM_LOG_WARNING); /* the steps say what there is to say */
    setlocale(LC_CTYPE, "");
    c.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    c.steps = json ? json_array() : NULL;
    if (azm_http_global_init(&err) < 0)
        return cli_fail(-1, &err);
    if (check_configuration(&c, &config, path, overrides, &d)) {
        check_journal(&c, &config);
        check_destination(&c, &d, &config, send, &query);
        check_metrics(&c, &config);
        check_other_places(&c, &d, &config);
    }
    print_end(&c, query);
    json_decref(c.steps);
    return c.exit_code;
}

static void print_help(void)
{
    printf("Usage: azmonlog check [OPTION...]\n\n"
           "Goes the way of a record step by step and says what is in the way: configuration,\n"
           "journal, position, DNS, proxy, TCP, TLS, credential, token, permission; and the\n"
           "same to where metrics are sent, in one step, and to the other places in a list of\n"
           "several. Without --send nothing is sent but requests without records. It sees what\n"
           "the calling user sees; for the service:\n"
           "sudo -u azmonlog azmonlog check\n\n"
           "      --send                  also send one test record, and print the query\n"
           "                              that finds it\n"
           "      --json                  one line of JSON\n"
           "  -c, --config FILE           configuration (default\n"
           "                              " AZM_DEFAULT_CONFIG ")\n"
           "      --endpoint URL          [destination] endpoint=\n"
           "      --state-directory DIR   [state] directory=\n"
           "      --control PATH          [state] control=\n"
           "  -h, --help                  this text\n\n"
           "Exit codes: 0 all is well; else the first step that failed:");
    for (size_t i = 0; i < ELEMENTSOF(steps) && steps[i].exit_code != 0; i++)
        printf("%s%d %s", i == 0 ? "\n" : i % 6 == 0 ? ",\n" : ", ", steps[i].exit_code, steps[i].name);
    printf("\n");
}

int cmd_check(int argc, char **argv)
{
    enum { OPT_SEND = 256, OPT_JSON };
    static const struct option options[] = {
        {"send", no_argument, NULL, OPT_SEND},
        {"json", no_argument, NULL, OPT_JSON},
        {"config", required_argument, NULL, 'c'},
        {"endpoint", required_argument, NULL, CLI_OPT_ENDPOINT},
        {"state-directory", required_argument, NULL, CLI_OPT_STATE_DIRECTORY},
        {"control", required_argument, NULL, CLI_OPT_CONTROL},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct cli_overrides overrides = {0};
    const char *path = NULL;
    bool send = false, json = false;
    int c;

    while ((c = getopt_long(argc, argv, "c:h", options, NULL)) >= 0)
        switch (c) {
        case OPT_SEND:
            send = true;
            break;
        case OPT_JSON:
            json = true;
            break;
        case 'c':
            path = optarg;
            break;
        case 'h':
            print_help();
            return AZM_EXIT_OK;
        default:
            if (cli_config_option(&overrides, c, optarg))
                break;
            return cli_bad_option("check");
        }
    if (optind < argc)
        return cli_no_argument("check", argv[optind]);
    return check(path, &overrides, json, send);
}
