/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdlib.h>

#include "cli/daemon.h"
#include "cli/journal_options.h"
#include "core/log.h"

static void print_help(void)
{
    printf("Usage: azmonlog run [OPTION...]\n\n"
           "Exports the journal to an OTLP endpoint, goes on where it left off, and follows\n"
           "for ever. SIGTERM ends it in good order.\n\n"
           "  -c, --config FILE           configuration (default\n"
           "                              " AZM_DEFAULT_CONFIG ")\n"
           "      --once                  export what is in the journal now, wait until all\n"
           "                              of it is acknowledged, exit 0\n"
           "      --endpoint URL          [destination] endpoint=\n" CLI_JOURNAL_HELP
           "      --start WHERE           [journal] start=: boot, now, oldest or a time\n"
           "      --state-directory DIR   [state] directory=\n"
           "      --control PATH          [state] control=\n"
           "  -v, --verbose               more messages\n"
           "  -h, --help                  this text\n\n"
           "The smallest configuration is two lines:\n\n"
           "  [destination]\n"
           "  endpoint=http://127.0.0.1:4318/v1/logs\n\n"
           "Manual: azmonlog(1), azmonlog.conf(5)\n");
}

int cmd_run(int argc, char **argv)
{
    enum { OPT_ONCE = 256, OPT_START };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"once", no_argument, NULL, OPT_ONCE},
        {"endpoint", required_argument, NULL, CLI_OPT_ENDPOINT},
        CLI_JOURNAL_LONG_OPTIONS,
        {"start", required_argument, NULL, OPT_START},
        {"state-directory", required_argument, NULL, CLI_OPT_STATE_DIRECTORY},
        {"control", required_argument, NULL, CLI_OPT_CONTROL},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct azm_config *config;
    struct cli_overrides overrides = {0};
    const char *path = NULL;
    bool once = false;
    int c, r;

    while ((c = getopt_long(argc, argv, "c:vh" CLI_JOURNAL_SHORT_OPTIONS, options, NULL)) >= 0)
        switch (c) {
        case 'c':
            path = optarg;
            break;
        case OPT_ONCE:
            once = true;
            break;
        case OPT_START:
            cli_override(&overrides, "journal", "start", optarg, "--start");
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
            return cli_bad_option("run");
        }
    if (optind < argc)
        return cli_no_argument("run", argv[optind]);
    config = calloc(1, sizeof *config);
    if (!config) {
        azm_log(AZM_LOG_ERROR, "out of memory");
        return AZM_EXIT_FAILURE;
    }
    r = cli_load_config(config, path, &overrides);
    if (r == 0)
        r = cli_check_destination(config, path);
    if (r != 0) {
        azm_config_free(config);
        free(config);
        return r;
    }
    return daemon_run(path, &overrides, config, once);
}
