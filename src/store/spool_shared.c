/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/spool_shared.h"

struct azm_spool_shared {
    pthread_mutex_t mutex;
    struct azm_spool *spool;
    int event_fd;
};

int azm_spool_shared_open(const struct azm_spool_options *o, struct azm_spool_shared **ret,
                          struct azm_spool_damage *ret_damage, struct azm_error *err)
{
    struct azm_spool_shared *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return azm_error_set(err, ENOMEM, "out of memory");
    pthread_mutex_init(&s->mutex, NULL);
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = s->event_fd < 0 ? azm_error_set(err, errno, "cannot create an eventfd: %m")
                        : azm_spool_open(o, &s->spool, ret_damage, err);
    if (r < 0) {
        azm_spool_shared_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

struct azm_spool_shared *azm_spool_shared_free(struct azm_spool_shared *s)
{
    if (!s)
        return NULL;
    azm_spool_free(s->spool);
    azm_closep(&s->event_fd);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    return NULL;
}

int azm_spool_shared_fd(const struct azm_spool_shared *s)
{
    return s->event_fd;
}

void azm_spool_shared_seen(struct azm_spool_shared *s)
{
    uint64_t count;

    while (read(s->event_fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

int azm_spool_shared_append(struct azm_spool_shared *s, struct azm_spool_row *rows, size_t n, struct azm_error *err)
{
    uint64_t one = 1;
    int r;

    pthread_mutex_lock(&s->mutex);
    r = azm_spool_append(s->spool, rows, n, err);
    pthread_mutex_unlock(&s->mutex);
    while (r >= 0 && write(s->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return r;
}

int azm_spool_shared_check_room(struct azm_spool_shared *s, size_t bytes, struct azm_error *err)
{
    int r;

    pthread_mutex_lock(&s->mutex);
    r = azm_spool_check_room(s->spool, bytes, err);
    pthread_mutex_unlock(&s->mutex);
    return r;
}

int azm_spool_shared_read(struct azm_spool_shared *s, uint64_t after, struct azm_spool_row *ret, uint64_t *lost_rows,
                          struct azm_error *err)
{
    int r;

    pthread_mutex_lock(&s->mutex);
    r = azm_spool_read(s->spool, after, ret, lost_rows, err);
    pthread_mutex_unlock(&s->mutex);
    return r;
}

int azm_spool_shared_acknowledge(struct azm_spool_shared *s, uint64_t id, struct azm_error *err)
{
    int r;

    pthread_mutex_lock(&s->mutex);
    r = azm_spool_acknowledge(s->spool, id, err);
    pthread_mutex_unlock(&s->mutex);
    return r;
}

void azm_spool_shared_get_status(struct azm_spool_shared *s, struct azm_spool_status *ret)
{
    pthread_mutex_lock(&s->mutex);
    azm_spool_get_status(s->spool, ret);
    pthread_mutex_unlock(&s->mutex);
}
