/* SPDX-License-Identifier: MIT */
#include <sys/eventfd.h>

#include "pipeline/pipeline.h"
#include "tests/unit/azure_exporter_help.h"

/* What the pipeline does with a position that cannot be saved; with the real exporter, a server, and a source of one
 * record. */

#define SAVE_RETRY_USEC (5 * AZM_USEC_PER_SEC) /* as in pipeline.c */

struct fake {
    struct azm_source source;
    int event_fd;
    bool given;
    bool disk_full;
    unsigned looks; /* for a record, where there was none */
    unsigned saves; /* that were tried */
    char saved[16];
};

static int fake_next(struct azm_source *s, struct azm_record *rec, struct azm_error *err)
{
    struct fake *f = (struct fake *)s;

    (void)err;
    if (f->given) {
        f->looks++;
        return 0;
    }
    *rec = (struct azm_record){
        .time_unix_nano = 1, .observed_time_unix_nano = 1, .severity = 6, .has_body = true, .body = AZM_TEXT("1")};
    f->given = true;
    return 1;
}

static int fake_position(struct azm_source *s, struct azm_buf *out, struct azm_error *err)
{
    (void)s;
    (void)err;
    azm_buf_clear(out);
    return azm_buf_append(out, "one", 3);
}

static int fake_next_notice(struct azm_source *s, struct azm_record *rec, struct azm_error *err)
{
    (void)s;
    (void)rec;
    (void)err;
    return 0;
}

static int fake_acknowledge(struct azm_source *s, const struct azm_buf *safe, struct azm_error *err)
{
    struct fake *f = (struct fake *)s;

    f->saves++;
    if (f->disk_full)
        return azm_error_set(err, ENOSPC, "cannot write the position: %m");
    snprintf(f->saved, sizeof f->saved, "%.*s", (int)safe->len, (const char *)safe->data);
    return 0;
}

static int fake_poll(struct azm_source *s, int *ret_fd, int *ret_events, uint64_t *ret_timeout_usec,
                     struct azm_error *err)
{
    (void)err;
    *ret_fd = ((struct fake *)s)->event_fd;
    *ret_events = POLLIN;
    *ret_timeout_usec = AZM_USEC_INFINITY;
    return 0;
}

static int fake_process(struct azm_source *s, struct azm_error *err)
{
    uint64_t n;

    (void)err;
    return read(((struct fake *)s)->event_fd, &n, sizeof n) == sizeof n;
}

static int fake_mark(struct azm_source *s, const char *message, unsigned n, struct azm_error *err)
{
    (void)s;
    (void)message;
    (void)n;
    (void)err;
    return 1;
}

static bool fake_passed(struct azm_source *s)
{
    (void)s;
    return true;
}

static const struct azm_source_ops fake_ops = {
    .next = fake_next,
    .position = fake_position,
    .next_notice = fake_next_notice,
    .acknowledge = fake_acknowledge,
    .poll = fake_poll,
    .process = fake_process,
    .mark = fake_mark,
    .passed = fake_passed,
};

static sd_event *event;
static struct azm_outbox *outbox;
static struct azm_pipeline *pipeline;
static struct fake fake;
static const struct azm_buf no_resource;

static void begin(void)
{
    struct azm_error err = {""};

    begin_servers(NULL);
    wish((struct wish){.to = &a, .profile = AZM_PROFILE_OTLP});
    fake = (struct fake){.source = {&fake_ops}, .event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    ck_assert_int_ge(fake.event_fd, 0);
    ck_assert_int_ge(sd_event_new(&event), 0);
    const struct azm_outbox_options box = {
        .exporter = x, .clock = &azm_system_clock, .spool_path = temp_path("spool.db"), .batch = {100, 100000}};
    ck_assert_msg(azm_outbox_new(&box, &outbox, &err) == 0, "%s", err.words);
    const struct azm_pipeline_options o = {
        .event = event,
        .source = &fake.source,
        .own_resource = &no_resource,
        .outbox = outbox,
        .exporter = x,
        .clock = &azm_system_clock,
        .batch = {100, 100000},
        .record = azm_otlp_limits_of(10000, 100000),
        .concurrency = 4,
        .schedule_delay_usec = AZM_USEC_PER_MSEC,
        .shutdown_timeout_usec = HOUR,
    };
    ck_assert_msg(azm_pipeline_new(&o, &pipeline, &err) == 0, "%s", err.words);
}

static void end_all(void)
{
    pipeline = azm_pipeline_free(pipeline);
    outbox = azm_outbox_free(outbox);
    event = sd_event_unref(event);
    azm_closep(&fake.event_fd);
    end();
}

#define RUN_UNTIL(condition)                                                                                           \
    while (!(condition))                                                                                               \
    ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0)

/* As when something nobody wants was logged: the source has to be looked at, and there is nothing. */
static void wake_source(void)
{
    const uint64_t one = 1;
    unsigned before = fake.looks;

    ck_assert_int_eq(write(fake.event_fd, &one, sizeof one), sizeof one);
    RUN_UNTIL(fake.looks > before);
}

/* It was tried at every turn, so a hundred times here. */
START_TEST(a_full_disk_is_tried_again_with_time)
{
    uint64_t begun = azm_monotonic_usec(&azm_system_clock), passed;
    struct azm_error err = {""};

    keep_log();
    begin();
    fake.disk_full = true;
    RUN_UNTIL(fake.saves > 0);
    for (unsigned i = 0; i < 100; i++)
        wake_source();
    passed = azm_monotonic_usec(&azm_system_clock) - begun;
    ck_assert_uint_le(fake.saves, 1 + passed / SAVE_RETRY_USEC);
    ck_assert_str_eq(fake.saved, "");

    fake.disk_full = false;
    RUN_UNTIL(*fake.saved); /* by itself */
    ck_assert_str_eq(fake.saved, "one");
    ck_assert_uint_eq(count_in_log("cannot write the position"), 1);
    ck_assert_uint_eq(count_in_log("the checkpoint can be written again"), 1);

    azm_pipeline_stop(pipeline);
    ck_assert_int_ge(sd_event_loop(event), 0);
    ck_assert_msg(azm_pipeline_result(pipeline, &err) == 0, "%s", err.words);
    end_all();
}
END_TEST

/* Who ends does not wait for that. */
START_TEST(the_end_tries_at_once)
{
    struct azm_error err = {""};

    keep_log();
    begin();
    fake.disk_full = true;
    RUN_UNTIL(fake.saves > 0);
    fake.disk_full = false;
    azm_pipeline_stop(pipeline);
    ck_assert_str_eq(fake.saved, "one");
    ck_assert_int_ge(sd_event_loop(event), 0);
    ck_assert_msg(azm_pipeline_result(pipeline, &err) == 0, "%s", err.words);
    end_all();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "a_full_disk_is_tried_again_with_time", a_full_disk_is_tried_again_with_time);
    add_test(s, "the_end_tries_at_once", the_end_tries_at_once);
}

TEST_MAIN("pipeline", add_tests)
