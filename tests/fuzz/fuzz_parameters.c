/* SPDX-License-Identifier: MIT */
#include "plugin/parameters.h"
#include "tests/fuzz/fuzz.h"

/* The parameters of action(type="omazuremonitor" ...), as rsyslogd's parser hands them over: pairs of which one and its
 * text. They make a configuration, or an error that names the action. */

struct nvlst {
    struct fuzz_input in;
};

#define CONFIG_FILE 1 /* config=: names a file; the target `config` has what is in it */

/* rsyslogd's, as far as the module uses them. */
struct rs_value *nvlstGetParams(struct nvlst *list, struct rs_parameters *p, struct rs_value *values)
{
    values = calloc(p->n, sizeof *values);
    require(values);
    while (list->in.size > 0) {
        size_t i = fuzz_byte(&list->in) % p->n;
        char *text = fuzz_string(&list->in);
        struct rs_value *v = &values[i];

        if (i == CONFIG_FILE)
            continue;
        if (p->items[i].type == RS_PARAM_ARRAY) {
            struct rs_array *a = v->value.d.array;

            if (!a) {
                a = v->value.d.array = calloc(1, sizeof *a);
                require(a);
            }
            a->items = reallocarray(a->items, (size_t)a->n + 1, sizeof *a->items);
            require(a->items);
            a->items[a->n++] = es_newStrFromCStr(text, (es_size_t)strlen(text));
        } else {
            if (v->value.d.string)
                es_deleteStr(v->value.d.string);
            v->value.d.string = es_newStrFromCStr(text, (es_size_t)strlen(text));
        }
        v->used = 1;
    }
    return values;
}

void cnfparamvalsDestruct(const struct rs_value *values, const struct rs_parameters *p)
{
    for (size_t i = 0; i < p->n; i++) {
        struct rs_array *a = values[i].value.d.array;

        if (!values[i].used)
            continue;
        if (p->items[i].type == RS_PARAM_ARRAY) {
            for (int k = 0; k < a->n; k++)
                es_deleteStr(a->items[k]);
            free(a->items);
            free(a);
        } else
            es_deleteStr(values[i].value.d.string);
    }
    free((void *)values);
}

FUZZ_TARGET(parameters)
{
    static bool initialised;
    struct nvlst list = {in};
    struct parameters p;
    struct azm_config c;
    struct azm_error err = {""};
    int r;

    if (!initialised)
        require(parameters_init() == 0);
    initialised = true;
    require(parameters_read(&list, &p) == 0);
    r = parameters_load(&p, "a", &c, &err);
    require((r < 0) == (*err.words != '\0'));
    require(r == 0 || strstr(err.words, "action \"a\""));
    if (r == 0) {
        require(azm_config_has_destination(&c) && azm_config_check(&c, &err) == 0);
        azm_config_free(&c);
    }
    parameters_free(&p);
}
