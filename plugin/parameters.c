/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/azure_env.h"
#include "config/config_file.h"
#include "config/otel_env.h"
#include "plugin/parameters.h"

/* The module's own ones, before the keys of the configuration. */
enum {
    NAME,
    CONFIG,
    TEMPLATE,
    META_TEMPLATE,
    ATTRIBUTES_TEMPLATE,
    RESUME_RETRY_COUNT,
    QUEUE_TYPE,
    QUEUE_TIMEOUT_SHUTDOWN,
    OWN_PARAMETERS
};

static struct rs_parameter items[112] = {
    [NAME] = {"name", RS_PARAM_STRING, 0}, /* rsyslog's core reads it as well, as the next but four */
    [CONFIG] = {"config", RS_PARAM_STRING, 0},
    [TEMPLATE] = {"template", RS_PARAM_STRING, 0},
    [META_TEMPLATE] = {"meta.template", RS_PARAM_STRING, 0},
    [ATTRIBUTES_TEMPLATE] = {"attributes.template", RS_PARAM_STRING, 0},
    [RESUME_RETRY_COUNT] = {"action.resumeretrycount", RS_PARAM_STRING, 0},
    [QUEUE_TYPE] = {"queue.type", RS_PARAM_STRING, 0},
    [QUEUE_TIMEOUT_SHUTDOWN] = {"queue.timeoutshutdown", RS_PARAM_STRING, 0},
};
static struct rs_parameters all = {.version = 1, .items = items};
static struct {
    const char *section, *key;
} keys[ELEMENTSOF(items)]; /* of the items behind the module's own */

/* "endpoint", "batch.schedule_delay", "resource", "max_body_bytes"; NULL: not for an action. */
static char *make_name(const char *section, const char *key)
{
    char *name = NULL;
    int r = 0;

    if (strcmp(section, "journal") == 0)
        return strcmp(key, "max_body_bytes") == 0 || strcmp(key, "parse") == 0 ? strdup(key) : NULL;
    if (strncmp(section, "unit ", 5) == 0)
        return NULL; /* units are the journal's */
    if (strcmp(section, "relay") == 0)
        return NULL; /* what rsyslog receives is the source */
    if (strcmp(section, "destination") == 0)
        return strdup(key);
    if (strcmp(section, "resource") == 0)
        return strdup(section);
    if (strcmp(section, "state") == 0 && strcmp(key, "spool_after") == 0)
        return NULL; /* everything goes through the spool */
    if (strcmp(section, "metrics") == 0 && strcmp(key, "heartbeat") != 0)
        return NULL; /* rsyslog has impstats */
    r = asprintf(&name, "%s.%s", section, key);
    return r < 0 ? NULL : name;
}

int parameters_init(void)
{
    struct azm_config_key k;

    all.n = OWN_PARAMETERS;
    for (size_t i = 0; azm_config_key(i, &k); i++) {
        char *name = make_name(k.section, k.key);

        if (!name)
            continue;
        if (all.n == ELEMENTSOF(items)) {
            free(name);
            return -ENOMEM;
        }
        keys[all.n].section = k.section;
        keys[all.n].key = k.key;
        items[all.n++] = (struct rs_parameter){.name = name, .type = k.preset ? RS_PARAM_STRING : RS_PARAM_ARRAY};
    }
    return 0;
}

static char *to_text(const struct rs_value *v)
{
    return v->used ? es_str2cstr(v->value.d.string, NULL) : strdup("");
}

static long long to_number(const struct rs_value *v)
{
    _cleanup_free_ char *text = to_text(v);
    char *end = text;
    long long n = text && *text ? strtoll(text, &end, 10) : -1;

    return v->used && text && *text && *end == '\0' ? n : -1;
}

static int add_value(struct parameters *p, size_t i, es_str_t *text)
{
    struct parameter_value *v = reallocarray(p->values, p->n + 1, sizeof *v);

    if (!v)
        return -ENOMEM;
    p->values = v;
    v[p->n] = (struct parameter_value){keys[i].section, keys[i].key, es_str2cstr(text, NULL)};
    return v[p->n++].value ? 0 : -ENOMEM;
}

static int add_values(struct parameters *p, size_t i, const struct rs_value *v)
{
    const struct rs_array *a = v->value.d.array;
    int r = 0;

    if (!v->used)
        return 0;
    if (items[i].type != RS_PARAM_ARRAY)
        return add_value(p, i, v->value.d.string);
    for (int k = 0; k < a->n && r >= 0; k++)
        r = add_value(p, i, a->items[k]);
    return r;
}

static bool is_direct(const struct rs_value *v)
{
    _cleanup_free_ char *type = to_text(v);

    return !v->used || (type && strcasecmp(type, "direct") == 0);
}

int parameters_read(struct nvlst *list, struct parameters *ret)
{
    struct parameters p = {0};
    struct rs_value *v = nvlstGetParams(list, &all, NULL);
    int r = 0;

    if (!v)
        return -EINVAL;
    p.name = to_text(&v[NAME]);
    p.config = to_text(&v[CONFIG]);
    p.body_template = to_text(&v[TEMPLATE]);
    p.meta_template = to_text(&v[META_TEMPLATE]);
    p.attributes_template = to_text(&v[ATTRIBUTES_TEMPLATE]);
    p.resume_retry_count = v[RESUME_RETRY_COUNT].used ? to_number(&v[RESUME_RETRY_COUNT]) : 0;
    p.has_queue = !is_direct(&v[QUEUE_TYPE]);
    p.queue_timeout_shutdown_msec = to_number(&v[QUEUE_TIMEOUT_SHUTDOWN]);
    if (!p.name || !p.config || !p.body_template || !p.meta_template || !p.attributes_template)
        r = -ENOMEM;
    for (size_t i = OWN_PARAMETERS; i < all.n && r >= 0; i++)
        r = add_values(&p, i, &v[i]);
    cnfparamvalsDestruct(v, &all);
    if (r < 0)
        parameters_free(&p);
    else
        *ret = p;
    return r;
}

void parameters_free(struct parameters *p)
{
    for (size_t i = 0; i < p->n; i++) {
        explicit_bzero(p->values[i].value, strlen(p->values[i].value)); /* a header may be a secret */
        free(p->values[i].value);
    }
    free(p->values);
    free(p->name);
    free(p->config);
    free(p->body_template);
    free(p->meta_template);
    free(p->attributes_template);
    *p = (struct parameters){0};
}

/* --- the configuration --- */

/* A file may be shared with azmonlog.service: what is about the journal, and where its state is, is not for us. */
static int set_from_file(void *userdata, const char *section, const char *key, const char *value, const char *where,
                         bool is_public, struct azm_error *err)
{
    if (strcmp(section, "journal") == 0 && strcmp(key, "max_body_bytes") != 0)
        return 0;
    if (strcmp(section, "relay") == 0 || (strcmp(section, "metrics") == 0 && strcmp(key, "heartbeat") != 0))
        return 0;
    if (strcmp(section, "state") == 0 && (strcmp(key, "directory") == 0 || strcmp(key, "control") == 0))
        return 0;
    return azm_config_set(userdata, section, key, value, where, is_public, err);
}

/* Everybody may be able to read where these stand. */
static int set_from_action(struct azm_config *c, const struct parameter_value *v, const char *where,
                           struct azm_error *err)
{
    _cleanup_free_ char *name = NULL;
    const char *equals = strchr(v->value, '=');

    if (strcmp(v->section, "resource") != 0)
        return azm_config_set(c, v->section, v->key, v->value, where, true, err);
    if (!equals)
        return azm_error_set(err, EINVAL, "%s: resource: '%s' is not name=value", where, v->value);
    name = strndup(v->value, (size_t)(equals - v->value));
    return name ? azm_config_set(c, "resource", name, equals + 1, where, true, err)
                : azm_error_set(err, ENOMEM, "out of memory");
}

/* The action, and the parameter where that is not the name of the key, which azm_config_set says. */
static void print_place(const struct parameter_value *v, const char *name, char ret[static 256])
{
    if (strcmp(v->section, "destination") == 0 || strcmp(v->section, "journal") == 0 ||
        strcmp(v->section, "resource") == 0)
        snprintf(ret, 256, "action \"%s\"", name);
    else
        snprintf(ret, 256, "action \"%s\", parameter %s.%s", name, v->section, v->key);
}

static int apply(const struct parameters *p, const char *name, struct azm_config *c, struct azm_error *err)
{
    bool forgotten = false;
    struct azm_error why;
    char where[160], place[256];
    int r = 0;

    snprintf(where, sizeof where, "action \"%s\"", name);
    for (size_t i = 0; i < p->n && r >= 0; i++) {
        const struct parameter_value *v = &p->values[i];

        if (!forgotten && azm_config_names_destination(v->section, v->key)) {
            forgotten = true; /* the file's or the environment's: this one goes before them */
            if (azm_config_forget_destination(c) < 0)
                return azm_error_set(err, ENOMEM, "out of memory");
        }
        print_place(v, name, place);
        r = set_from_action(c, v, place, err);
    }
    if (r >= 0 && strcmp(c->state_directory, AZM_DEFAULT_STATE_DIRECTORY) == 0) {
        char directory[sizeof AZM_ACTIONS_DIRECTORY + 256];

        snprintf(directory, sizeof directory, AZM_ACTIONS_DIRECTORY "/%s", name);
        r = azm_config_set(c, "state", "directory", directory, where, false, err);
    }
    if (r >= 0) {
        r = azm_config_check(c, &why);
        if (r < 0)
            azm_error_set(err, r, "%s: %s", where, why.words);
    }
    if (r >= 0 && c->spool_max_bytes / 4 < c->max_request_bytes) /* it takes a message's bytes twice */
        r = azm_error_set(
            err, EINVAL,
            "%s: state.spool_max_bytes=%zu is less than four times batch.max_request_bytes=%zu: a message "
            "might never fit into the spool; raise the one or lower the other",
            where, c->spool_max_bytes, c->max_request_bytes);
    if (r >= 0 && !azm_config_has_destination(c))
        r = azm_error_set(err, EINVAL,
                          "%s: no destination: set endpoint=, dce= and dcr=, or connection_string=", where);
    return r;
}

static int read_file(const struct parameters *p, const char *name, struct azm_config *c, struct azm_error *err)
{
    struct azm_error why;
    int r = azm_config_file_read(p->config, false, set_from_file, c, &why);

    return r < 0 ? azm_error_set(err, r, "action \"%s\": config: %s", name, why.words) : r;
}

int parameters_load(const struct parameters *p, const char *name, struct azm_config *ret, struct azm_error *err)
{
    int r = azm_config_init(ret);

    if (r < 0)
        azm_error_set(err, r, "out of memory");
    if (r >= 0 && *p->config)
        r = read_file(p, name, ret, err);
    if (r >= 0)
        r = azm_azure_env_apply(ret, err);
    if (r >= 0)
        r = azm_otel_env_apply(ret, err);
    if (r >= 0)
        r = apply(p, name, ret, err);
    if (r < 0)
        azm_config_free(ret);
    return r;
}
