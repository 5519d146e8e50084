/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "cli/progress.h"
#include "cli/words.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/utf8.h"

#define BAR_MIN 5 /* a shorter one says nothing */

void azm_progress_update(struct azm_progress *p, uint64_t now_usec, uint64_t done)
{
    p->done = MIN(done, p->total);
    if (p->samples[0].usec + AZM_PROGRESS_SAMPLE_USEC > now_usec)
        return;
    memmove(p->samples + 1, p->samples, sizeof p->samples - sizeof *p->samples);
    p->samples[0] = (struct azm_progress_sample){now_usec, p->done};
}

/* Records in a second; 0: none, or not known yet. */
static double rate(const struct azm_progress *p, uint64_t now_usec)
{
    const struct azm_progress_sample *oldest = NULL;

    for (size_t i = 0; i < AZM_PROGRESS_SAMPLES && p->samples[i].usec > 0; i++)
        oldest = &p->samples[i];
    if (!oldest || oldest->usec >= now_usec || oldest->done >= p->done)
        return 0;
    return (double)(p->done - oldest->done) * (double)AZM_USEC_PER_SEC / (double)(now_usec - oldest->usec);
}

static int print_bar(const struct azm_progress *p, size_t width, struct azm_buf *out)
{
    size_t full = p->total > 0 ? (size_t)((double)width * (double)p->done / (double)p->total) : width;
    int r = azm_buf_append(out, "[", 1);

    for (size_t i = 0; i < width && r == 0; i++)
        r = azm_buf_append(out, i < full ? "#" : ".", 1);
    return r < 0 ? r : azm_buf_append(out, "] ", 2);
}

int azm_progress_print(const struct azm_progress *p, uint64_t now_usec, const char *trouble, size_t columns,
                       struct azm_buf *out)
{
    _cleanup_(azm_buf_free) struct azm_buf text = {0};
    double per_second = rate(p, now_usec);
    int r;

    azm_buf_clear(out);
    r = azm_buf_printf(&text, "%.0f %%  %" PRIu64 " of %" PRIu64 " records  %.0f/s",
                       p->total > 0 ? (double)(p->done * 100 / p->total) : 100.0, p->done, p->total, per_second);
    if (r == 0 && trouble)
        r = azm_buf_printf(&text, "  waiting: %s", trouble);
    else if (r == 0 && per_second > 0) {
        azm_put_string(&text, "  ");
        azm_put_span(&text, (double)(p->total - p->done) / per_second);
        azm_put_string(&text, " left");
    }
    if (r < 0)
        return r;
    azm_utf8_blank_controls((char *)text.data, text.len);
    if (columns > 0 && text.len + BAR_MIN + 3 <= columns)
        r = print_bar(p, columns - text.len - 3, out);
    if (columns > 0)
        text.len = MIN(text.len, columns);
    return r < 0 ? r : azm_buf_append(out, text.data, text.len);
}
