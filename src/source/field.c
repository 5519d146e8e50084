/* SPDX-License-Identifier: MIT */
#include "source/field.h"

#define STANDARD AZM_FIELD_STANDARD
#define FULL AZM_FIELDS_FULL
#define NEVER 0
#define SPECIAL(member) offsetof(struct azm_entry_special, member)

const struct azm_field azm_fields[AZM_FIELD_ROWS] = {
    {AZM_TEXT("_PID"), SPECIAL(identity.pid), AZM_TEXT("process.pid"), STANDARD, true, true},
    {AZM_TEXT("_COMM"), SPECIAL(identity.comm), {0}, NEVER, false, false},
    {AZM_TEXT("MESSAGE"), SPECIAL(message), {0}, NEVER, false, false},
    {AZM_TEXT("SPAN_ID"), SPECIAL(span_id), {0}, NEVER, false, true},
    {AZM_TEXT("PRIORITY"), SPECIAL(priority), {0}, NEVER, false, false},
    {AZM_TEXT("TRACE_ID"), SPECIAL(trace_id), {0}, NEVER, false, true},
    {AZM_TEXT("_BOOT_ID"), AZM_NOT_SPECIAL, AZM_TEXT("journald.boot_id"), FULL, false, true},
    {AZM_TEXT("CODE_FILE"), AZM_NOT_SPECIAL, AZM_TEXT("code.file.path"), STANDARD, false, true},
    {AZM_TEXT("CODE_FUNC"), AZM_NOT_SPECIAL, AZM_TEXT("code.function.name"), STANDARD, false, true},
    {AZM_TEXT("N_DROPPED"), SPECIAL(n_dropped), AZM_TEXT("n_dropped"), STANDARD, false, true},
    {AZM_TEXT("CODE_LINE"), AZM_NOT_SPECIAL, AZM_TEXT("code.line.number"), STANDARD, true, true},
    {AZM_TEXT("_HOSTNAME"), SPECIAL(identity.host_name), {0}, NEVER, false, false},
    {AZM_TEXT("MESSAGE_ID"), SPECIAL(message_id), AZM_TEXT("journald.message_id"), STANDARD, false, true},
    {AZM_TEXT("SYSLOG_PID"), SPECIAL(syslog_pid), {0}, NEVER, false, true},
    {AZM_TEXT("SYSLOG_RAW"), AZM_NOT_SPECIAL, {0}, NEVER, false, false}, /* the datagram once more */
    {AZM_TEXT("_STREAM_ID"), AZM_NOT_SPECIAL, AZM_TEXT("journald.stream_id"), FULL, false, true},
    {AZM_TEXT("_LINE_BREAK"), SPECIAL(line_break), AZM_TEXT("journald.line_break"), FULL, false, false},
    {AZM_TEXT("_TRANSPORT"), SPECIAL(identity.transport), AZM_TEXT("journald.transport"), FULL, false, true},
    {AZM_TEXT("TRACE_FLAGS"), SPECIAL(trace_flags), {0}, NEVER, false, true},
    {AZM_TEXT("_MACHINE_ID"), SPECIAL(identity.machine_id), {0}, NEVER, false, false},
    {AZM_TEXT("SYSLOG_MSGID"), AZM_NOT_SPECIAL, AZM_TEXT("syslog.msgid"), STANDARD, false, true},
    {AZM_TEXT("_SYSTEMD_UNIT"), SPECIAL(identity.unit), {0}, NEVER, false, false},
    {AZM_TEXT("EXCEPTION_TYPE"), AZM_NOT_SPECIAL, AZM_TEXT("exception.type"), STANDARD, false, true},
    {AZM_TEXT("SYSLOG_FACILITY"), AZM_NOT_SPECIAL, AZM_TEXT("syslog.facility"), STANDARD, true, true},
    {AZM_TEXT("SYSLOG_TIMESTAMP"), AZM_NOT_SPECIAL, {0}, NEVER, false, false}, /* the record's time is better */
    {AZM_TEXT("EXCEPTION_MESSAGE"), AZM_NOT_SPECIAL, AZM_TEXT("exception.message"), STANDARD, false, true},
    {AZM_TEXT("OTEL_SERVICE_NAME"), SPECIAL(identity.otel_service_name), {0}, NEVER, false, true},
    {AZM_TEXT("SYSLOG_IDENTIFIER"), SPECIAL(identity.identifier), {0}, NEVER, false, true},
    {AZM_TEXT("_SYSTEMD_USER_UNIT"), SPECIAL(identity.user_unit), {0}, NEVER, false, false},
    {AZM_TEXT("EXCEPTION_STACKTRACE"), AZM_NOT_SPECIAL, AZM_TEXT("exception.stacktrace"), STANDARD, false, true},
    {AZM_TEXT("CONTAINER_PARTIAL_MESSAGE"), SPECIAL(partial), AZM_TEXT("container_partial_message"), STANDARD, false,
     false},
    {AZM_TEXT("_SYSTEMD_INVOCATION_ID"), SPECIAL(invocation), AZM_TEXT("journald.systemd_invocation_id"), FULL, false,
     false},
    {AZM_TEXT("_SOURCE_REALTIME_TIMESTAMP"), SPECIAL(source_time), {0}, NEVER, false, false},
};

void azm_field_index_init(struct azm_field_index *x)
{
    *x = (struct azm_field_index){0};
    for (size_t row = 0; row < AZM_FIELD_ROWS; row++) {
        size_t i = azm_field_slot(azm_fields[row].name.s, azm_fields[row].name.len);

        while (x->row[i] > 0)
            i = (i + 1) % AZM_FIELD_SLOTS;
        x->row[i] = (uint8_t)(row + 1);
    }
}
