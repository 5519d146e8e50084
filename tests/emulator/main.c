/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "emulator.h"
#include "faults.h"
#include "options.h"
#include "server.h"
#include "store.h"

#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
    printf("listening on %s://127.0.0.1:%u/v2.1/track\n", scheme, port);
    fflush(stdout);
}

/* Everything that lives as long as the emulator. */
struct emulator {
    struct emu_store *store;
    struct emu_faults *faults;
    struct emu_limit *limit;
    struct emu_identities *identities;
    struct emu_desk desk;
    struct emu_identity_log *identity_log;
    struct emu_server *server;
};

static void emulator_stop(struct emulator *emulator)
{
    emu_server_stop(emulator->server);
    emu_faults_free(emulator->faults);
    emu_limit_free(emulator->limit);
    emu_identity_log_close(emulator->identity_log);
    emu_tokens_free(emulator->desk.tokens);
    emu_arc_keys_free(emulator->desk.arc_keys);
    emu_assertions_free(emulator->desk.assertions);
    emu_identities_free(emulator->identities);
    emu_store_close(emulator->store);
}

static int read_tls(const struct emu_options *options, struct emu_tls *tls)
{
    int r = options->tls_cert ? read_file(options->tls_cert, &tls->certificate) : 0;
    if (r >= 0 && options->tls_key)
        r = read_file(options->tls_key, &tls->key);
    return r;
}

/* What the endpoints that issue tokens need. */
static int open_desk(struct emulator *emulator, const struct emu_options *options)
{
    struct emu_desk *desk = &emulator->desk;

    int r = emu_identities_load(options->identities, &emulator->identities);
    if (r >= 0)
        r = emu_tokens_new(&options->tokens, &desk->tokens);
    if (r >= 0)
        r = emu_assertions_new(&desk->assertions);
    if (r >= 0 && options->arc_directory)
        r = emu_arc_keys_new(options->arc_directory, &desk->arc_keys);
    if (r >= 0)
        r = emu_identity_log_open(options->identity_log, &emulator->identity_log);
    desk->identities = emulator->identities;
    desk->identity_header = options->identity_header;
    return r;
}

static int emulator_start(struct emulator *emulator, const struct emu_options *options)
{
    _cleanup_(emu_tls_free) struct emu_tls tls = {0};

    int r = emu_faults_new(&emulator->faults);
    if (r >= 0)
        r = emu_limit_new(&emulator->limit);
    if (r >= 0 && options->script)
        r = load_script(options->script, emulator->faults);
    if (r >= 0)
        r = open_desk(emulator, options);
    if (r >= 0)
        r = read_tls(options, &tls);
    if (r >= 0)
        r = emu_store_open(options->store, options->requests, options->metrics, &emulator->store);
    if (r < 0)
        return r;
    emu_limit_set(emulator->limit, options->rate);
    const struct emu_service service = {
        .store = emulator->store,
        .faults = emulator->faults,
        .limit = emulator->limit,
        .desk = &emulator->desk,
        .identity_log = emulator->identity_log,
        .admission = {.tokens = options->auth ? emulator->desk.tokens : NULL, .ikey = options->ikey},
        .fast = options->fast,
    };
    return emu_server_start(&service, options->port, &tls, &emulator->server);
}

/* What is wrong with the files has been reported, and the old certificate goes on. */
static void replace_certificate(struct emulator *emulator, const struct emu_options *options)
{
    _cleanup_(emu_tls_free) struct emu_tls tls = {0};

    if (!options->tls_cert)
        fprintf(stderr, "azmonlog-emulator: SIGHUP replaces the certificate, and there is none\n");
    else if (read_tls(options, &tls) >= 0)
        emu_server_set_tls(emulator->server, &tls);
}

/* Until SIGTERM or SIGINT. */
static void serve(struct emulator *emulator, const struct emu_options *options, const sigset_t *signals)
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
    struct emu_options options;
    sigset_t signals;
    int status;

    if (emu_options_parse(argc, argv, &options, &status) != 0)
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
