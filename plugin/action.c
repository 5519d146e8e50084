/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "core/log.h"
#include "export/destination.h"
#include "plugin/action.h"
#include "plugin/pump.h"
#include "plugin/statistics.h"
#include "source/service_name.h"
#include "store/checkpoint.h"
#include "store/state_dir.h"

#define BALLAST_BYTES ((size_t)16 * 1024 * 1024)
#define HELD_BACK "held_back"       /* a file in the state directory, as store/checkpoint.h has it */
#define RETRY_USEC AZM_USEC_PER_SEC /* after the disk has refused a row */

struct action {
    struct parameters parameters;
    struct azm_config config;
    struct azm_rules *rules; /* the workers', from the start to the end: what is in the spool went by them */
    char *name;

    pthread_mutex_t mutex;
    int dir_fd, lock_fd;
    struct azm_spool_shared *spool; /* NULL: it could not be opened yet; set once */
    struct pump *pump;
    struct worker *teller; /* the pump's thread's, for records of our own; NULL: there are none to make */
    struct azm_buf own_resource;
    atomic_bool down;
    atomic_bool told_down; /* that it is */
    size_t wanted_bytes;   /* of the row that did not fit */
    uint64_t retry_usec;   /* monotonic: when another one may be tried */

    void *statistics;
    struct pump_counters counters;
    uint64_t submitted, spooled, refused; /* records: handed over, on disk, not taken for now */
};

/* --- the log --- */

static void to_rsyslog(enum azm_log_level level, const char *name, const char *line)
{
    LogMsg(0, RS_NO_CODE, (int)level, "omazuremonitor[%s]: %s", name, line);
}

/* --- before rsyslogd runs --- */

/* A file name, and what status and metrics show. */
static char *make_name(const char *name)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

    if (!*name)
        return strdup("default");
    return strspn(name, good) == strlen(name) && *name != '.' && strlen(name) < 128 ? strdup(name) : NULL;
}

int action_new(struct parameters *p, struct action **ret, struct azm_error *err)
{
    struct action *a = calloc(1, sizeof *a);
    struct azm_error why;
    int r;

    if (!a)
        return azm_error_set(err, ENOMEM, "out of memory");
    azm_log_to(to_rsyslog);
    a->dir_fd = a->lock_fd = -1;
    pthread_mutex_init(&a->mutex, NULL);
    a->name = make_name(p->name);
    r = a->name ? parameters_load(p, a->name, &a->config, err)
                : azm_error_set(err, EINVAL,
                                "action name=\"%s\": its state directory is named by it, so it has to be of up to 127 "
                                "letters, digits, '.', '_' and '-', and not begin with a '.'",
                                p->name);
    if (r >= 0) {
        r = azm_destination_check(&a->config, AZM_LOGS, &why);
        if (r >= 0)
            r = azm_rules_new(&a->config, NULL, NULL, &a->rules, &why);
        if (r < 0)
            azm_error_set(err, r, "action \"%s\": %s", a->name, why.words);
    }
    if (r < 0) {
        action_free(a);
        return r;
    }
    a->parameters = *p;
    *p = (struct parameters){0};
    *ret = a;
    return 0;
}

/* --- the spool --- */

/* Everything below the state directory has to be made, the directory above it too: packages make it, others may not. */
static int open_directory(struct action *a, struct azm_error *err)
{
    _cleanup_free_ char *parent = strdup(a->config.state_directory);
    char *slash = parent ? strrchr(parent, '/') : NULL;

    if (!parent)
        return azm_error_set(err, ENOMEM, "out of memory");
    if (slash && slash != parent) {
        *slash = '\0';
        mkdir(parent, 0755); /* if that fails, the next step says why */
    }
    return azm_state_dir_open(a->config.state_directory, &a->dir_fd, &a->lock_fd, err);
}

static int open_spool(struct action *a, struct azm_spool_shared **ret, struct azm_error *err)
{
    _cleanup_free_ char *path = NULL;
    struct azm_spool_damage damage = {0};
    struct azm_spool_options o = {
        .max_bytes = a->config.spool_max_bytes,
        .min_free_percent = (unsigned)a->config.spool_min_free_percent,
        .ballast_bytes = BALLAST_BYTES,
        .clock = &azm_system_clock,
    };
    int r;

    if (asprintf(&path, "%s/spool.db", a->config.state_directory) < 0) {
        path = NULL;
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    o.path = path;
    r = azm_spool_shared_open(&o, ret, &damage, err);
    if (damage.found)
        azm_log(AZM_LOG_ERROR,
                "the spool was damaged; it is kept as %s. %llu commits could be read and go on, %llu are lost",
                damage.set_aside, (unsigned long long)damage.recovered, (unsigned long long)damage.lost_rows);
    return r;
}

/* --- what a rate limit held back --- */

static void set_down(struct action *a, const struct azm_error *err);
static int append(struct action *a, struct azm_spool_row *row, struct azm_error *err);

uint64_t action_held_back(const struct action *a)
{
    return azm_rules_left_out(a->rules, AZM_RATE_LIMIT);
}

static int save_held_back(struct action *a, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf lines = {0};
    int r;

    pthread_mutex_lock(&a->mutex);
    r = azm_rules_print_state(a->rules, &lines);
    if (r < 0)
        azm_error_set(err, r, "out of memory");
    else if (a->dir_fd < 0)
        r = azm_error_set(err, ENOENT, "there is no state directory yet");
    else
        r = azm_checkpoint_save(a->dir_fd, HELD_BACK, lines.data, lines.len, err);
    pthread_mutex_unlock(&a->mutex);
    return r;
}

int action_save_held_back(struct action *a, uint64_t before)
{
    struct azm_error err;
    int r = action_held_back(a) == before ? 0 : save_held_back(a, &err);

    if (r < 0)
        set_down(a, &err);
    return r;
}

/* Puts into the spool what there is to tell. What does not fit comes again. */
static void tell_held_back(void *userdata)
{
    struct action *a = userdata;
    struct azm_spool_row *row;
    struct azm_error err;
    bool told = false;

    if (!a->teller)
        return;
    worker_rest(a->teller, azm_realtime_usec(&azm_system_clock));
    while (worker_begin(a->teller) >= 0 && worker_add_own(a->teller, &a->own_resource) > 0) {
        if (worker_row(a->teller, &row) < 0 || append(a, row, &err) < 0) {
            worker_give_back_own(a->teller);
            break;
        }
        told = true;
    }
    if (told && save_held_back(a, &err) < 0)
        azm_log(AZM_LOG_WARNING, "%s; what the rate limit held back would be told again after a restart", err.words);
}

/* Goes on with what an earlier process held back: 0 or -errno. */
static int begin_telling(struct action *a, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf lines = {0};
    int r = azm_checkpoint_load(a->dir_fd, HELD_BACK, &lines, err);

    if (r == -EBADMSG)
        azm_log(AZM_LOG_WARNING, "%s; what was held back before is not known any more", err->words);
    if (!azm_rules_have_state(a->rules)) {
        if (r > 0 && lines.len > 0)
            azm_log(AZM_LOG_WARNING,
                    "filter.rate_limit= is gone; what it held back before is in %s/" HELD_BACK
                    ", and is told when there is a limit again",
                    a->config.state_directory);
        return 0;
    }
    if (r > 0)
        r = azm_rules_go_on(a->rules, &lines);
    if (r >= 0 || r == -EBADMSG)
        r = azm_own_resource(&a->config, &a->own_resource);
    if (r >= 0)
        r = worker_new(&a->config, a->rules, &a->teller);
    return r < 0 ? azm_error_set(err, r, "cannot go on with what was held back: %m") : 0;
}

static int start_pump(struct action *a, struct azm_spool_shared *spool, struct azm_error *err)
{
    const struct pump_options o = {
        .parameters = &a->parameters,
        .name = a->name,
        .config = &a->config,
        .rules = a->rules,
        .spool = spool,
        .dir_fd = a->dir_fd,
        .counters = &a->counters,
        .tick = tell_held_back,
        .userdata = a,
    };

    return pump_start(&o, &a->pump, err);
}

/* Under the mutex: 0 or -errno. */
static int start(struct action *a, struct azm_error *err)
{
    struct azm_spool_shared *spool = NULL;
    int r = a->dir_fd < 0 ? open_directory(a, err) : 0;

    if (r >= 0)
        r = open_spool(a, &spool, err);
    if (r >= 0 && !a->teller)
        r = begin_telling(a, err);
    if (r >= 0)
        r = start_pump(a, spool, err);
    if (r < 0)
        azm_spool_shared_free(spool);
    else
        __atomic_store_n(&a->spool, spool, __ATOMIC_RELEASE);
    return r;
}

static void set_down(struct action *a, const struct azm_error *err)
{
    atomic_store(&a->down, true);
    if (!atomic_exchange(&a->told_down, true))
        azm_log(AZM_LOG_ERROR, "%s; rsyslog keeps its messages meanwhile", err->words);
}

/* It has taken a row. */
static void set_up(struct action *a)
{
    atomic_store(&a->down, false);
    if (atomic_exchange(&a->told_down, false))
        azm_log(AZM_LOG_NOTICE, "the spool takes messages again");
}

static void make_statistics(struct action *a)
{
    const struct statistics_counter counters[] = {
        {"submitted", &a->submitted, true},        {"spooled", &a->spooled, true},
        {"not_spooled", &a->refused, true},        {"exported", &a->counters.exported, true},
        {"requests", &a->counters.requests, true}, {"retries", &a->counters.retries, true},
        {"held", &a->counters.held, false},        {"quarantined", &a->counters.quarantined, true},
        {"bytes.sent", &a->counters.bytes, true},  {"backlog", &a->counters.backlog, false},
        {"redacted", &a->counters.redacted, true}, {"filtered", &a->counters.filtered, true},
        {"sampled", &a->counters.sampled, true},   {"rate_limited", &a->counters.rate_limited, true},
    };

    a->statistics = statistics_new(a->name, counters, ELEMENTSOF(counters));
}

void action_start(struct action *a)
{
    struct azm_error err;
    int r;

    azm_log_as(a->name);
    make_statistics(a);
    pthread_mutex_lock(&a->mutex);
    r = start(a, &err);
    pthread_mutex_unlock(&a->mutex);
    if (r < 0)
        set_down(a, &err);
}

struct action *action_free(struct action *a)
{
    if (!a)
        return NULL;
    if (a->name)
        azm_log_as(a->name);
    pump_stop(a->pump);
    worker_free(a->teller);
    azm_buf_free(&a->own_resource);
    azm_spool_shared_free(a->spool);
    statistics_free(a->statistics);
    azm_closep(&a->lock_fd);
    azm_closep(&a->dir_fd);
    azm_config_free(&a->config);
    azm_rules_unref(a->rules);
    parameters_free(&a->parameters);
    pthread_mutex_destroy(&a->mutex);
    free(a->name);
    free(a);
    return NULL;
}

const char *action_name(const struct action *a)
{
    return a->name;
}

const struct azm_config *action_config(const struct action *a)
{
    return &a->config;
}

struct azm_rules *action_rules(const struct action *a)
{
    return a->rules;
}

const struct parameters *action_parameters(const struct action *a)
{
    return &a->parameters;
}

/* --- what the workers want --- */

static int append(struct action *a, struct azm_spool_row *row, struct azm_error *err)
{
    struct azm_spool_shared *spool = __atomic_load_n(&a->spool, __ATOMIC_ACQUIRE);

    return spool ? azm_spool_shared_append(spool, row, 1, err) : azm_error_set(err, ENOENT, "there is no spool yet");
}

/* What rsyslog asks at once after a row was refused. Whether the limit allows a row can be told; whether the disk takes
 * one, only a row can tell: it has free space, say, but there is a quota. */
static uint64_t next_try(struct action *a, int r)
{
    struct azm_spool_shared *spool = __atomic_load_n(&a->spool, __ATOMIC_ACQUIRE);
    struct azm_spool_status s = {0};

    if (spool)
        azm_spool_shared_get_status(spool, &s);
    return r == -EMSGSIZE || s.full == AZM_SPOOL_FULL_LIMIT ? 0 : azm_monotonic_usec(&azm_system_clock) + RETRY_USEC;
}

int action_append(struct action *a, struct azm_spool_row *row)
{
    uint64_t n = row->records;
    struct azm_error err;
    int r;

    __atomic_fetch_add(&a->submitted, n, __ATOMIC_RELAXED);
    r = append(a, row, &err);
    if (r < 0) {
        __atomic_fetch_add(&a->refused, n, __ATOMIC_RELAXED);
        /* Then rsyslog hands over one message at a time: these may go even if all of them at once never could. */
        __atomic_store_n(&a->wanted_bytes, r == -EMSGSIZE ? 0 : row->data.len, __ATOMIC_RELAXED);
        __atomic_store_n(&a->retry_usec, next_try(a, r), __ATOMIC_RELAXED);
        set_down(a, &err);
        return r;
    }
    __atomic_fetch_add(&a->spooled, n, __ATOMIC_RELAXED);
    set_up(a);
    return 0;
}

bool action_is_down(struct action *a)
{
    return atomic_load(&a->down);
}

int action_probe(struct action *a)
{
    struct azm_error err;
    int r = 0;

    if (azm_monotonic_usec(&azm_system_clock) < __atomic_load_n(&a->retry_usec, __ATOMIC_RELAXED))
        return -EAGAIN;
    pthread_mutex_lock(&a->mutex);
    if (!a->spool)
        r = start(a, &err);
    pthread_mutex_unlock(&a->mutex);
    if (r >= 0)
        r = azm_spool_shared_check_room(a->spool, __atomic_load_n(&a->wanted_bytes, __ATOMIC_RELAXED), &err);
    if (r < 0) {
        set_down(a, &err);
        return r;
    }
    atomic_store(&a->down, false); /* a row will tell whether it is true */
    return 0;
}

void action_reload(struct action *a)
{
    pthread_mutex_lock(&a->mutex);
    if (a->pump)
        pump_reload(a->pump);
    pthread_mutex_unlock(&a->mutex);
}
