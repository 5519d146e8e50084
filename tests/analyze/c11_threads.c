/* SPDX-License-Identifier: MIT */
/* To be preloaded: C's threads, which librdkafka uses, made of POSIX' ones. ThreadSanitizer (of GCC 12) does not know
 * the former: a thread that it has not seen begin crashes in it. glibc's types are the same size as POSIX' or larger.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>

struct begin {
    thrd_start_t function;
    void *argument;
};

static void *run(void *arg)
{
    struct begin b = *(struct begin *)arg;

    free(arg);
    return (void *)(long)b.function(b.argument);
}

static int result(int r)
{
    return r == 0           ? thrd_success
           : r == ENOMEM    ? thrd_nomem
           : r == EBUSY     ? thrd_busy
           : r == ETIMEDOUT ? thrd_timedout
                            : thrd_error;
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *argument)
{
    struct begin *b = malloc(sizeof *b);

    if (!b)
        return thrd_nomem;
    *b = (struct begin){function, argument};
    return result(pthread_create(thread, NULL, run, b));
}

int thrd_join(thrd_t thread, int *ret)
{
    void *value = NULL;
    int r = pthread_join(thread, &value);

    if (ret)
        *ret = (int)(long)value;
    return result(r);
}

int thrd_detach(thrd_t thread)
{
    return result(pthread_detach(thread));
}

int mtx_init(mtx_t *m, int type)
{
    pthread_mutexattr_t a;
    int r;

    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, (type & mtx_recursive) ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    r = pthread_mutex_init((pthread_mutex_t *)m, &a);
    pthread_mutexattr_destroy(&a);
    return result(r);
}

int mtx_lock(mtx_t *m)
{
    return result(pthread_mutex_lock((pthread_mutex_t *)m));
}
int mtx_trylock(mtx_t *m)
{
    return result(pthread_mutex_trylock((pthread_mutex_t *)m));
}
int mtx_unlock(mtx_t *m)
{
    return result(pthread_mutex_unlock((pthread_mutex_t *)m));
}
void mtx_destroy(mtx_t *m)
{
    pthread_mutex_destroy((pthread_mutex_t *)m);
}
int cnd_init(cnd_t *c)
{
    return result(pthread_cond_init((pthread_cond_t *)c, NULL));
}
void cnd_destroy(cnd_t *c)
{
    pthread_cond_destroy((pthread_cond_t *)c);
}
int cnd_signal(cnd_t *c)
{
    return result(pthread_cond_signal((pthread_cond_t *)c));
}
int cnd_broadcast(cnd_t *c)
{
    return result(pthread_cond_broadcast((pthread_cond_t *)c));
}
int cnd_wait(cnd_t *c, mtx_t *m)
{
    return result(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}
int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict t)
{
    return result(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, t));
}
