/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "export/http.h"
#include "plugin/action.h"
#include "plugin/statistics.h"

/* What rsyslogd calls. Glue only: an action is plugin/action.c.
 *
 * modInit and newActInst run before rsyslogd becomes a daemon, and also for `rsyslogd -N1`: they open nothing and write
 * nothing. activateCnf runs in the daemon, after privileges are dropped. createWrkrInstance, beginTransaction,
 * commitTransaction and tryResume run on rsyslog's workers, doHUP and freeInstance on its main thread. */

#define NAME "omazuremonitor"
#define TEMPLATES_MAX 4
#define QUEUE_TIMEOUT_MIN_MSEC 5000

/* The actions of the configuration that is being loaded, and that of the running rsyslogd: there is one. */
static struct instance {
    struct instance *next;
    struct action *action;
    /* The place of each template among a message's texts; -1: it was not asked for. The line is the first one. */
    int body, meta, attributes, n;
} * instances;

struct worker_instance {
    struct instance *instance;
    struct worker *worker;
};

/* --- the module --- */

static rs_ret mod_exit(void)
{
    return RS_OK;
}

static rs_ret mod_get_id(void **ret)
{
    static int id;

    *ret = &id;
    return RS_OK;
}

static rs_ret get_type(int *ret)
{
    *ret = RS_MODULE_OUTPUT;
    return RS_OK;
}

static rs_ret get_keep_type(int *ret)
{
    *ret = RS_MODULE_KEEP;
    return RS_OK;
}

static rs_ret get_conf_name(unsigned char **ret)
{
    *ret = (unsigned char *)NAME;
    return RS_OK;
}

static rs_ret is_compatible(int feature)
{
    (void)feature;
    return RS_INCOMPATIBLE;
}

static rs_ret parse_selector_action(unsigned char **line, void **data, void **templates)
{
    (void)data;
    (void)templates;
    if (strncmp((const char *)*line, ":" NAME ":", sizeof ":" NAME ":" - 1) == 0) {
        LogMsg(0, RS_LEGACY_NOT_SUPPORTED, LOG_ERR,
               NAME ": there is no legacy syntax; write action(type=\"" NAME "\" endpoint=\"...\")");
        return RS_LEGACY_NOT_SUPPORTED;
    }
    return RS_CONFLINE_UNPROCESSED;
}

static rs_ret debug_print(void *data)
{
    (void)data;
    return RS_OK;
}

/* --- configuration --- */

static rs_ret begin_config(void **ret, void *config)
{
    (void)config;
    *ret = &instances; /* rsyslog wants something that is not NULL */
    return RS_OK;
}

static rs_ret nothing_to_do(void *data)
{
    (void)data;
    return RS_OK;
}

static rs_ret activate(void *data)
{
    (void)data;
    for (struct instance *i = instances; i; i = i->next)
        action_start(i->action);
    return RS_OK;
}

/* rsyslogd -N1 shows errors only, and then fails. */
static void warn(const struct action *a, const char *words)
{
    if (&iConfigVerify && iConfigVerify)
        fprintf(stderr, "rsyslogd: " NAME "[%s]: warning: %s\n", action_name(a), words);
    else
        LogMsg(0, RS_NO_CODE, LOG_WARNING, NAME "[%s]: %s", action_name(a), words);
}

/* What rsyslog does by default with messages that an action cannot take loses them. */
static void warn_of_losses(const struct action *a)
{
    const struct parameters *p = action_parameters(a);

    if (p->resume_retry_count != -1)
        warn(a, "rsyslog gives messages up while the spool is full or its disk fails; add to this action: "
                "action.resumeRetryCount=\"-1\"");
    if (p->has_queue && p->queue_timeout_shutdown_msec < QUEUE_TIMEOUT_MIN_MSEC)
        warn(a, "rsyslog drops what is in this action's queue when it stops; add to this action: "
                "queue.timeoutShutdown=\"10000\"");
}

/* Asks for one more template: its place among the texts, or -1 if there is no such template. */
static int want_template(struct instance *i, const char *names[], const char *name)
{
    if (!*name)
        return -1;
    names[i->n] = name;
    return i->n++;
}

static rs_ret ask_for_templates(struct instance *i, struct rs_templates **ret)
{
    const struct parameters *p = action_parameters(i->action);
    const char *names[TEMPLATES_MAX];
    rs_ret r;

    want_template(i, names, "RSYSLOG_SyslogProtocol23Format");
    i->body = want_template(i, names, p->body_template);
    i->meta = want_template(i, names, p->meta_template);
    i->attributes = want_template(i, names, p->attributes_template);
    r = OMSRconstruct(ret, i->n);
    for (int k = 0; k < i->n && r == RS_OK; k++) {
        char *name = strdup(names[k]);

        r = name ? OMSRsetEntry(*ret, k, (unsigned char *)name, 0) : RS_OUT_OF_MEMORY;
    }
    return r;
}

static rs_ret free_instance(void *data)
{
    struct instance *i = data, **link = &instances;

    while (*link && *link != i)
        link = &(*link)->next;
    if (*link)
        *link = i->next;
    if (i)
        action_free(i->action);
    free(i);
    return RS_OK;
}

/* Two actions would have one spool. */
static bool has_directory_of_another(const struct action *a)
{
    const char *directory = action_config(a)->state_directory;

    for (const struct instance *i = instances; i; i = i->next)
        if (strcmp(action_config(i->action)->state_directory, directory) == 0) {
            LogMsg(0, RS_PARAM_ERROR, LOG_ERR,
                   NAME ": action \"%s\": its state directory %s is that of action \"%s\" as well; give each action a "
                        "name= or a state.directory= of its own",
                   action_name(a), directory, action_name(i->action));
            return true;
        }
    return false;
}

static rs_ret new_action(unsigned char *module, struct nvlst *list, void **ret, struct rs_templates **ret_templates)
{
    struct instance *i = calloc(1, sizeof *i);
    struct parameters p = {0};
    struct azm_error err;
    rs_ret r = RS_PARAM_ERROR;

    (void)module;
    *ret_templates = NULL;
    if (!i)
        return RS_OUT_OF_MEMORY;
    if (parameters_read(list, &p) < 0) {
        free(i);
        return RS_MISSING_PARAMETERS; /* rsyslog has said what is wrong */
    }
    if (action_new(&p, &i->action, &err) < 0)
        LogMsg(0, RS_PARAM_ERROR, LOG_ERR, NAME ": %s", err.words);
    else if (!has_directory_of_another(i->action)) {
        warn_of_losses(i->action);
        r = ask_for_templates(i, ret_templates);
    }
    parameters_free(&p);
    if (r != RS_OK) {
        action_free(i->action);
        free(i);
        return r;
    }
    i->next = instances;
    instances = i;
    *ret = i;
    return RS_OK;
}

static rs_ret do_hup(void *data)
{
    const struct instance *i = data;

    action_reload(i->action);
    return RS_OK;
}

/* --- messages --- */

static rs_ret create_worker(void **ret, void *data)
{
    struct worker_instance *w = calloc(1, sizeof *w);

    if (!w)
        return RS_OUT_OF_MEMORY;
    w->instance = data;
    if (worker_new(action_config(w->instance->action), action_rules(w->instance->action), &w->worker) < 0) {
        free(w);
        return RS_OUT_OF_MEMORY;
    }
    *ret = w;
    return RS_OK;
}

static rs_ret free_worker(void *data)
{
    struct worker_instance *w = data;

    if (w)
        worker_free(w->worker);
    free(w);
    return RS_OK;
}

static rs_ret try_resume(void *data)
{
    struct action *a = ((struct worker_instance *)data)->instance->action;

    azm_log_as(action_name(a));
    return action_probe(a) < 0 ? RS_SUSPENDED : RS_OK;
}

/* That it is down is said here, before messages are handed over: rsyslog loses at a stop what it has handed over. */
static rs_ret begin_transaction(void *data)
{
    struct action *a = ((struct worker_instance *)data)->instance->action;

    return action_is_down(a) ? try_resume(data) : RS_OK;
}

/* The text of one of rsyslog's templates, which sets no length for some of them. */
static struct azm_text text_of(const struct rs_text *t)
{
    const char *s = (const char *)t->param;

    return s ? (struct azm_text){s, t->len > 0 ? t->len : strlen(s)} : (struct azm_text){"", 0};
}

static int add_message(const struct worker_instance *w, const struct rs_text *texts)
{
    const struct instance *i = w->instance;
    struct worker_message m = {.line = text_of(&texts[0])};

    m.has_body = i->body >= 0;
    if (i->body >= 0)
        m.body = text_of(&texts[i->body]);
    if (i->meta >= 0)
        m.meta = text_of(&texts[i->meta]);
    if (i->attributes >= 0)
        m.attributes = text_of(&texts[i->attributes]);
    return worker_add(w->worker, &m);
}

/* Puts all of them on disk, or none; those that are left out leave no row. */
static int commit(const struct worker_instance *w, const struct rs_text *texts, unsigned n)
{
    struct action *a = w->instance->action;
    uint64_t held_back = action_held_back(a);
    struct azm_spool_row *row;
    int r = worker_begin(w->worker);

    for (unsigned k = 0; k < n && r >= 0; k++)
        r = add_message(w, texts + (size_t)k * (size_t)w->instance->n);
    if (r >= 0)
        r = action_save_held_back(a, held_back);
    if (r >= 0)
        r = worker_row(w->worker, &row);
    if (r >= 0 && row->records > 0)
        r = action_append(a, row);
    return r;
}

static rs_ret commit_transaction(void *data, struct rs_text *texts, unsigned n)
{
    const struct worker_instance *w = data;
    int before, r;

    /* A worker that takes long is cancelled when rsyslogd stops: the messages would be lost, and the spool's lock would
     * stay locked. The disk bounds the time that this takes. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    azm_log_as(action_name(w->instance->action));
    r = commit(w, texts, n);
    pthread_setcancelstate(before, NULL);
    return r < 0 ? RS_SUSPENDED : RS_OK;
}

/* --- the way in --- */

static rs_ret query(unsigned char *name, rs_function *ret)
{
    static const struct {
        const char *name;
        rs_function function;
    } entries[] = {
        {"modExit", (rs_function)mod_exit},
        {"modGetID", (rs_function)mod_get_id},
        {"getType", (rs_function)get_type},
        {"getKeepType", (rs_function)get_keep_type},
        {"getModCnfName", (rs_function)get_conf_name},
        {"isCompatibleWithFeature", (rs_function)is_compatible},
        {"parseSelectorAct", (rs_function)parse_selector_action},
        {"dbgPrintInstInfo", (rs_function)debug_print},
        {"beginCnfLoad", (rs_function)begin_config},
        {"endCnfLoad", (rs_function)nothing_to_do},
        {"checkCnf", (rs_function)nothing_to_do},
        {"activateCnf", (rs_function)activate},
        {"freeCnf", (rs_function)nothing_to_do},
        {"newActInst", (rs_function)new_action},
        {"freeInstance", (rs_function)free_instance},
        {"createWrkrInstance", (rs_function)create_worker},
        {"freeWrkrInstance", (rs_function)free_worker},
        {"tryResume", (rs_function)try_resume},
        {"beginTransaction", (rs_function)begin_transaction},
        {"commitTransaction", (rs_function)commit_transaction},
        {"doHUP", (rs_function)do_hup},
    };

    if (!name || !ret)
        return RS_PARAM_ERROR;
    *ret = NULL;
    for (size_t i = 0; i < ELEMENTSOF(entries); i++)
        if (strcmp((const char *)name, entries[i].name) == 0) {
            *ret = entries[i].function;
            return RS_OK;
        }
    return RS_MODULE_ENTRY_NOT_FOUND;
}

__attribute__((visibility("default"))) rs_ret modInit(int wanted_version, int *ret_version,
                                                      rs_ret (**ret_query)(unsigned char *name, rs_function *ret),
                                                      rs_ret (*host)(unsigned char *name, rs_function *ret),
                                                      void *module);

rs_ret modInit(int wanted_version, int *ret_version, rs_ret (**ret_query)(unsigned char *name, rs_function *ret),
               rs_ret (*host)(unsigned char *name, rs_function *ret), void *module)
{
    struct azm_error err;

    (void)wanted_version;
    (void)module;
    if (azm_http_global_init(&err) < 0 || parameters_init() < 0)
        return RS_OUT_OF_MEMORY;
    statistics_init(host);
    *ret_version = RS_INTERFACE_VERSION;
    *ret_query = query;
    return RS_OK;
}
