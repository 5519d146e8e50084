/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#include "core/buf.h"
#include "encode/otlp.h"
#include "plugin/syslog_resource.h"

#define NAME_MAX_BYTES 255 /* RFC 5424: HOSTNAME 255, APP-NAME 48 */
#define SLOTS 1024         /* a relay has many senders */

struct cached {
    struct azm_buf key; /* length of host, host, app; len 0: free */
    struct azm_buf resource;
};

struct azm_syslog_resources {
    const struct azm_key_values *configured;
    struct azm_otlp_encoder encoder;
    struct azm_buf key;
    struct azm_attribute *attributes; /* room for all of one resource */
    struct cached cache[SLOTS];       /* by the key's hash; the newest wins */
};

static const char *const computed[] = {"service.name", "service.instance.id", "host.name", "syslog.identifier"};

int azm_syslog_resources_new(const struct azm_key_values *configured, struct azm_syslog_resources **ret)
{
    struct azm_syslog_resources *r = calloc(1, sizeof *r);

    *ret = NULL;
    if (!r)
        return -ENOMEM;
    r->configured = configured;
    r->encoder.limits = (struct azm_otlp_limits){.value_bytes = 4096, .attributes_bytes = SIZE_MAX};
    r->attributes = calloc(ELEMENTSOF(computed) + configured->n, sizeof *r->attributes);
    if (!r->attributes) {
        free(r);
        return -ENOMEM;
    }
    *ret = r;
    return 0;
}

struct azm_syslog_resources *azm_syslog_resources_free(struct azm_syslog_resources *r)
{
    if (!r)
        return NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        azm_buf_free(&r->cache[i].key);
        azm_buf_free(&r->cache[i].resource);
    }
    azm_buf_free(&r->key);
    azm_otlp_encoder_free(&r->encoder);
    free(r->attributes);
    free(r);
    return NULL;
}

static int encode(struct azm_syslog_resources *r, struct azm_text host, struct azm_text app, struct azm_buf *out)
{
    const struct azm_key_values *configured = r->configured;
    bool named =
        azm_key_values_get(configured, "service.name") != NULL; /* else that is what the program calls itself */
    const struct azm_text values[] = {app.len > 0 ? app : AZM_TEXT("unknown_service"), host, host,
                                      named ? app : AZM_TEXT("")};
    size_t n = 0;

    for (size_t i = 0; i < ELEMENTSOF(computed); i++)
        if (values[i].len > 0 && !azm_key_values_get(configured, computed[i]))
            r->attributes[n++] = (struct azm_attribute){.key = azm_text_of(computed[i]), .text = values[i]};
    for (size_t i = 0; i < configured->n; i++)
        r->attributes[n++] = (struct azm_attribute){.key = azm_text_of(configured->items[i].key),
                                                    .text = azm_text_of(configured->items[i].value)};
    return azm_otlp_encode_resource(&r->encoder, r->attributes, n, out);
}

int azm_syslog_resources_get(struct azm_syslog_resources *r, struct azm_text host, struct azm_text app,
                             struct azm_text *ret)
{
    struct cached *c;
    uint8_t host_len;
    int k;

    host.len = MIN(host.len, (size_t)NAME_MAX_BYTES);
    app.len = MIN(app.len, (size_t)NAME_MAX_BYTES);
    azm_buf_clear(&r->key);
    host_len = (uint8_t)host.len; /* names may hold any byte, so none can separate them */
    if (azm_buf_append(&r->key, &host_len, 1) < 0 || azm_buf_append(&r->key, host.s, host.len) < 0 ||
        azm_buf_append(&r->key, app.s, app.len) < 0)
        return -ENOMEM;
    c = &r->cache[XXH3_64bits(r->key.data, r->key.len) % SLOTS];
    if (c->key.len != r->key.len || memcmp(c->key.data, r->key.data, r->key.len) != 0) {
        azm_buf_clear(&c->key);
        k = encode(r, host, app, &c->resource);
        if (k == 0)
            k = azm_buf_append(&c->key, r->key.data, r->key.len);
        if (k < 0)
            return k;
    }
    *ret = (struct azm_text){(const char *)c->resource.data, c->resource.len};
    return 0;
}
