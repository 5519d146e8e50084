/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "numbers.h"
#include "options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage_text[] =
    "Usage: azmonlog-emulator [OPTION]...\n"
    "A local stand-in for Azure, for tests and demonstrations: the log ingestion of Azure Monitor by OTLP/HTTP and of\n"
    "Application Insights, and the endpoints that issue tokens. It listens on 127.0.0.1 only.\n"
    "\n"
    "  --port N          listen on this port; 0 = any free one (default 4318)\n"
    "  --port-file FILE  write the port to FILE once the emulator listens; removed at the end\n"
    "  --store FILE      append each accepted record to FILE as a line of JSON\n"
    "  --metrics FILE    append each accepted data point to FILE as a line of JSON\n"
    "  --requests FILE   append each request to FILE as a line of JSON\n"
    "  --script FILE     the fault script: which requests fail, and how\n"
    "  --limit-requests N/DURATION\n"
    "                    answer 429 to more than N requests in so long a time, such as 100/1s\n"
    "  --fast            count the records and keep none: little CPU, for measurements\n"
    "  --tls-cert PEM    serve https with this certificate (and its chain) ...\n"
    "  --tls-key PEM     ... and its private key\n"
    "                    both are read again on SIGHUP\n"
    "  --auth            the Azure endpoints want a token that this emulator has issued\n"
    "  --audience URI    what tokens must be for (default https://monitor.azure.com)\n"
    "  --token-key FILE  sign and check tokens with the bytes of FILE, as a second emulator does\n"
    "  --token-lifetime DURATION\n"
    "                    how long tokens are valid (default 60min)\n"
    "  --refresh-in DURATION\n"
    "                    say in the answer when to refresh a token\n"
    "  --identities FILE who gets tokens, as JSON (default: one managed identity)\n"
    "  --identity-log FILE\n"
    "                    append each request for a token to FILE as a line of JSON\n"
    "  --identity-header VALUE\n"
    "                    what App Service's X-IDENTITY-HEADER must be (default emulator)\n"
    "  --arc-directory DIR\n"
    "                    where Azure Arc's keys are written; without it there is no Arc\n"
    "  --ikey GUID       the instrumentation key of Application Insights (default all zeros)\n"
    "  --quiet           do not print where the emulator listens\n"
    "  --help            print this and exit\n"
    "  --version         print the version and exit\n";

/* Each takes the value of an option. NULL, or what is wrong with it. */

static const char *take_text(const char *text, void *to)
{
    *(const char **)to = text;
    return NULL;
}

static const char *take_flag(const char *text, void *to)
{
    (void)text;
    *(bool *)to = true;
    return NULL;
}

static const char *take_port(const char *text, void *to)
{
    uint64_t port;
    const char *at = text;
    if (!emu_read_number(&at, UINT16_MAX, &port) || *at != '\0')
        return "is not a port";
    *(uint16_t *)to = (uint16_t)port;
    return NULL;
}

static const char *take_rate(const char *text, void *to)
{
    return emu_parse_rate(text, to) ? NULL : "is no limit such as 100/1s";
}

static const char *take_seconds(const char *text, void *to)
{
    unsigned msec;
    if (!emu_parse_duration(text, &msec) || msec < 1000 || msec % 1000 != 0)
        return "is no duration in whole seconds, such as 5s or 2min";
    *(unsigned *)to = msec / 1000;
    return NULL;
}

static const struct {
    const char *name;
    const char *(*take)(const char *text, void *to);
    size_t offset; /* in struct emu_options */
} known[] = {
    {"port", take_port, offsetof(struct emu_options, port)},
    {"port-file", take_text, offsetof(struct emu_options, port_file)},
    {"store", take_text, offsetof(struct emu_options, store)},
    {"metrics", take_text, offsetof(struct emu_options, metrics)},
    {"requests", take_text, offsetof(struct emu_options, requests)},
    {"script", take_text, offsetof(struct emu_options, script)},
    {"limit-requests", take_rate, offsetof(struct emu_options, rate)},
    {"fast", take_flag, offsetof(struct emu_options, fast)},
    {"tls-cert", take_text, offsetof(struct emu_options, tls_cert)},
    {"tls-key", take_text, offsetof(struct emu_options, tls_key)},
    {"auth", take_flag, offsetof(struct emu_options, auth)},
    {"audience", take_text, offsetof(struct emu_options, tokens.audience)},
    {"token-key", take_text, offsetof(struct emu_options, tokens.key_file)},
    {"token-lifetime", take_seconds, offsetof(struct emu_options, tokens.lifetime_sec)},
    {"refresh-in", take_seconds, offsetof(struct emu_options, tokens.refresh_in_sec)},
    {"identities", take_text, offsetof(struct emu_options, identities)},
    {"identity-log", take_text, offsetof(struct emu_options, identity_log)},
    {"identity-header", take_text, offsetof(struct emu_options, identity_header)},
    {"arc-directory", take_text, offsetof(struct emu_options, arc_directory)},
    {"ikey", take_text, offsetof(struct emu_options, ikey)},
    {"quiet", take_flag, offsetof(struct emu_options, quiet)},
};

enum {
    KNOWN = sizeof(known) / sizeof(known[0]),
    SHOW_HELP = 1000, /* getopt_long tells the others by their place */
    SHOW_VERSION,
};

static int fail(const char *problem)
{
    fprintf(stderr, "azmonlog-emulator: %s\n", problem);
    return 1;
}

/* What was parsed, with the options together. 0 or 1. */
static int check(const struct emu_options *options)
{
    if (!options->tls_cert != !options->tls_key)
        return fail("--tls-cert and --tls-key belong together");
    if (options->fast && options->store)
        return fail("--fast keeps no records, so there is nothing for --store");
    return 0;
}

int emu_options_parse(int argc, char **argv, struct emu_options *options, int *ret_status)
{
    struct option table[KNOWN + 3] = {{"help", no_argument, NULL, SHOW_HELP},
                                      {"version", no_argument, NULL, SHOW_VERSION}};
    int option;

    for (int i = 0; i < KNOWN; i++)
        table[i + 2] =
            (struct option){known[i].name, known[i].take == take_flag ? no_argument : required_argument, NULL, i};
    *options = (struct emu_options){
        .port = 4318,
        .tokens = {.audience = "https://monitor.azure.com", .lifetime_sec = 3600},
        .identity_header = "emulator",
        .ikey = "00000000-0000-0000-0000-000000000000",
    };
    *ret_status = EMU_EXIT_USAGE;
    while ((option = getopt_long(argc, argv, "", table, NULL)) >= 0) {
        if (option == SHOW_HELP || option == SHOW_VERSION) {
            printf("%s", option == SHOW_HELP ? usage_text : "azmonlog-emulator " PACKAGE_VERSION "\n");
            *ret_status = EXIT_SUCCESS;
            return 1;
        }
        if (option >= KNOWN) /* '?': getopt_long has said what is wrong */
            return fail("try --help");
        const char *problem = known[option].take(optarg, (char *)options + known[option].offset);
        if (problem) {
            fprintf(stderr, "azmonlog-emulator: \"%s\" %s\n", optarg, problem);
            return 1;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "azmonlog-emulator: \"%s\" is not an option\n", argv[optind]);
        return 1;
    }
    return check(options);
}
