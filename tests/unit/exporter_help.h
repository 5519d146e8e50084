/* SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "export/exporter.h"
#include "tests/unit/http_server_help.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

/* The real exporter, and its owner. Records are known by their numbers, from 1 on. What must not be waited for takes an
 * hour, so that a test that waits for it does not end. */

#define HOUR (3600 * AZM_USEC_PER_SEC)

static struct azm_exporter *x;
static unsigned long position; /* the end of the unbroken run that was collected */
static int64_t collected;      /* records */
static bool finished[1000];    /* by number */

static inline void exporter_forget(void)
{
    position = 0;
    collected = 0;
    memset(finished, 0, sizeof finished);
}

/* Appends a record to `batch`: its number is its time and, with blanks behind it, its message. */
static inline void add_record(struct azm_batch *batch, unsigned number, size_t message_len)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0}, message = {0};
    Otlp__LogRecord m = OTLP__LOG_RECORD__INIT;
    Otlp__AnyValue body = OTLP__ANY_VALUE__INIT;

    ck_assert_int_eq(azm_buf_printf(&message, "%-*u", (int)message_len, number), 0);
    ck_assert_int_eq(azm_buf_append(&message, "", 1), 0);
    otlp_set_string(&body, azm_text_of((const char *)message.data));
    m.time_unix_nano = number;
    m.body = &body;
    ck_assert_int_eq(azm_buf_reserve(&record, otlp__log_record__get_packed_size(&m)), 0);
    record.len = otlp__log_record__pack(&m, record.data);
    ck_assert_int_eq(azm_batch_add(batch, AZM_TEXT(""), azm_buf_text(&record)), 1);
}

/* Submits a batch of n records. */
static inline void submit_records(unsigned first, unsigned n, size_t message_len)
{
    struct azm_batch *batch;

    ck_assert_int_eq(azm_batch_new(&(struct azm_batch_limits){n, 10000000}, &batch), 0);
    for (unsigned i = first; i < first + n; i++)
        add_record(batch, i, message_len);
    ck_assert_int_eq(azm_buf_printf(azm_batch_position(batch), "%u", first), 0);
    ck_assert_int_eq(azm_exporter_submit(x, batch), 0);
}

static inline void submit(unsigned number)
{
    submit_records(number, 1, 0);
}

/* Batches come back in any order. */
static inline void collect(void)
{
    struct azm_batch *batch;
    int r;

    while ((r = azm_exporter_collect(x, &batch)) > 0) {
        unsigned long first;

        ck_assert_int_eq(azm_buf_append(azm_batch_position(batch), "", 1), 0);
        first = strtoul((const char *)azm_batch_position(batch)->data, NULL, 10);
        for (size_t i = 0; i < azm_batch_records(batch); i++) {
            ck_assert_uint_lt(first + i, ELEMENTSOF(finished));
            ck_assert(!finished[first + i]);
            finished[first + i] = true;
            collected++;
        }
        azm_batch_free(batch);
    }
    ck_assert_int_eq(r, 0);
    while (finished[position + 1])
        position++;
}

static inline void wait_for_owner_event(void)
{
    struct pollfd p = {.fd = azm_exporter_fd(x), .events = POLLIN};

    ck_assert_int_eq(poll(&p, 1, -1), 1);
}

static inline void collect_until(unsigned number)
{
    while (position < number) {
        wait_for_owner_event();
        collect();
    }
}

static inline struct azm_exporter_status status(void)
{
    struct azm_exporter_status s;

    azm_exporter_get_status(x, &s);
    return s;
}

/* A failure shows as a change of state, of which the owner is told. */
static inline void wait_for_state(enum azm_exporter_state state)
{
    while (status().state != state) {
        wait_for_owner_event();
        collect();
    }
}

static inline void wait_for_failures(uint64_t n)
{
    while (status().failures < n)
        poll(NULL, 0, 1);
}

/* The thread has gone round since, so what it had to do it has done. */
static inline void let_thread_go_round(void)
{
    for (unsigned i = 0; i < 3; i++) {
        azm_exporter_alive(x);
        while (!azm_exporter_alive(x))
            poll(NULL, 0, 1);
    }
}

static inline void assert_no_failure_known(void)
{
    struct azm_exporter_status s = status();

    ck_assert_int_eq(s.state, AZM_EXPORTER_DELIVERING);
    ck_assert_str_eq(s.reason, "");
    ck_assert_str_eq(s.remedy, "");
    ck_assert_uint_eq(s.failing_since_usec, 0);
    ck_assert_uint_eq(s.failing_since_realtime_usec, 0);
}

/* --- in the test directory --- */

/* NAME.pem for 127.0.0.1, and NAME.both with its key. */
static inline void make_certificate(const char *name)
{
    _cleanup_free_ char *command = NULL;

    ck_assert_int_gt(asprintf(&command,
                              "cd '%s' && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=%s "
                              "-addext subjectAltName=IP:127.0.0.1 -keyout key -out %s.pem 2>/dev/null && "
                              "cat key %s.pem >%s.both",
                              temp_dir, name, name, name, name),
                     0);
    ck_assert_int_eq(system(command), 0);
}

/* From now on what is logged goes into a file there. */
static inline void keep_log(void)
{
    ck_assert_ptr_nonnull(freopen(temp_path("log"), "we", stderr));
}

static inline unsigned count_in_log(const char *words)
{
    unsigned n = 0;

    for (const char *p = read_text("log"); (p = strstr(p, words)); p++)
        n++;
    return n;
}
