/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/status_health.h"
#include "cli/words.h"

static const struct {
    const char *condition;
    int exit_code;
} conditions[] = {{"well", 0}, {"behind", 1}, {"throttled", 1}, {"held", 2}, {"down", 3}};

static struct status_health guess(const json_t *status)
{
    const json_t *error = json_object_get(status, "error");
    const char *state = azm_json_string(status, "state");
    struct status_health h = {
        .condition = !state                           ? NULL
                     : strcmp(state, "held") == 0     ? "held"
                     : strcmp(state, "retrying") == 0 ? "behind"
                                                      : "well",
        .since = azm_json_string(error, "since"),
        .reason = azm_json_string(error, "reason"),
        .remedy = azm_json_string(error, "remedy"),
    };

    if (json_is_string(error)) /* it could not be asked */
        h = (struct status_health){.condition = "down", .reason = json_string_value(error)};
    return h;
}

struct status_health status_health(const json_t *status)
{
    const json_t *health = json_object_get(status, "health");

    if (!azm_json_string(health, "condition"))
        return guess(status);
    return (struct status_health){
        .condition = azm_json_string(health, "condition"),
        .since = azm_json_string(health, "since"),
        .reason = azm_json_string(health, "reason"),
        .remedy = azm_json_string(health, "remedy"),
    };
}

int status_exit_code(const json_t *status)
{
    const char *condition = status_health(status).condition;

    for (size_t i = 0; condition && i < ELEMENTSOF(conditions); i++)
        if (strcmp(condition, conditions[i].condition) == 0)
            return conditions[i].exit_code;
    return 0;
}

const json_t *status_worst(const json_t *statuses)
{
    const json_t *status, *worst = NULL;
    size_t i;

    json_array_foreach(statuses, i, status)
    {
        if (!worst || status_exit_code(status) > status_exit_code(worst))
            worst = status;
    }
    return worst;
}
