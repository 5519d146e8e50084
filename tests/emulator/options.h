/* SPDX-License-Identifier: MIT */
/* The command line. */
#pragma once

#include "limit.h"
#include "tokens.h"

#include <stdbool.h>
#include <stdint.h>

enum { EMU_EXIT_USAGE = 2 };

/* The texts are the command line's; NULL = not given. */
struct emu_options {
    uint16_t port;
    const char *port_file;
    const char *store;
    const char *requests;
    const char *metrics;
    const char *script;
    const char *tls_cert;
    const char *tls_key;
    struct emu_rate rate;
    bool fast;
    bool quiet;
    bool auth;
    struct emu_token_options tokens;
    const char *identities;
    const char *identity_log;
    const char *identity_header;
    const char *arc_directory;
    const char *ikey;
};

/* 0 to go on; 1 with the status to exit with, and then what there is to say has been printed. */
int emu_options_parse(int argc, char **argv, struct emu_options *options, int *ret_status);
