/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/utf8.h"
#include "source/service_name.h"

#define NAME_MAX_BYTES AZM_NAME_MAX_BYTES /* of a unit or service name; systemd's own limit is 255 */
#define CACHE_SLOTS 4096                  /* encoded resources; a host has some dozens, and there may be many hosts */
#define PID_SLOTS 4096                    /* remembered processes: direct-mapped, the newest wins */

enum { KEY_PARTS = 7 };

/* All that a resource is made of, whatever it holds. */
struct key {
    struct azm_text parts[KEY_PARTS];
};

struct cached_resource {
    size_t lengths[KEY_PARTS];
    struct azm_buf
        key; /* the parts, one after the other; never empty, for a service has a name: if it is, so is the slot */
    struct azm_buf resource;
};

struct pid_unit {
    sd_id128_t boot;
    uint32_t pid; /* 0: free */
    uint8_t len;
    char unit[NAME_MAX_BYTES];
};

struct azm_resources {
    const struct azm_config *config;
    struct azm_otlp_encoder encoder;
    struct cached_resource cache[CACHE_SLOTS];
    struct pid_unit pids[PID_SLOTS];
    struct azm_text service_name; /* from the configuration; len 0: not set */
};

int azm_resources_new(const struct azm_config *config, struct azm_resources **ret)
{
    struct azm_resources *r = calloc(1, sizeof *r);

    if (!r)
        return -ENOMEM;
    r->config = config;
    r->encoder.limits = (struct azm_otlp_limits){.value_bytes = 4096, .attributes_bytes = SIZE_MAX};
    r->service_name = azm_text_of(azm_key_values_get(&config->resource, "service.name"));
    *ret = r;
    return 0;
}

struct azm_resources *azm_resources_free(struct azm_resources *r)
{
    if (!r)
        return NULL;
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        azm_buf_free(&r->cache[i].key);
        azm_buf_free(&r->cache[i].resource);
    }
    azm_otlp_encoder_free(&r->encoder);
    free(r);
    return NULL;
}

static bool ends_with(struct azm_text t, const char *suffix)
{
    size_t n = strlen(suffix);

    return t.len >= n && memcmp(t.s + t.len - n, suffix, n) == 0;
}

static bool starts_with(struct azm_text t, const char *prefix)
{
    size_t n = strlen(prefix);

    return t.len >= n && memcmp(t.s, prefix, n) == 0;
}

static uint32_t parse_pid(struct azm_text t)
{
    uint64_t pid = 0;

    for (size_t i = 0; i < t.len && i < 10; i++) {
        if (t.s[i] < '0' || t.s[i] > '9')
            return 0;
        pid = pid * 10 + (uint64_t)(t.s[i] - '0');
    }
    return t.len > 10 || pid > UINT32_MAX ? 0 : (uint32_t)pid;
}

struct azm_text azm_identity_unit(const struct azm_identity *id)
{
    return starts_with(id->unit, "user@") && id->user_unit.len > 0 ? id->user_unit : id->unit;
}

struct azm_text azm_resources_find_unit(struct azm_resources *r, const struct azm_identity *id)
{
    struct azm_text unit = azm_identity_unit(id);
    uint32_t pid = parse_pid(id->pid);
    struct pid_unit *slot = &r->pids[(pid + id->boot.qwords[0]) % PID_SLOTS]; /* hosts have the same pids */

    if (pid == 0 || unit.len > NAME_MAX_BYTES)
        return unit;
    if (unit.len > 0) {
        if (slot->pid != pid || !sd_id128_equal(slot->boot, id->boot) ||
            !azm_text_equal((struct azm_text){slot->unit, slot->len}, unit)) {
            *slot = (struct pid_unit){.boot = id->boot, .pid = pid, .len = (uint8_t)unit.len};
            memcpy(slot->unit, unit.s, unit.len);
        }
        return unit;
    }
    if (slot->pid == pid && sd_id128_equal(slot->boot, id->boot))
        return (struct azm_text){slot->unit, slot->len};
    return unit;
}

static struct azm_text find_service_name(struct azm_resources *r, const struct azm_identity *id)
{
    struct azm_text unit = azm_resources_find_unit(r, id); /* also to remember it */

    if (r->service_name.len > 0)
        return r->service_name;
    if (r->config->service_name_field && id->otel_service_name.len > 0)
        return id->otel_service_name;
    if (azm_text_equal(id->transport, AZM_TEXT("kernel")))
        return AZM_TEXT("kernel");
    if (ends_with(unit, ".service") && unit.len > strlen(".service")) {
        unit.len -= strlen(".service");
        return unit;
    }
    /* Other kinds of units (session-3.scope, user.slice) are where it ran, not what it is. */
    if (id->identifier.len > 0)
        return id->identifier;
    if (id->comm.len > 0)
        return id->comm;
    return unit.len > 0 ? unit : AZM_TEXT("unknown_service"); /* OpenTelemetry's own word for it */
}

void azm_identity_names(const struct azm_identity *id, struct azm_attribute ret[static AZM_IDENTITY_NAMES])
{
    ret[0] = (struct azm_attribute){.key = AZM_TEXT("systemd.unit"), .text = id->unit};
    ret[1] = (struct azm_attribute){.key = AZM_TEXT("systemd.user_unit"), .text = id->user_unit};
    ret[2] = (struct azm_attribute){.key = AZM_TEXT("process.executable.name"), .text = id->comm};
    ret[3] = (struct azm_attribute){.key = AZM_TEXT("syslog.identifier"), .text = id->identifier};
}

static int encode(struct azm_resources *r, struct azm_text service, const struct azm_identity *id, struct azm_buf *out)
{
    enum { N_FIXED = 5, N_COMPUTED = N_FIXED + AZM_IDENTITY_NAMES };
    const struct azm_key_values *configured = &r->config->resource;
    struct azm_attribute computed[N_COMPUTED] = {
        {.key = AZM_TEXT("service.name"), .text = service},
        {.key = AZM_TEXT("service.instance.id"), .text = id->host_name},
        {.key = AZM_TEXT("host.name"), .text = id->host_name},
        {.key = AZM_TEXT("host.id"), .text = id->machine_id},
        {.key = AZM_TEXT("os.type"), .text = AZM_TEXT("linux")},
    };
    _cleanup_free_ struct azm_attribute *a = calloc(N_COMPUTED + configured->n, sizeof *a);
    size_t n = 0;

    if (!a)
        return -ENOMEM;
    azm_identity_names(id, computed + N_FIXED);
    for (size_t i = 0; i < N_COMPUTED; i++) {
        const struct azm_attribute *c = &computed[i];

        if (i >= N_FIXED && (r->config->fields == AZM_FIELDS_MINIMAL || c->text.len > NAME_MAX_BYTES))
            continue;
        if (c->text.len > 0 && (i == 0 || !azm_key_values_get(configured, c->key.s)))
            a[n++] = *c;
    }
    for (size_t i = 0; i < configured->n; i++)
        if (strcmp(configured->items[i].key, "service.name") != 0)
            a[n++] = (struct azm_attribute){.key = azm_text_of(configured->items[i].key),
                                            .text = azm_text_of(configured->items[i].value)};
    return azm_otlp_encode_resource(&r->encoder, a, n, out);
}

/* Is it what stands in the slot? */
static bool is_kept(const struct cached_resource *c, const struct key *k)
{
    const char *p = (const char *)c->key.data;

    if (c->key.len == 0)
        return false;
    for (size_t i = 0; i < KEY_PARTS; i++) {
        if (c->lengths[i] != k->parts[i].len || !azm_text_equal(k->parts[i], (struct azm_text){p, c->lengths[i]}))
            return false;
        p += c->lengths[i];
    }
    return true;
}

/* After a failure the slot is empty. */
static int keep(struct cached_resource *c, const struct key *k)
{
    azm_buf_clear(&c->key);
    for (size_t i = 0; i < KEY_PARTS; i++) {
        c->lengths[i] = k->parts[i].len;
        if (azm_buf_append(&c->key, k->parts[i].s, k->parts[i].len) < 0) {
            azm_buf_clear(&c->key);
            return -ENOMEM;
        }
    }
    return 0;
}

/* At a character's end, if it is text. */
static struct azm_text cut_name(struct azm_text t)
{
    size_t n;

    if (t.len <= NAME_MAX_BYTES)
        return t;
    n = azm_utf8_cut(t.s, NAME_MAX_BYTES);
    t.len = n + 3 < NAME_MAX_BYTES ? NAME_MAX_BYTES : n;
    return t;
}

int azm_resources_get(struct azm_resources *r, const struct azm_identity *id, struct azm_text *ret,
                      struct azm_text *ret_service)
{
    struct azm_text service = cut_name(find_service_name(r, id));
    const struct key key = {
        {service, id->unit, id->user_unit, id->comm, id->identifier, id->host_name, id->machine_id}};
    struct cached_resource *c = &r->cache[id->hash % CACHE_SLOTS];

    if (!is_kept(c, &key)) {
        int k;

        azm_buf_clear(&c->key);
        k = encode(r, service, id, &c->resource);
        if (k >= 0)
            k = keep(c, &key);
        if (k < 0)
            return k;
    }
    *ret = (struct azm_text){(const char *)c->resource.data, c->resource.len};
    if (ret_service)
        *ret_service = service;
    return 0;
}

int azm_resources_get_own(struct azm_resources *r, struct azm_text *ret)
{
    char host[HOST_NAME_MAX + 1] = "", machine[SD_ID128_STRING_MAX] = "";
    struct azm_identity id = {.identifier = AZM_TEXT("azmonlog")};
    sd_id128_t machine_id;

    if (gethostname(host, sizeof host - 1) == 0)
        id.host_name = azm_text_of(host);
    if (sd_id128_get_machine(&machine_id) >= 0)
        id.machine_id = azm_text_of(sd_id128_to_string(machine_id, machine));
    return azm_resources_get(r, &id, ret, NULL);
}

int azm_own_resource(const struct azm_config *config, struct azm_buf *ret)
{
    struct azm_resources *r;
    struct azm_text resource;
    int k = azm_resources_new(config, &r);

    if (k < 0)
        return k;
    k = azm_resources_get_own(r, &resource);
    if (k == 0) {
        azm_buf_clear(ret);
        k = azm_buf_append(ret, resource.s, resource.len);
    }
    azm_resources_free(r);
    return k;
}
