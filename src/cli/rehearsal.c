/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>

#include "cli/rehearsal.h"
#include "core/cleanup.h"
#include "encode/original_time.h"
#include "export/request_body.h"

void rehearsal_free(struct rehearsal *h)
{
    azm_billing_free(&h->billing);
    azm_buf_free(&h->dated);
}

static int add_record(struct rehearsal *h, struct azm_text resource, struct azm_text record, uint64_t now_usec)
{
    size_t bytes;
    int r = 0;

    if (azm_body_is_old(record, now_usec)) { /* its own time goes along, and is billed */
        h->old++;
        azm_buf_clear(&h->dated);
        r = azm_otlp_append_original_time(record, &h->dated);
        record = (struct azm_text){(const char *)h->dated.data, h->dated.len};
    }
    if (r >= 0)
        r = azm_billed_bytes(&h->billing, resource, record, &bytes);
    if (r >= 0)
        h->billed_bytes += bytes;
    return r;
}

void rehearsal_request(void *userdata, const struct azm_batch *batch, size_t first, size_t n, size_t body_bytes)
{
    struct rehearsal *h = userdata;
    uint64_t now = azm_realtime_usec(&azm_system_clock);

    h->requests++;
    h->records += n;
    h->bytes += body_bytes;
    for (size_t i = first; i < first + n; i++) {
        struct azm_text resource, record;
        int r;

        azm_batch_get(batch, i, &resource, &record);
        r = add_record(h, resource, record, now);
        h->error = r < 0 ? r : h->error;
    }
}

void rehearsal_print(FILE *f, const struct rehearsal *h, uint64_t wire_bytes)
{
    fprintf(f, "%-12s  %" PRIu64 "\n", "Records", h->records);
    fprintf(f, "%-12s  %" PRIu64 "\n", "Requests", h->requests);
    fprintf(f, "%-12s  %" PRIu64 " before compression, %" PRIu64 " on the wire\n", "Bytes", h->bytes, wire_bytes);
    fprintf(f, "%-12s  about %.6f GB (%" PRIu64 " bytes)\n", "Azure bills", (double)h->billed_bytes / 1e9,
            h->billed_bytes);
    fputs("              Assumed: Azure counts the columns of each row in OTelLogs as\n"
          "              text, the attributes of the resource in every row, and 1 GB is\n"
          "              10^9 bytes. The column _BilledSize of rows that are there tells\n"
          "              exactly; prices are on Azure Monitor's page of them.\n",
          f);
    if (h->old > 0 && h->profile != AZM_PROFILE_OTLP)
        fprintf(f,
                "%-12s  %" PRIu64 " record%s so old that Azure replaces the time; their own\n"
                "              goes along in %s\n",
                "Time", h->old, h->old == 1 ? " is" : "s are", AZM_ORIGINAL_TIME_KEY);
}
