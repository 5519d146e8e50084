/* SPDX-License-Identifier: MIT */
#include "core/utf8.h"
#include "source/service_name.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/test.h"

static struct azm_config config;
static struct azm_resources *resources;

/* Begins with `[resource] key=value` for each pair; NULL at the end. */
static void begin_with(const char *const *pairs)
{
    ck_assert_int_eq(azm_config_init(&config), 0);
    for (; pairs && *pairs; pairs += 2)
        ck_assert_int_eq(azm_config_set(&config, "resource", pairs[0], pairs[1], "test", false, NULL), 0);
    ck_assert_int_eq(azm_resources_new(&config, &resources), 0);
}

static void begin(void)
{
    begin_with(NULL);
}

static void end(void)
{
    resources = azm_resources_free(resources);
    azm_config_free(&config);
}

/* An entry's identity in C strings; NULL: the field is absent. */
struct who {
    const char *otel_service_name, *unit, *user_unit, *identifier, *comm, *transport, *pid, *host_name, *machine_id;
    uint8_t boot;
};

/* The resource of such an entry. The fields' memory is gone after the call, as it is with a journal's. */
static Otlp__Resource *resource_of(const struct who *w)
{
    const char *const given[] = {w->otel_service_name, w->unit, w->user_unit, w->identifier, w->comm,
                                 w->transport,         w->pid,  w->host_name, w->machine_id};
    struct azm_text copies[ELEMENTSOF(given)], ret = {0};
    struct azm_identity id;

    for (size_t i = 0; i < ELEMENTSOF(given); i++) {
        copies[i] = azm_text_of(given[i] ? strdup(given[i]) : NULL);
        ck_assert(!given[i] || copies[i].s);
    }
    id = (struct azm_identity){.otel_service_name = copies[0],
                               .unit = copies[1],
                               .user_unit = copies[2],
                               .identifier = copies[3],
                               .comm = copies[4],
                               .transport = copies[5],
                               .pid = copies[6],
                               .host_name = copies[7],
                               .machine_id = copies[8],
                               .boot = {.bytes = {w->boot}}};
    ck_assert_int_eq(azm_resources_get(resources, &id, &ret, NULL), 0);
    for (size_t i = 0; i < ELEMENTSOF(given); i++) {
        if (copies[i].len > 0)
            memset((char *)copies[i].s, '#', copies[i].len);
        free((char *)copies[i].s);
    }
    return otlp_decode_resource(ret);
}

static void check_attribute(const Otlp__Resource *m, const char *key, const char *expected)
{
    const Otlp__AnyValue *v = otlp_find(m->attributes, m->n_attributes, key);

    ck_assert_msg((v != NULL) == (expected != NULL), "%s is %s", key, v ? "there" : "not there");
    if (v)
        assert_text(otlp_string(v), expected);
}

static void check_service(const struct who *w, const char *expected)
{
    _cleanup_(otlp_free_resource) Otlp__Resource *m = resource_of(w);

    check_attribute(m, "service.name", expected);
}

#define SERVICE(expected, ...) check_service(&(struct who){__VA_ARGS__}, expected)

/* What an entry says of itself, from the strongest to the weakest. */
START_TEST(precedence)
{
    static const struct {
        struct who who;
        const char *service;
    } table[] = {
        {{.otel_service_name = "shop", .unit = "u.service", .identifier = "i", .comm = "c"}, "shop"},
        {{.otel_service_name = "shop", .transport = "kernel"}, "shop"},
        {{.otel_service_name = "", .unit = "u.service"}, "u"},
        {{.unit = "u.service", .identifier = "i", .comm = "c"}, "u"},
        {{.unit = "getty@tty1.service", .identifier = "agetty"}, "getty@tty1"},
        {{.unit = "a.service.service"}, "a.service"},
        {{.identifier = "i", .comm = "c"}, "i"},
        {{.comm = "c"}, "c"},
        {{0}, "unknown_service"},
        {{.pid = "77"}, "unknown_service"},

        /* where it ran is not what it is */
        {{.unit = "session-3.scope", .identifier = "sudo", .comm = "sudo"}, "sudo"},
        {{.unit = "init.scope", .identifier = "systemd"}, "systemd"},
        {{.unit = "user.slice", .comm = "c"}, "c"},
        {{.unit = "backup.mount", .identifier = "mount"}, "mount"},
        {{.unit = "session-3.scope"}, "session-3.scope"}, /* better than nothing */
        {{.unit = ".service", .identifier = "i"}, "i"},
        {{.unit = "myservice", .identifier = "i"}, "i"},

        /* a user's services run under user@1000.service */
        {{.unit = "user@1000.service", .user_unit = "app.service", .identifier = "i"}, "app"},
        {{.unit = "user@1000.service", .user_unit = "app-term.scope", .identifier = "i"}, "i"},
        {{.unit = "user@1000.service", .identifier = "systemd"}, "user@1000"},
        {{.unit = "u.service", .user_unit = "app.service"}, "u"},

        {{.transport = "kernel", .identifier = "kernel"}, "kernel"},
        {{.transport = "kernel", .unit = "u.service", .identifier = "i"}, "kernel"},
        {{.transport = "kernels", .identifier = "i"}, "i"},
        {{.transport = "stdout", .unit = "u.service"}, "u"},
        {{.identifier = "kernel", .transport = "syslog"}, "kernel"}, /* as rsyslog forwards it */
    };

    begin();
    for (int round = 0; round < 2; round++) /* the second time from the cache */
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
            check_service(&table[i].who, table[i].service);
    config.service_name_field = false; /* OTEL_SERVICE_NAME is not believed */
    SERVICE("u", .otel_service_name = "shop", .unit = "u.service");
    SERVICE("kernel", .otel_service_name = "shop", .transport = "kernel");
    end();

    begin_with((const char *const[]){"service.name", "configured", NULL});
    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        check_service(&table[i].who, "configured");
    end();
}
END_TEST

/* --- the unit of a process that is gone when journald looks for it --- */

START_TEST(a_dying_worker_keeps_its_role)
{
    begin();
    SERVICE("worker", .pid = "77", .identifier = "worker"); /* never seen with a unit */
    SERVICE("shop", .pid = "77", .unit = "shop.service", .identifier = "worker");
    SERVICE("shop", .pid = "77", .identifier = "worker");
    SERVICE("shop", .pid = "77", .comm = "python3");
    SERVICE("worker", .identifier = "worker");                         /* no pid */
    SERVICE("worker", .pid = "78", .identifier = "worker");            /* another process */
    SERVICE("worker", .pid = "77", .boot = 1, .identifier = "worker"); /* another boot */
    SERVICE("shop", .pid = "77", .identifier = "worker");
    end();
}
END_TEST

START_TEST(a_pid_used_again_belongs_to_the_newest)
{
    begin();
    SERVICE("a", .pid = "77", .unit = "a.service");
    SERVICE("b", .pid = "77", .unit = "b.service");
    SERVICE("b", .pid = "77", .identifier = "i");
    SERVICE("i", .pid = "77", .unit = "session-3.scope", .identifier = "i"); /* now it is somebody's shell */
    SERVICE("i", .pid = "77", .identifier = "i");
    SERVICE("c", .pid = "77", .boot = 1, .unit = "c.service");
    SERVICE("c", .pid = "77", .boot = 1, .identifier = "i");
    SERVICE("c", .pid = "77", .boot = 2, .unit = "c.service"); /* the same service after the next boot */
    SERVICE("c", .pid = "77", .boot = 2, .identifier = "i");
    end();
}
END_TEST

/* Many processes at once. A host with more than some thousands may forget some, but never mixes them up. */
START_TEST(many_processes)
{
    char pid[16], unit[32], service[32];
    size_t remembered = 0;

    begin();
    for (unsigned i = 1; i <= 10000; i++) {
        snprintf(pid, sizeof pid, "%u", i);
        snprintf(unit, sizeof unit, "s%u.service", i % 1000);
        snprintf(service, sizeof service, "s%u", i % 1000);
        SERVICE(service, .pid = pid, .unit = unit);
    }
    for (unsigned i = 1; i <= 10000; i++) {
        _cleanup_(otlp_free_resource) Otlp__Resource *m = NULL;
        struct azm_text name;

        snprintf(pid, sizeof pid, "%u", i);
        snprintf(service, sizeof service, "s%u", i % 1000);
        m = resource_of(&(struct who){.pid = pid, .identifier = "i"});
        name = otlp_string(otlp_find(m->attributes, m->n_attributes, "service.name"));
        if (!azm_text_equal(name, AZM_TEXT("i"))) {
            assert_text(name, service);
            remembered++;
        }
    }
    ck_assert_uint_ge(remembered, 1000);

    for (unsigned distance = 1; distance < 1 << 22;
         distance *= 2) { /* two workers of one service: the newest is known */
        SERVICE("shop", .pid = "77", .unit = "shop.service");
        snprintf(pid, sizeof pid, "%u", 77 + distance);
        SERVICE("shop", .pid = pid, .unit = "shop.service");
        SERVICE("shop", .pid = pid, .identifier = "i");
    }
    end();
}
END_TEST

/* Hosts in one folder have the same process ids: none has another one's unit, and none pushes the others' out. */
START_TEST(the_same_process_id_on_many_hosts)
{
    char host[16], unit[32], service[32];
    unsigned forgotten = 0;

    begin();
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 100; i++) {
            _cleanup_(otlp_free_resource) Otlp__Resource *m = NULL;
            struct azm_text name;

            snprintf(host, sizeof host, "h%u", i);
            snprintf(unit, sizeof unit, "s%u.service", i);
            snprintf(service, sizeof service, "s%u", i);
            m = resource_of(&(struct who){.pid = "77",
                                          .boot = (uint8_t)i,
                                          .host_name = host,
                                          .identifier = "i",
                                          .unit = round == 0 ? unit : NULL});
            name = otlp_string(otlp_find(m->attributes, m->n_attributes, "service.name"));
            if (round > 0 && azm_text_equal(name, AZM_TEXT("i")))
                forgotten++;
            else
                assert_text(name, service);
            check_attribute(m, "host.name", host);
        }
    ck_assert_uint_le(forgotten, 5); /* of two that fall together one is */
    end();
}
END_TEST

START_TEST(pids_that_are_none)
{
    static const char *const pids[] = {
        "", "0", "-77", "77x", "x", " 77", "4294967373", "10000000000", "99999999999999999999"};

    begin();
    SERVICE("shop", .pid = "77", .unit = "shop.service");
    for (size_t i = 0; i < ELEMENTSOF(pids); i++) { /* neither remembered nor taken for 77 */
        SERVICE("other", .pid = pids[i], .unit = "other.service");
        SERVICE("i", .pid = pids[i], .identifier = "i");
    }
    SERVICE("shop", .pid = "77", .identifier = "i");
    SERVICE("top", .pid = "4294967295", .unit = "top.service");
    SERVICE("top", .pid = "4294967295", .identifier = "i");
    end();
}
END_TEST

START_TEST(a_user_service_is_remembered_as_itself)
{
    begin();
    SERVICE("app", .pid = "77", .unit = "user@1000.service", .user_unit = "app.service", .identifier = "i");
    SERVICE("app", .pid = "77", .identifier = "i");
    end();
}
END_TEST

/* --- the resource --- */

START_TEST(all_of_the_resource)
{
    const struct who w = {.unit = "nginx.service",
                          .user_unit = "app.service",
                          .comm = "nginx",
                          .identifier = "nginx: worker",
                          .host_name = "web1",
                          .machine_id = "0123456789abcdef"};
    Otlp__Resource *m;

    begin();
    m = resource_of(&w);
    check_attribute(m, "service.name", "nginx");
    check_attribute(m, "service.instance.id", "web1");
    check_attribute(m, "host.name", "web1");
    check_attribute(m, "host.id", "0123456789abcdef");
    check_attribute(m, "os.type", "linux");
    check_attribute(m, "systemd.unit", "nginx.service");
    check_attribute(m, "systemd.user_unit", "app.service");
    check_attribute(m, "process.executable.name", "nginx");
    check_attribute(m, "syslog.identifier", "nginx: worker");
    ck_assert_uint_eq(m->n_attributes, 9);
    otlp_free_resource(&m);

    m = resource_of(&(struct who){.unit = "nginx.service"}); /* nothing empty is sent */
    check_attribute(m, "host.name", NULL);
    check_attribute(m, "host.id", NULL);
    check_attribute(m, "service.instance.id", NULL);
    ck_assert_uint_eq(m->n_attributes, 3);
    otlp_free_resource(&m);
    end();
    begin();
    config.fields = AZM_FIELDS_MINIMAL;
    m = resource_of(&w);
    ck_assert_uint_eq(m->n_attributes, 5);
    otlp_free_resource(&m);
    end();
}
END_TEST

/* One service, many names: each has the resource that says so, also when the service's name is the same. */
START_TEST(every_name_makes_a_resource)
{
    static const struct who table[] = {
        {.otel_service_name = "s"},
        {.otel_service_name = "s", .unit = "a"},
        {.otel_service_name = "s", .user_unit = "a"},
        {.otel_service_name = "s", .comm = "a"},
        {.otel_service_name = "s", .identifier = "a"},
        {.otel_service_name = "s", .unit = "b", .user_unit = "c"},
        {.otel_service_name = "s", .unit = "bc"},
        {.otel_service_name = "s", .user_unit = "bc"},
        {.otel_service_name = "s", .host_name = "a"},
        {.otel_service_name = "s", .machine_id = "a"},
    };

    begin();
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
            Otlp__Resource *m = resource_of(&table[i]);

            check_attribute(m, "service.name", "s");
            check_attribute(m, "systemd.unit", table[i].unit);
            check_attribute(m, "systemd.user_unit", table[i].user_unit);
            check_attribute(m, "process.executable.name", table[i].comm);
            check_attribute(m, "syslog.identifier", table[i].identifier);
            check_attribute(m, "host.name", table[i].host_name);
            check_attribute(m, "host.id", table[i].machine_id);
            otlp_free_resource(&m);
        }
    end();
}
END_TEST

START_TEST(configured_attributes_win)
{
    static const char *const pairs[] = {"service.namespace",
                                        "shop",
                                        "service.name",
                                        "front",
                                        "host.id",
                                        "vm-1",
                                        "service.instance.id",
                                        "blue",
                                        "deployment.environment.name",
                                        "test",
                                        "os.type",
                                        "bsd",
                                        NULL};
    Otlp__Resource *m;

    begin_with(pairs);
    m = resource_of(
        &(struct who){.otel_service_name = "x", .unit = "nginx.service", .host_name = "web1", .machine_id = "0123"});
    for (size_t i = 0; pairs[i]; i += 2)
        check_attribute(m, pairs[i], pairs[i + 1]); /* each is there once */
    check_attribute(m, "host.name", "web1");
    ck_assert_uint_eq(m->n_attributes, 8);
    otlp_free_resource(&m);
    end();
}
END_TEST

/* A key is a protobuf string as well: a configuration file in Latin-1 is refused, or does no harm. */
START_TEST(configured_keys_are_valid)
{
    Otlp__Resource *m;

    begin();
    if (azm_config_set(&config, "resource", "d\xE9pot", "\xE9", "test", false, NULL) == 0) {
        m = resource_of(&(struct who){.comm = "c"});
        for (size_t i = 0; i < m->n_attributes; i++)
            ck_assert_uint_eq(azm_utf8_valid_prefix(m->attributes[i]->key, strlen(m->attributes[i]->key)),
                              strlen(m->attributes[i]->key));
        otlp_free_resource(&m);
    }
    end();
}
END_TEST

/* Journals of several hosts in one directory: the same service on two hosts is two resources. */
START_TEST(host_and_machine_belong_to_the_resource)
{
    static const struct who hosts[] = {
        {.unit = "nginx.service", .host_name = "web1", .machine_id = "aa"},
        {.unit = "nginx.service", .host_name = "web2", .machine_id = "aa"},
        {.unit = "nginx.service", .host_name = "web1", .machine_id = "bb"},
        {.unit = "nginx.service", .host_name = "web1"},
        {.unit = "nginx.service", .machine_id = "web1"},
    };

    begin();
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
            _cleanup_(otlp_free_resource) Otlp__Resource *m = resource_of(&hosts[i]);

            check_attribute(m, "service.name", "nginx");
            check_attribute(m, "host.name", hosts[i].host_name);
            check_attribute(m, "service.instance.id", hosts[i].host_name);
            check_attribute(m, "host.id", hosts[i].machine_id);
        }
    end();
}
END_TEST

/* More services than are kept encoded: each has its own resource every time. */
START_TEST(more_than_256_services)
{
    char unit[48], service[32];

    begin();
    for (int round = 0; round < 3; round++)
        for (unsigned i = 0; i < 2000; i++) {
            snprintf(service, sizeof service, "s%u", i);
            snprintf(unit, sizeof unit, "%s.service", service);
            SERVICE(service, .unit = unit, .host_name = "web1");
        }
    end();
}
END_TEST

/* A unit's name has at most 255 bytes. Longer names, which a program may send, are cut, and are still text. */
START_TEST(long_names)
{
    char name[1024], unit[300];

    begin();
    for (size_t len = 240; len <= 255; len++) {
        snprintf(unit, sizeof unit, "%0*d.service", (int)(len - strlen(".service")), 7);
        snprintf(name, sizeof name, "%0*d", (int)(len - strlen(".service")), 7);
        SERVICE(name, .unit = unit, .pid = "77");
        SERVICE(name, .pid = "77", .identifier = "i"); /* and is remembered whole */
    }
    name[0] = 'x';
    for (size_t i = 1; i + 2 < sizeof name; i += 2)
        memcpy(name + i, "\xC3\xA9", 3);
    for (size_t shift = 0; shift < 2; shift++) { /* the 255th byte ends a character, or does not */
        _cleanup_(otlp_free_resource) Otlp__Resource *m = resource_of(&(struct who){.otel_service_name = name + shift});
        struct azm_text t = otlp_string(otlp_find(m->attributes, m->n_attributes, "service.name"));

        ck_assert_uint_eq(t.len, shift == 0 ? 255 : 254);
        ck_assert_int_eq(memcmp(t.s, name + shift, t.len), 0);
    }
    memset(name, 0x80, sizeof name - 1); /* not text: each byte becomes U+FFFD */
    {
        _cleanup_(otlp_free_resource) Otlp__Resource *m = resource_of(&(struct who){.otel_service_name = name});
        struct azm_text t = otlp_string(otlp_find(m->attributes, m->n_attributes, "service.name"));

        ck_assert_uint_eq(t.len, 3 * 255);
    }
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "precedence", precedence);
    add_test(s, "a_dying_worker_keeps_its_role", a_dying_worker_keeps_its_role);
    add_test(s, "a_pid_used_again_belongs_to_the_newest", a_pid_used_again_belongs_to_the_newest);
    add_test(s, "many_processes", many_processes);
    add_test(s, "the_same_process_id_on_many_hosts", the_same_process_id_on_many_hosts);
    add_test(s, "pids_that_are_none", pids_that_are_none);
    add_test(s, "a_user_service_is_remembered_as_itself", a_user_service_is_remembered_as_itself);
    add_test(s, "all_of_the_resource", all_of_the_resource);
    add_test(s, "every_name_makes_a_resource", every_name_makes_a_resource);
    add_test(s, "configured_attributes_win", configured_attributes_win);
    add_test(s, "configured_keys_are_valid", configured_keys_are_valid);
    add_test(s, "host_and_machine_belong_to_the_resource", host_and_machine_belong_to_the_resource);
    add_test(s, "more_than_256_services", more_than_256_services);
    add_test(s, "long_names", long_names);
}

TEST_MAIN("service_name", add_tests)
