/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "config/stream_url.h"
#include "stream/kafka.h"
#include "stream/redis.h"
#include "stream/stream.h"

static int _unused_ not_built_in(const char *engine, const char *library, struct azm_error *err)
{
    return azm_error_set(err, ENOTSUP, "this azmonlog is built without %s, which it needs for %s", library, engine);
}

int azm_stream_writer_new(const struct azm_stream_options *o, struct azm_stream_writer **ret, struct azm_error *err)
{
    switch (azm_stream_engine_of(o->url)) {
    case AZM_STREAM_REDIS:
        return HAVE_HIREDIS ? azm_redis_writer_new(o, ret, err) : not_built_in("Redis", "hiredis", err);
    case AZM_STREAM_KAFKA:
        return HAVE_RDKAFKA ? azm_kafka_writer_new(o, ret, err) : not_built_in("Kafka", "librdkafka", err);
    case AZM_STREAM_NONE:
        break;
    }
    return azm_error_set(err, EINVAL, "this is not the URL of a stream");
}

int azm_stream_reader_new(const struct azm_stream_options *o, struct azm_stream_reader **ret, struct azm_error *err)
{
    switch (azm_stream_engine_of(o->url)) {
    case AZM_STREAM_REDIS:
        return HAVE_HIREDIS ? azm_redis_reader_new(o, ret, err) : not_built_in("Redis", "hiredis", err);
    case AZM_STREAM_KAFKA:
        return HAVE_RDKAFKA ? azm_kafka_reader_new(o, ret, err) : not_built_in("Kafka", "librdkafka", err);
    case AZM_STREAM_NONE:
        break;
    }
    return azm_error_set(err, EINVAL, "this is not the URL of a stream");
}
