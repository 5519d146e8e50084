/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/metrics_file.h"
#include "core/log.h"
#include "pipeline/metrics.h"
#include "store/atomic_file.h"

struct azm_metrics_file {
    struct azm_service *service;
    const char *path;
    char *temporary; /* beside it; node_exporter reads *.prom only */
    sd_event_source *timer;
    struct azm_buf text;
    bool failed;
};

/* Everybody may read it, whatever the umask. It is not flushed: after a power loss it is written anew. */
static int write_file(const struct azm_metrics_file *m)
{
    int fd, r;

    if (unlink(m->temporary) < 0 && errno != ENOENT)
        return -errno;
    fd = open(m->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -errno;
    r = fchmod(fd, 0644) < 0 ? -errno : azm_write_all(fd, m->text.data, m->text.len);
    if (close(fd) < 0 && r >= 0)
        r = -errno;
    if (r >= 0 && rename(m->temporary, m->path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(m->temporary);
    return r;
}

static void update(struct azm_metrics_file *m)
{
    struct azm_figures figures;
    struct azm_metrics metrics;
    struct azm_error err;
    int r;

    azm_service_measure(m->service, &figures);
    azm_metrics_collect(&figures, &metrics);
    r = azm_metrics_print(&metrics, false, &m->text);
    if (r >= 0)
        r = write_file(m);
    if (r < 0 && !m->failed) {
        azm_error_set(&err, r, "[metrics] textfile=: cannot write %s: %m", m->path);
        azm_log(AZM_LOG_ERROR, "%s; trying again", err.words);
    } else if (r >= 0 && m->failed)
        azm_log(AZM_LOG_NOTICE, "%s can be written again", m->path);
    m->failed = r < 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    (void)usec;
    update(userdata);
    (void)sd_event_source_set_time_relative(s, AZM_METRICS_FILE_USEC);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int azm_metrics_file_new(sd_event *event, const char *path, struct azm_service *service, struct azm_metrics_file **ret,
                         struct azm_error *err)
{
    struct azm_metrics_file *m = calloc(1, sizeof *m);
    int r;

    if (!m)
        return azm_error_set(err, ENOMEM, "out of memory");
    m->path = path;
    m->service = service;
    if (asprintf(&m->temporary, "%s.tmp", path) < 0)
        m->temporary = NULL;
    r = m->temporary ? sd_event_add_time_relative(event, &m->timer, CLOCK_MONOTONIC, 0, 0, on_timer, m) : -ENOMEM;
    if (r < 0) {
        azm_metrics_file_free(m);
        return azm_error_set(err, r, "cannot set up the event loop: %m");
    }
    *ret = m;
    return 0;
}

struct azm_metrics_file *azm_metrics_file_free(struct azm_metrics_file *m)
{
    if (!m)
        return NULL;
    if (m->timer && !m->failed)
        (void)unlink(m->path);
    sd_event_source_disable_unref(m->timer);
    azm_buf_free(&m->text);
    free(m->temporary);
    free(m);
    return NULL;
}
