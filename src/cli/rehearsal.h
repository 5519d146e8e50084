/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "encode/billed_size.h"
#include "export/exporter.h"

/* What a dry run finds out: an exporter goes the whole way but for the sending, and this sums up what it would send. */
struct rehearsal {
    enum azm_profile profile;
    uint64_t records, requests, bytes; /* before compression */
    uint64_t billed_bytes;             /* about */
    uint64_t old;                      /* records whose time Azure would replace */
    int error;                         /* -ENOMEM: the figures are too small */
    struct azm_billing billing;
    struct azm_buf dated;
};

/* For azm_exporter_options.rehearse; `userdata` is the rehearsal. */
void rehearsal_request(void *userdata, const struct azm_batch *batch, size_t first, size_t n, size_t body_bytes);

/* `wire_bytes`: what the exporter counted. */
void rehearsal_print(FILE *f, const struct rehearsal *h, uint64_t wire_bytes);

void rehearsal_free(struct rehearsal *h);
