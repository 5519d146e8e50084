/* SPDX-License-Identifier: MIT */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/utf8.h"
#include "stream/kafka.h"

#define AUTHORIZE                                                                                                      \
    "the user may not do this; docs/delivery.md, \"Through Kafka or Event Hubs\", has the ACLs for hosts and relays"
#define CREATE "create the topic (kafka-topics.sh --create), or the event hub; is its name in the URL right?"
#define SMALLER                                                                                                        \
    "the topic takes only smaller messages: raise its max.message.bytes (Event Hubs: by the tier), or lower [batch] "  \
    "max_request_bytes"
#define WHO                                                                                                            \
    "check the user in the URL and what is in password_file=; of Event Hubs: kafkas://$ConnectionString@..., and the " \
    "whole connection string in the file"
/* librdkafka's answer to the brokers was wrong until then, which Kafka lets pass before 4.0 only (its pull request
 * 4895). */
#define SCRAM_WELL 0x020601ff
#define SCRAM                                                                                                          \
    "if user and password are right: SCRAM with Kafka 4.0 and later needs librdkafka 2.6.1 (Debian 13), and this one " \
    "is older: use sasl_mechanism=PLAIN, or certificates"
#define REPLICAS                                                                                                       \
    "fewer replicas are in step than the topic's min.insync.replicas: kafka-topics.sh --describe shows which"

/* What is not here holds delivery until somebody has looked at it. */
static const struct rule {
    rd_kafka_resp_err_t code;
    enum azm_meaning meaning;
    const char *remedy;
} rules[] = {
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, AZM_UNAUTHORIZED, WHO},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, AZM_UNAUTHORIZED, WHO},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, AZM_MISCONFIGURED, "check sasl_mechanism="},
    {RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE, AZM_MISCONFIGURED, "this listener wants no user: take it out of the URL"},
    {RD_KAFKA_RESP_ERR__SSL, AZM_UNREACHABLE, "is this the port for TLS?"}, /* but for certificates, see below */
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, AZM_MISCONFIGURED, AUTHORIZE},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, AZM_MISCONFIGURED, AUTHORIZE},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, AZM_MISCONFIGURED, AUTHORIZE},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, AZM_MISCONFIGURED, CREATE},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, AZM_MISCONFIGURED, CREATE},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, AZM_MISCONFIGURED, CREATE},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, AZM_TOO_LARGE, SMALLER},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, AZM_TOO_LARGE, SMALLER},
    {RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT, AZM_MISCONFIGURED,
     "[relay] claim_after= has to be between the brokers' group.min.session.timeout.ms and "
     "group.max.session.timeout.ms"},
    {RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL, AZM_MISCONFIGURED,
     "other programs are in this group: name one of its own with [relay] group="},
    {RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED, AZM_MISCONFIGURED,
     "the group is full: raise the brokers' group.max.size"},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, AZM_MISCONFIGURED, "Kafka 0.11 or later is needed"},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, AZM_MISCONFIGURED, "Kafka 0.11 or later is needed"},

    {RD_KAFKA_RESP_ERR__TRANSPORT, AZM_UNREACHABLE, NULL},
    {RD_KAFKA_RESP_ERR__RESOLVE, AZM_UNREACHABLE, NULL},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, AZM_UNREACHABLE, NULL},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, AZM_UNREACHABLE, NULL},
    {RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, AZM_UNREACHABLE, NULL},

    {RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, AZM_THROTTLED, NULL},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, AZM_OVERLOADED, REPLICAS},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, AZM_OVERLOADED, REPLICAS},
    {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, AZM_OVERLOADED, "a broker cannot write: look into its log, free its disk"},
    {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_NOT_COORDINATOR, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR__WAIT_COORD, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, AZM_OVERLOADED, NULL},

    /* A producer that has come out of step is replaced by a new one: it is not about the data. */
    {RD_KAFKA_RESP_ERR__FATAL, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR__INCONSISTENT, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, AZM_OVERLOADED, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, AZM_OVERLOADED, NULL},

    {RD_KAFKA_RESP_ERR_UNKNOWN, AZM_FAILED, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, AZM_FAILED, NULL},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, AZM_FAILED,
     "is a broker overloaded, or are fewer replicas in step than the topic's min.insync.replicas?"},
};

/* librdkafka says behind it how long and how often, which would make each one another. */
static size_t without_count(const char *words)
{
    const char *end = strstr(words, " (after ");

    return end ? (size_t)(end - words) : strlen(words);
}

void azm_kafka_understand(int code, const char *words, struct azm_stream_answer *ret)
{
    size_t shown;

    if (!words || !*words)
        words = rd_kafka_err2str((rd_kafka_resp_err_t)code);
    *ret = (struct azm_stream_answer){.meaning = AZM_MISCONFIGURED,
                                      .remedy = "look into the logs of the brokers; is it Kafka 0.11 or later?"};
    for (size_t i = 0; i < ELEMENTSOF(rules); i++)
        if (rules[i].code == (rd_kafka_resp_err_t)code) {
            ret->meaning = rules[i].meaning;
            ret->remedy = rules[i].remedy;
        }
    if (code == RD_KAFKA_RESP_ERR__SSL && strcasestr(words, "certificate")) {
        ret->meaning = AZM_MISCONFIGURED;
        ret->remedy =
            "the brokers' certificate is not trusted: tls_ca_file= names who has issued it, and the URL has to "
            "name the host that it is for";
    }
    if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION && strstr(words, "SCRAM") && rd_kafka_version() < SCRAM_WELL)
        ret->remedy = SCRAM;
    shown = MIN(without_count(words), sizeof ret->words - sizeof "Kafka: ");
    shown = azm_utf8_valid_prefix(words, shown); /* not cut within a character */
    snprintf(ret->words, sizeof ret->words, "Kafka: %.*s", (int)shown, words);
    azm_utf8_blank_controls(ret->words, strlen(ret->words));
}
