/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "core/utf8.h"
#include "encode/any_value.h"
#include "encode/wire.h"
#include "pipeline/volume.h"

/* Field numbers, as in proto/otlp_logs.proto */
enum { RESOURCE_ATTRIBUTES = 1 };
enum { ANY_VALUE_STRING = 1 };

static struct azm_text string_of(struct azm_text any_value)
{
    const uint8_t *p = (const uint8_t *)any_value.s;
    struct azm_wire_field f;

    if (azm_wire_next(&p, p + any_value.len, &f) > 0 && f.number == ANY_VALUE_STRING && f.type == AZM_WIRE_LEN)
        return (struct azm_text){(const char *)f.data, f.len};
    return AZM_TEXT("");
}

/* service.name of an encoded Resource; "" without one. */
static struct azm_text service_of(struct azm_text resource)
{
    const uint8_t *p = (const uint8_t *)resource.s, *end = p + resource.len;
    struct azm_wire_field f;

    while (resource.len > 0 && azm_wire_next(&p, end, &f) > 0) {
        struct azm_text key, value;

        if (f.number == RESOURCE_ATTRIBUTES && f.type == AZM_WIRE_LEN &&
            azm_key_value_read((struct azm_text){(const char *)f.data, f.len}, &key, &value) == 0 &&
            azm_text_equal(key, AZM_TEXT("service.name")))
            return string_of(value);
    }
    return AZM_TEXT("");
}

static void name(char ret[static AZM_VOLUME_NAME_MAX], struct azm_text service)
{
    size_t len = azm_utf8_valid_prefix(service.s, service.len);

    if (len >= AZM_VOLUME_NAME_MAX)
        len = azm_utf8_cut(service.s, AZM_VOLUME_NAME_MAX - 1);
    memset(ret, 0, AZM_VOLUME_NAME_MAX);
    if (len > 0)
        memcpy(ret, service.s, len);
}

static uint64_t weight(const struct azm_volume *i)
{
    return i->handicap + i->now.bytes;
}

/* The place for a service that is not in the table. */
static struct azm_volume *make_place(struct azm_volumes *v)
{
    struct azm_volume *least = v->items;

    if (v->n < AZM_VOLUMES_MAX) {
        v->items[v->n] = (struct azm_volume){0};
        return &v->items[v->n++];
    }
    for (size_t i = 1; i < v->n; i++)
        if (weight(&v->items[i]) < weight(least))
            least = &v->items[i];
    v->others.records += least->now.records;
    v->others.bytes += least->now.bytes;
    *least = (struct azm_volume){.handicap = weight(least)};
    return least;
}

void azm_volumes_add(struct azm_volumes *v, struct azm_text service, size_t records, size_t bytes)
{
    char wanted[AZM_VOLUME_NAME_MAX];
    struct azm_volume *item = NULL;

    name(wanted, service);
    for (size_t i = 0; i < v->n && !item; i++)
        if (memcmp(v->items[i].service, wanted, sizeof wanted) == 0)
            item = &v->items[i];
    if (!item) {
        item = make_place(v);
        memcpy(item->service, wanted, sizeof wanted);
    }
    item->now.records += records;
    item->now.bytes += bytes;
}

void azm_volumes_add_batch(struct azm_volumes *v, struct azm_batch *batch)
{
    for (size_t i = 0; i < azm_batch_resources(batch); i++) {
        struct azm_text resource;
        size_t records, bytes;

        azm_batch_take_volume(batch, i, &resource, &records, &bytes);
        if (records > 0)
            azm_volumes_add(v, service_of(resource), records, bytes);
    }
}

void azm_volumes_sample(struct azm_volumes *v)
{
    for (size_t i = 0; i < v->n; i++) {
        struct azm_volume *item = &v->items[i];

        memmove(item->then + 1, item->then, sizeof item->then - sizeof *item->then);
        item->then[0] = item->now;
    }
}
