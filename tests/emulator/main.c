/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "emulator.h"
#include "faults.h"
#include "limit.h"
#include "server.h"
#include "store.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

struct options {
    uint16_t port;
    const char *port_file;
    const char *store;
    const char *requests;
    const char *script;
    const char *tls_cert;
    const char *tls_key;
    struct emu_rate rate;
    bool fast;
    bool quiet;
};

static const char usage_text[] =
    "Usage: azmonlog-emulator [OPTION]...\n"
    "A local stand-in for Azure Monitor's OTLP/HTTP log ingestion, for tests and demonstrations.\n"
    "It listens on 127.0.0.1 only and does not look at credentials.\n"
    "\n"
    "  --port N          listen on this port; 0 = any free one (default 4318)\n"
    "  --port-file FILE  write the port to FILE once the emulator listens; removed at the end\n"
    "  --store FILE      append each accepted record to FILE as a line of JSON\n"
    "  --requests FILE   append each request to FILE as a line of JSON\n"
    "  --script FILE     the fault script: which requests fail, and how\n"
    "  --limit-requests N/DURATION\n"
    "                    answer 429 to more than N requests in so long a time, such as 100/1s\n"
    "  --fast            count the records and keep none: little CPU, for measurements\n"
    "  --tls-cert PEM    serve https with this certificate (and its chain) ...\n"
    "  --tls-key PEM     ... and its private key\n"
    "                    both are read again on SIGHUP\n"
    "  --quiet           do not print where the emulator listens\n"
    "  --help            print this and exit\n"
    "  --version         print the version and exit\n";

static bool parse_port(const char *text, uint16_t *ret)
{
    char *end;
    errno = 0;
    unsigned long port = strtoul(text, &end, 10);
    if (errno || text[0] < '0' || text[0] > '9' || *end || port > 65535)
        return false;
    *ret = (uint16_t)port;
    return true;
}

/* 0 to go on, or 1 with the status to exit with. */
static int parse_options(int argc, char **argv, struct options *options, int *ret_status)
{
    enum {
        PORT = 256,
        PORT_FILE,
        STORE,
        REQUESTS,
        SCRIPT,
        LIMIT_REQUESTS,
        FAST,
        TLS_CERT,
        TLS_KEY,
        QUIET,
        SHOW_HELP,
        SHOW_VERSION
    };
    static const struct option known[] = {
        {"port", required_argument, NULL, PORT},
        {"port-file", required_argument, NULL, PORT_FILE},
        {"store", required_argument, NULL, STORE},
        {"requests", required_argument, NULL, REQUESTS},
        {"script", required_argument, NULL, SCRIPT},
        {"limit-requests", required_argument, NULL, LIMIT_REQUESTS},
        {"fast", no_argument, NULL, FAST},
        {"tls-cert", required_argument, NULL, TLS_CERT},
        {"tls-key", required_argument, NULL, TLS_KEY},
        {"quiet", no_argument, NULL, QUIET},
        {"help", no_argument, NULL, SHOW_HELP},
        {"version", no_argument, NULL, SHOW_VERSION},
        {0},
    };
    int option;

    *options = (struct options){.port = 4318};
    *ret_status = EXIT_USAGE;
    while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0)
        switch (option) {
        case PORT:
            if (!parse_port(optarg, &options->port)) {
                fprintf(stderr, "azmonlog-emulator: \"%s\" is not a port\n", optarg);
                return 1;
            }
            break;
        case PORT_FILE:
            options->port_file = optarg;
            break;
        case STORE:
            options->store = optarg;
            break;
        case REQUESTS:
            options->requests = optarg;
            break;
        case SCRIPT:
            options->script = optarg;
            break;
        case LIMIT_REQUESTS:
            if (!emu_parse_rate(optarg, &options->rate)) {
                fprintf(stderr, "azmonlog-emulator: \"%s\" is no limit such as 100/1s\n", optarg);
                return 1;
            }
            break;
        case FAST:
            options->fast = true;
            break;
        case TLS_CERT:
            options->tls_cert = optarg;
            break;
        case TLS_KEY:
            options->tls_key = optarg;
            break;
        case QUIET:
            options->quiet = true;
            break;
        case SHOW_HELP:
            fputs(usage_text, stdout);
            *ret_status = EXIT_SUCCESS;
            return 1;
        case SHOW_VERSION:
            printf("azmonlog-emulator %s\n", PACKAGE_VERSION);
            *ret_status = EXIT_SUCCESS;
            return 1;
        default: /* getopt_long has said what is wrong */
            fprintf(stderr, "Try 'azmonlog-emulator --help'.\n");
            return 1;
        }
    if (optind < argc) {
        fprintf(stderr, "azmonlog-emulator: \"%s\" is not an option\n", argv[optind]);
        return 1;
    }
    if (!options->tls_cert != !options->tls_key) {
        fprintf(stderr, "azmonlog-emulator: --tls-cert and --tls-key belong together\n");
        return 1;
    }
    if (options->fast && options->store) {
        fprintf(stderr, "azmonlog-emulator: --fast keeps no records, so there is nothing for --store\n");
        return 1;
    }
    return 0;
}

static int read_file(const char *path, struct emu_buf *text)
{
    int r = emu_buf_append_file(text, path);
    if (r >= 0)
        r = emu_buf_append(text, "", 1); /* usable as a string, too */
    if (r < 0)
        fprintf(stderr, "azmonlog-emulator: cannot read %s: %s\n", path, strerror(-r));
    return r;
}

static int load_script(const char *path, struct emu_faults *faults)
{
    _cleanup_(emu_buf_free) struct emu_buf text = {0};
    struct emu_script *script = NULL;
    struct emu_script_error error;

    int r = read_file(path, &text);
    if (r < 0)
        return r;
    r = emu_script_parse(text.data, text.length - 1, &script, &error);
    if (r == -EINVAL)
        fprintf(stderr, "%s:%u: %s\n", path, error.line, error.problem);
    return r < 0 ? r : emu_faults_load(faults, script);
}

/* Whoever sees the file finds the whole number in it. */
static int write_port_file(const char *path, uint16_t port)
{
    char *temporary;
    if (asprintf(&temporary, "%s.tmp", path) < 0)
        return -ENOMEM;

    FILE *file = fopen(temporary, "we");
    bool good = file && fprintf(file, "%u\n", port) > 0;
    if (file && fclose(file) != 0)
        good = false;
    if (good && rename(temporary, path) < 0)
        good = false;
    int r = good ? 0 : -errno;
    if (!good)
        fprintf(stderr, "azmonlog-emulator: cannot write %s: %s\n", path, strerror(-r));
    free(temporary);
    return r;
}

static void print_urls(bool tls, uint16_t port)
{
    const char *scheme = tls ? "https" : "http";
    printf("listening on %s://127.0.0.1:%u/v1/logs\n", scheme, port);
    printf("listening on %s://127.0.0.1:%u/datacollectionRules/dcr-00000000000000000000000000000000/streams/"
           "Microsoft-OTLP-Logs/otlp/v1/logs\n",
           scheme, port);
    fflush(stdout);
}

/* Everything that lives as long as the emulator. */
struct emulator {
    struct emu_store *store;
    struct emu_faults *faults;
    struct emu_limit *limit;
    struct emu_server *server;
};

static void emulator_stop(struct emulator *emulator)
{
    emu_server_stop(emulator->server);
    emu_faults_free(emulator->faults);
    emu_limit_free(emulator->limit);
    emu_store_close(emulator->store);
}

static int read_tls(const struct options *options, struct emu_tls *tls)
{
    int r = options->tls_cert ? read_file(options->tls_cert, &tls->certificate) : 0;
    if (r >= 0 && options->tls_key)
        r = read_file(options->tls_key, &tls->key);
    return r;
}

static int emulator_start(struct emulator *emulator, const struct options *options)
{
    _cleanup_(emu_tls_free) struct emu_tls tls = {0};

    int r = emu_faults_new(&emulator->faults);
    if (r >= 0)
        r = emu_limit_new(&emulator->limit);
    if (r >= 0 && options->script)
        r = load_script(options->script, emulator->faults);
    if (r >= 0)
        r = read_tls(options, &tls);
    if (r >= 0)
        r = emu_store_open(options->store, options->requests, &emulator->store);
    if (r < 0)
        return r;
    emu_limit_set(emulator->limit, options->rate);
    const struct emu_service service = {
        .store = emulator->store,
        .faults = emulator->faults,
        .limit = emulator->limit,
        .fast = options->fast,
    };
    return emu_server_start(&service, options->port, &tls, &emulator->server);
}

/* What is wrong with the files has been reported, and the old certificate goes on. */
static void replace_certificate(struct emulator *emulator, const struct options *options)
{
    _cleanup_(emu_tls_free) struct emu_tls tls = {0};

    if (!options->tls_cert)
        fprintf(stderr, "azmonlog-emulator: SIGHUP replaces the certificate, and there is none\n");
    else if (read_tls(options, &tls) >= 0)
        emu_server_set_tls(emulator->server, &tls);
}

/* Until SIGTERM or SIGINT. */
static void serve(struct emulator *emulator, const struct options *options, const sigset_t *signals)
{
    const struct timespec while_old = {.tv_nsec = 20000000};
    bool old = false;

    for (;;) {
        int signal_number = old ? sigtimedwait(signals, NULL, &while_old) : sigwaitinfo(signals, NULL);
        if (signal_number == SIGHUP)
            replace_certificate(emulator, options);
        else if (signal_number > 0)
            return;
        old = emu_server_end_old(emulator->server);
    }
}

/* The bodies of requests are large, and a fresh page costs more than what is read from it: freed memory stays. */
static void keep_freed_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 16 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

/* Every thread started later inherits the mask, so the signals wait for serve(). */
static void prepare_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN); /* clients may hang up while they are answered */
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a failed write, which has its answer */
}

int main(int argc, char **argv)
{
    _cleanup_(emulator_stop) struct emulator emulator = {0};
    struct options options;
    sigset_t signals;
    int status;

    if (parse_options(argc, argv, &options, &status) != 0)
        return status;
    if (options.port_file)
        unlink(options.port_file); /* one that a killed emulator left behind */
    if (options.fast)
        keep_freed_memory();
    prepare_signals(&signals);
    json_object_seed(0); /* once, before there are threads that would do it by themselves */
    int r = emulator_start(&emulator, &options);
    if (r == -ENOMEM) /* everything else has been reported where it happened */
        fprintf(stderr, "azmonlog-emulator: out of memory\n");
    if (r < 0)
        return EXIT_FAILURE;
    uint16_t port = emu_server_port(emulator.server);
    if (options.port_file && write_port_file(options.port_file, port) < 0)
        return EXIT_FAILURE;
    if (!options.quiet)
        print_urls(options.tls_cert != NULL, port);

    serve(&emulator, &options, &signals);
    if (options.port_file)
        unlink(options.port_file);
    return EXIT_SUCCESS;
}
